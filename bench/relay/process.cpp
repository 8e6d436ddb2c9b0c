#include "relay/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <stdexcept>
#include <system_error>

namespace bench {

process::process(const std::vector<std::string>& command, output read) : name_(command.front()) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::system_category(), "pipe");
  output_.reset(ends[0]);
  const tide::descriptor input(ends[1]);
  std::vector<char*> arguments;
  for (const std::string& each : command) arguments.push_back(const_cast<char*>(each.c_str()));  // execv takes no const form
  arguments.push_back(nullptr);
  const pid_t id = ::fork();
  if (id < 0) throw std::system_error(errno, std::system_category(), "fork");
  if (id == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(input.get(), read == output::standard_output ? STDOUT_FILENO : STDERR_FILENO);
    ::execv(arguments[0], arguments.data());
    std::perror(arguments[0]);
    ::_exit(127);
  }
  process_ = owned_process(id);
  if (const int error = ::clock_getcpuclockid(id, &clock_); error != 0)
    throw std::system_error(error, std::system_category(), name_);
}

std::string process::line() {
  while (true) {
    if (const std::size_t end = pending_.find('\n'); end != std::string::npos) {
      std::string first = pending_.substr(0, end);
      pending_.erase(0, end + 1);
      return first;
    }
    pollfd ready{.fd = output_.get(), .events = POLLIN, .revents = 0};
    std::array<char, 4096> bytes;
    if (::poll(&ready, 1, 10'000) != 1) throw std::runtime_error(name_ + " says nothing");
    const ssize_t size = ::read(output_.get(), bytes.data(), bytes.size());
    if (size <= 0) throw std::runtime_error(name_ + " has ended: " + pending_);
    pending_.append(bytes.data(), static_cast<std::size_t>(size));
  }
}

double process::cpu_ns() const {
  timespec used{};
  if (::clock_gettime(clock_, &used) != 0) throw std::system_error(errno, std::system_category(), name_);
  return static_cast<double>(used.tv_sec) * 1e9 + static_cast<double>(used.tv_nsec);
}

}  // namespace bench
