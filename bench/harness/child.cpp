#include "harness/child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <format>
#include <fstream>
#include <stdexcept>
#include <system_error>

#include "harness/machine.hpp"

namespace bench {
namespace {

constexpr int answer_timeout_ms = 10'000;

[[noreturn]] void fail(const std::string& what) { throw std::system_error(errno, std::system_category(), what); }

// The second figure of schedstat: nanoseconds on a run queue without running. 0 where the kernel does not keep it.
double waited_ns(const std::string& process) {
  std::ifstream file("/proc/" + process + "/schedstat");
  double ran = 0;
  double waited = 0;
  file >> ran >> waited;
  return waited;
}

}  // namespace

double own_waited_ns() { return waited_ns("self"); }

child::child(const std::string& program, const child_options& options) : program_(program) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail("pipe");
  output_.reset(ends[0]);
  tide::descriptor input(ends[1]);

  const pid_t id = ::fork();
  if (id < 0) fail("fork");
  if (id == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (options.core >= 0) pin_to(options.core);
    ::dup2(input.get(), STDOUT_FILENO);
    ::execl(program.c_str(), program.c_str(), "--port", "0", nullptr);
    std::perror(program.c_str());
    ::_exit(127);
  }
  process_ = owned_process(id);
  input.reset();
  if (const int error = ::clock_getcpuclockid(id, &clock_); error != 0) {
    throw std::system_error(error, std::system_category(), "clock_getcpuclockid");
  }
  const std::string first = line();
  unsigned port = 0;
  if (std::sscanf(first.c_str(), "port %u", &port) != 1) throw std::runtime_error(program_ + " said \"" + first + "\"");
  port_ = static_cast<std::uint16_t>(port);
}

owned_process::~owned_process() {
  if (id_ <= 0) return;
  ::kill(id_, SIGTERM);
  for (int waited_ms = 0; ::waitpid(id_, nullptr, WNOHANG) == 0; ++waited_ms) {
    if (waited_ms == answer_timeout_ms) ::kill(id_, SIGKILL);
    ::usleep(1000);
  }
}

cpu_usage child::usage() const {
  std::timespec now{};
  if (::clock_gettime(clock_, &now) != 0) throw std::runtime_error(program_ + " has ended");
  return {static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec),
          waited_ns(std::to_string(process_.id()))};
}

counters child::count() {
  if (::kill(process_.id(), SIGUSR1) != 0) fail(program_);
  const std::string answer = line();
  unsigned long long allocations = 0;
  unsigned long long enters = 0;
  if (std::sscanf(answer.c_str(), "allocations %llu enters %llu", &allocations, &enters) != 2) {
    throw std::runtime_error(program_ + " said \"" + answer + "\"");
  }
  return {allocations, enters};
}

std::string child::line() {
  while (true) {
    if (const auto end = pending_.find('\n'); end != std::string::npos) {
      std::string text = pending_.substr(0, end);
      pending_.erase(0, end + 1);
      return text;
    }
    pollfd ready{.fd = output_.get(), .events = POLLIN, .revents = 0};
    const int outcome = ::poll(&ready, 1, answer_timeout_ms);
    if (outcome < 0 && errno == EINTR) continue;
    if (outcome <= 0) throw std::runtime_error(program_ + " does not answer");
    std::array<char, 256> bytes{};
    const ssize_t count = ::read(output_.get(), bytes.data(), bytes.size());
    if (count <= 0) throw std::runtime_error(program_ + " has ended");
    pending_.append(bytes.data(), static_cast<std::size_t>(count));
  }
}

}  // namespace bench
