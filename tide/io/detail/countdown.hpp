// A limit on how long nothing may happen, kept without a look at the clock for each thing that happens.
//
//   countdown idle(5min);
//   if (idle.run_out(now, bytes_so_far, true)) …      // now and then: at idle.next(now) at the latest
//
// Never early: what happened since the last look counts as having happened now. So it is late by the time between two looks
// at most, a sixteenth of the limit.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include <tide/runtime/timer.hpp>

namespace tide::detail {

class countdown {
 public:
  static constexpr clock::duration never = clock::duration::max();
  explicit countdown(clock::duration limit) noexcept : limit_(limit == never ? never : std::min(limit, longest)) {}

  /// `count` changes whenever something happens. While it is not `active` it does not count down.
  [[nodiscard]] bool run_out(clock::time_point now, std::uint64_t count, bool active) noexcept {
    if (limit_ == never) return false;
    if (!active || !was_active_ || count != seen_) {
      since_ = now;
      seen_ = count;
      was_active_ = active;
      return false;
    }
    return now - since_ >= limit_;
  }
  /// When to look again.
  [[nodiscard]] clock::time_point next(clock::time_point now) const noexcept {
    if (limit_ == never) return clock::time_point::max();
    const auto look = std::max<clock::duration>(limit_ / 16, std::chrono::microseconds(1));
    return was_active_ ? std::min(now + look, std::max(since_ + limit_, now)) : now + look;
  }

 private:
  static constexpr clock::duration longest = std::chrono::years(10);  // so that no sum overflows
  clock::duration limit_;
  clock::time_point since_{};
  std::uint64_t seen_ = 0;
  bool was_active_ = false;
};

}  // namespace tide::detail
