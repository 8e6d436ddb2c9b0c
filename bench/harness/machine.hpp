// What a benchmark asks of the machine before it measures. Each says whether it was granted; without the right (mostly
// root's) the run goes on, noisier.
//
//   bool first = bench::run_first();
//   auto awake = bench::keep_cores_awake();     // until it goes out of scope
//   bench::pin_to(1);
#pragma once

#include <optional>
#include <utility>

#include <tide/base/descriptor.hpp>

namespace bench {

/// While it lives, idle cores poll instead of halting (a PM QoS request for a wake-up latency of 0).
class awake_cores {
 public:
  explicit awake_cores(tide::descriptor request) noexcept : request_(std::move(request)) {}

 private:
  tide::descriptor request_;
};

/// On a virtual machine, waking a halted core goes through the hypervisor and costs the waker and the woken tens of
/// microseconds that have nothing to do with the code under measurement, and vary with what else the host does.
[[nodiscard]] std::optional<awake_cores> keep_cores_awake();

/// Puts builds and the like on the same cores behind the measurement: this process and the children it starts after run
/// before everything that is not real-time (SCHED_RR). The kernel still leaves the others a share of about 5 %.
bool run_first();

/// The calling thread, and children it starts after, run on this core only.
void pin_to(int core);

/// Two servers with 500 connections each need more descriptors than the usual soft limit.
void raise_descriptor_limit();

}  // namespace bench
