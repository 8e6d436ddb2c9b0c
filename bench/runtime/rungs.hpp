// What the runtime is measured by: the same work by hand with nothing around it, and by a peer.
#pragma once

#include <time.h>

#include <chrono>

#include "harness/paired.hpp"

namespace bench {

constexpr int batch = 1'000;              // pieces of work between two looks at the clock
constexpr unsigned stream_batch = 1'000;  // messages on their way at a time, at most
constexpr int other_core = 1;             // where the second thread runs, if there is one

[[nodiscard]] inline double own_cpu_ns() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) * 1e9 + static_cast<double>(used.tv_nsec);
}

/// Fills in a window from its construction to finish().
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

// By hand: coroutines whose frames come from a free list, a ring of handles, an io_uring.
[[nodiscard]] side bare_calls();
[[nodiscard]] side bare_yields(int tasks);
[[nodiscard]] side bare_spawns();
[[nodiscard]] side raw_nops(int at_a_time);
[[nodiscard]] side clock_reads();

// By hand and by executors, to a thread on the other core: trips there and back, messages one way.
[[nodiscard]] side raw_line_trips();
[[nodiscard]] side raw_futex_trips();
[[nodiscard]] side raw_stream();
[[nodiscard]] side tide_trips(std::chrono::nanoseconds spin);
[[nodiscard]] side tide_stream(std::chrono::nanoseconds spin);

// Asio, where it is installed.
[[nodiscard]] side asio_yields(int tasks);
[[nodiscard]] side asio_spawns();
[[nodiscard]] side asio_timers();

}  // namespace bench
