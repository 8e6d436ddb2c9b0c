// A file descriptor with one owner, closed when the owner goes.
//
//   tide::descriptor file(::open(path, O_RDONLY | O_CLOEXEC));
//   if (!file) return tide::fail_errno(errno);
#pragma once

#include <unistd.h>

#include <utility>

namespace tide {

/// Move-only. Not thread-safe; may be moved to another thread. Closing is the plain close(2): sockets of the runtime close
/// through their ring instead (tide/net).
class descriptor {
 public:
  descriptor() noexcept = default;
  explicit descriptor(int fd) noexcept : fd_(fd) {}
  descriptor(descriptor&& other) noexcept : fd_(other.release()) {}
  descriptor& operator=(descriptor&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  ~descriptor() { reset(); }

  [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }
  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
  void reset(int fd = -1) noexcept {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

}  // namespace tide
