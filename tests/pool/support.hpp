// What the pool's tests share: a path that is removed, children that run a function, bytes of a file.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <tide/pool/pool.hpp>

namespace tide_test {

/// Where files are really written, as far as this machine has such a place.
inline std::filesystem::path disk() { return std::filesystem::temp_directory_path(); }
/// Where files live in memory, if there is such a place: most tests write many and need no disk.
inline std::filesystem::path memory_disk() {
  return ::access("/dev/shm", W_OK) == 0 ? std::filesystem::path("/dev/shm") : disk();
}

/// A directory of its own that goes with the object.
class scratch {
 public:
  explicit scratch(const std::filesystem::path& parent = memory_disk()) {
    std::string pattern = (parent / "tide-pool-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
  }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;
  ~scratch() { std::filesystem::remove_all(directory_); }

  [[nodiscard]] std::filesystem::path operator/(const char* name) const { return directory_ / name; }
  [[nodiscard]] const std::filesystem::path& path() const { return directory_; }

 private:
  std::filesystem::path directory_;
};

/// A child process that runs `body` and ends with what it returns; never returns into the test.
class child {
 public:
  template <class Body>
  explicit child(Body&& body) : pid_(::fork()) {
    if (pid_ == 0) ::_exit(std::forward<Body>(body)());
  }
  child(child&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  child(const child&) = delete;
  child& operator=(const child&) = delete;
  ~child() {
    if (pid_ > 0) kill_and_wait();
  }

  [[nodiscard]] pid_t pid() const { return pid_; }
  /// The exit status, or minus the signal that ended it.
  int wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  int kill_and_wait() {
    ::kill(pid_, SIGKILL);
    return wait();
  }

 private:
  pid_t pid_;
};

/// A byte that one process waits for and another one gives.
class signal_pipe {
 public:
  signal_pipe() {
    if (::pipe2(ends_, O_CLOEXEC) != 0) std::abort();
  }
  signal_pipe(const signal_pipe&) = delete;
  signal_pipe& operator=(const signal_pipe&) = delete;
  ~signal_pipe() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  void give() const { [[maybe_unused]] const auto put = ::write(ends_[1], "x", 1); }
  void wait() const {
    char byte = 0;
    [[maybe_unused]] const auto got = ::read(ends_[0], &byte, 1);
  }

 private:
  int ends_[2];
};

inline std::vector<char> contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline void overwrite(const std::filesystem::path& path, std::uint64_t offset, const void* bytes, std::size_t size) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(offset));
  file.write(static_cast<const char*>(bytes), static_cast<std::streamsize>(size));
}

}  // namespace tide_test
