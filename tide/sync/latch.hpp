// Waits until so many things have happened: latch.
//
//   tide::latch done(4);
//   …each of four:  done.count_down();
//   co_await done.wait();            // or done.wait_blocking() in a thread
#pragma once

#include <algorithm>
#include <cstdint>

#include <tide/sync/detail/line_operation.hpp>

namespace tide {

/// Any thread. Single use. Nobody waits when it goes; whoever was let go may destroy it.
class latch {
  struct zero_policy {
    static bool take(std::uint32_t& value) noexcept { return value == 0; }
    static result<> give() noexcept { return {}; }
  };

 public:
  using wait_operation = detail::line_operation<detail::across_threads, zero_policy>;

  explicit latch(std::uint32_t count) noexcept : line_(count) {}

  /// Below zero it stays at zero.
  void count_down(std::uint32_t by = 1) noexcept {
    line_.change([by](std::uint32_t value) noexcept { return value - std::min(value, by); });
  }
  /// co_await: result<>; errc::canceled.
  [[nodiscard]] wait_operation wait() noexcept { return wait_operation(line_, {}); }
  [[nodiscard]] wait_operation arrive_and_wait() noexcept {
    count_down();
    return wait();
  }
  /// Blocks the thread. errc::timed_out.
  result<> wait_blocking(clock::time_point deadline = clock::time_point::max()) noexcept {
    return detail::take_blocking(line_, zero_policy{}, deadline);
  }
  [[nodiscard]] bool is_done() const noexcept { return line_.value() == 0; }

 private:
  detail::wait_line<detail::control_word> line_;
};

}  // namespace tide
