#include "harness/machine.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>

namespace bench {

std::optional<awake_cores> keep_cores_awake() {
  tide::descriptor request(::open("/dev/cpu_dma_latency", O_WRONLY | O_CLOEXEC));
  const std::int32_t latency_us = 0;
  if (!request || ::write(request.get(), &latency_us, sizeof latency_us) != sizeof latency_us) return std::nullopt;
  return awake_cores(std::move(request));
}

bool run_first() {
  const sched_param lowest{.sched_priority = 1};
  return ::sched_setscheduler(0, SCHED_RR, &lowest) == 0;
}

void pin_to(int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(static_cast<unsigned>(core), &cores);
  ::sched_setaffinity(0, sizeof cores, &cores);
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace bench
