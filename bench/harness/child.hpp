// A server under measurement: a process of its own, pinned to a core, so that its CPU time is separate from everything else.
//
//   bench::child server("bin/tide-bench-echo-raw-ss", {.core = 0});
//   connect_to(server.port());
//   auto before = server.usage();  …  auto used = server.usage() - before;
//
// The contract with the server: `--port 0` takes any free port, "port N" is its first line on stdout, SIGUSR1 makes it print
// "allocations N enters M", SIGTERM ends it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <ctime>
#include <string>
#include <utility>

#include <tide/base/descriptor.hpp>

namespace bench {

struct child_options {
  int core = -1;  ///< -1: where the scheduler likes
};

struct cpu_usage {
  double cpu_ns = 0;     ///< user + system time of all threads
  double waited_ns = 0;  ///< the first thread ready to run, but without a core

  friend cpu_usage operator-(const cpu_usage& later, const cpu_usage& earlier) noexcept {
    return {later.cpu_ns - earlier.cpu_ns, later.waited_ns - earlier.waited_ns};
  }
};

struct counters {
  std::uint64_t allocations = 0;  ///< calls of operator new since the start
  std::uint64_t enters = 0;       ///< calls of io_uring_enter since the start; 0 for servers without a ring
};

/// A process that is ended (SIGTERM, later SIGKILL) and reaped when its owner goes.
class owned_process {
 public:
  owned_process() = default;
  explicit owned_process(pid_t id) noexcept : id_(id) {}
  owned_process(owned_process&& other) noexcept : id_(std::exchange(other.id_, -1)) {}
  owned_process& operator=(owned_process&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }
  ~owned_process();

  [[nodiscard]] pid_t id() const noexcept { return id_; }

 private:
  pid_t id_ = -1;
};

/// One thread at a time. Failures throw std::runtime_error or std::system_error.
class child {
 public:
  child(const std::string& program, const child_options& options);

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] cpu_usage usage() const;
  [[nodiscard]] counters count();

 private:
  std::string line();

  std::string program_;
  owned_process process_;
  tide::descriptor output_;
  std::string pending_;
  clockid_t clock_{};
  std::uint16_t port_ = 0;
};

/// The time in which the calling process was ready to run but had no core, in ns.
[[nodiscard]] double own_waited_ns();

}  // namespace bench
