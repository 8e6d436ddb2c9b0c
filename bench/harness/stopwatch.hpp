// Windows of work that this process does itself, as paired.hpp takes them.
//
//   const bench::stopwatch watch;
//   double done = 0;
//   while (watch.within(length)) done += work();
//   return watch.finish(done);
#pragma once

#include <time.h>

#include <chrono>

#include "harness/paired.hpp"

namespace bench {

/// CPU time of the calling thread.
[[nodiscard]] inline double own_cpu_ns() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) * 1e9 + static_cast<double>(used.tv_nsec);
}

/// Fills in a window from its construction to finish(), both on one thread.
class stopwatch {
 public:
  [[nodiscard]] bool within(std::chrono::nanoseconds length) const { return now() - begun_ < length; }
  [[nodiscard]] window finish(double done) const {
    return {.messages = done,
            .wall_ns = std::chrono::duration<double, std::nano>(now() - begun_).count(),
            .cpu_ns = own_cpu_ns() - cpu_};
  }

 private:
  static std::chrono::steady_clock::time_point now() { return std::chrono::steady_clock::now(); }
  std::chrono::steady_clock::time_point begun_ = now();
  double cpu_ = own_cpu_ns();
};

/// Calls `work()`, which gives how much it did, until the time is over.
template <class Work>
[[nodiscard]] side repeated(Work work) {
  return [work](std::chrono::nanoseconds length) mutable {
    const stopwatch watch;
    double done = 0;
    while (watch.within(length)) done += work();
    return watch.finish(done);
  };
}

}  // namespace bench
