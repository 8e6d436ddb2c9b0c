// tide-relay as a process of its own, to be killed.
//
//   relay_test::relay_process relay({"--data", directory, "--dev", "--host", url});
//   if (relay.wait_until_serving()) connect_to(relay.address());
//   relay.kill(SIGKILL);
//   int code = relay.wait();
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <tide/base/descriptor.hpp>
#include <tide/net/address.hpp>

namespace relay_test {

class relay_process {
 public:
  /// Listens on a port that the kernel picks; `arguments` say the rest.
  explicit relay_process(std::vector<std::string> arguments) : began_(std::chrono::steady_clock::now()) {
    arguments.insert(arguments.begin(), {std::string(TIDE_BINARY_DIR) + "/bin/tide-relay", "--listen", "127.0.0.1:0"});
    std::vector<char*> pointers;
    for (std::string& each : arguments) pointers.push_back(each.data());
    pointers.push_back(nullptr);
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::system_category(), "pipe");
    log_.reset(ends[0]);
    const tide::descriptor input(ends[1]);
    id_ = ::fork();
    if (id_ < 0) throw std::system_error(errno, std::system_category(), "fork");
    if (id_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::dup2(input.get(), STDERR_FILENO);
      ::execv(pointers[0], pointers.data());
      ::_exit(127);
    }
  }
  relay_process(const relay_process&) = delete;
  relay_process& operator=(const relay_process&) = delete;
  ~relay_process() {
    if (id_ <= 0) return;
    ::kill(id_, SIGKILL);
    ::waitpid(id_, nullptr, 0);
  }

  /// False if it ended first.
  bool wait_until_serving() {
    const std::string mark = "address=";
    while (true) {
      const std::size_t at = text_.find(mark);
      const std::size_t end = at == std::string::npos ? at : text_.find(' ', at);
      if (end != std::string::npos) {
        const auto address = tide::net::address::parse(text_.substr(at + mark.size(), end - at - mark.size()));
        if (!address) throw std::runtime_error("no address in: " + text_);
        address_ = *address;
        started_in_ = std::chrono::steady_clock::now() - began_;
        return true;
      }
      std::array<char, 4096> bytes;
      const ssize_t size = ::read(log_.get(), bytes.data(), bytes.size());
      if (size < 0 && errno == EINTR) continue;
      if (size <= 0) return false;
      text_.append(bytes.data(), static_cast<std::size_t>(size));
    }
  }
  [[nodiscard]] const tide::net::address& address() const { return address_; }
  /// From the start of the process until it said that it serves.
  [[nodiscard]] std::chrono::steady_clock::duration started_in() const { return started_in_; }
  [[nodiscard]] pid_t id() const { return id_; }
  [[nodiscard]] const std::string& log() const { return text_; }

  void kill(int signal) const { ::kill(id_, signal); }
  /// The exit code, or minus the signal that ended it. Reads its log to the end meanwhile, so that it can write it.
  int wait() {
    std::array<char, 4096> bytes;
    for (ssize_t size = 1; size > 0;) {
      size = ::read(log_.get(), bytes.data(), bytes.size());
      if (size > 0) text_.append(bytes.data(), static_cast<std::size_t>(size));
    }
    int status = 0;
    ::waitpid(id_, &status, 0);
    id_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  std::chrono::steady_clock::time_point began_;
  std::chrono::steady_clock::duration started_in_{};
  pid_t id_ = -1;
  tide::descriptor log_;
  std::string text_;
  tide::net::address address_;
};

}  // namespace relay_test
