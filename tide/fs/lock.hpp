// Advisory locks on files, between processes and within one:
//
//   auto held = co_await file.lock(tide::fs::lock_kind::exclusive);     // result<file_lock>
//   if (auto held = file.try_lock(tide::fs::lock_kind::shared, 0, 512)) …
//
// They are "open file description" locks (fcntl(2), F_OFD_SETLK). Unlike POSIX locks they belong to the open file and not to
// the process, so that closing another descriptor of the file lets nothing go and two opens of one process exclude each
// other; unlike flock(2) they lock parts, and network file systems know them.
#pragma once

#include <cstdint>
#include <utility>

#include <tide/base/descriptor.hpp>
#include <tide/base/result.hpp>
#include <tide/runtime/task.hpp>

namespace tide::fs {

enum class lock_kind : std::uint8_t { shared, exclusive };

/// Holds a lock until it goes; keeps the file open so long. Move-only, any thread. Locking a part again through the same
/// open file or a duplicate changes the lock that is there, and the first guard to go lets go of it.
class [[nodiscard]] file_lock {
 public:
  file_lock() noexcept = default;
  file_lock(file_lock&&) noexcept = default;
  file_lock& operator=(file_lock&& other) noexcept {
    std::swap(held_, other.held_);
    std::swap(offset_, other.offset_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~file_lock() { unlock(); }

  /// Does not wait on a local file system; on one of the network, for its server.
  void unlock() noexcept;
  [[nodiscard]] bool held() const noexcept { return static_cast<bool>(held_); }

  // For file.
  static result<file_lock> attempt(int fd, lock_kind kind, std::uint64_t offset, std::uint64_t size) noexcept;
  /// Asks again and again, at growing intervals of up to 10 ms: a thread that waited in the kernel could not be called back,
  /// and those who wait could take all threads from the one who is to let go.
  static task<result<file_lock>> take(int fd, lock_kind kind, std::uint64_t offset, std::uint64_t size);

 private:
  descriptor held_;
  std::uint64_t offset_ = 0;
  std::uint64_t size_ = 0;
};

}  // namespace tide::fs
