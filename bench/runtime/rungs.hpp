// What the runtime is measured by: the same work by hand with nothing around it, and by a peer.
#pragma once

#include <chrono>

#include "harness/on_executor.hpp"

namespace bench {

constexpr unsigned stream_batch = 1'000;  // messages on their way at a time, at most
constexpr int other_core = 1;             // where the second thread runs, if there is one

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
