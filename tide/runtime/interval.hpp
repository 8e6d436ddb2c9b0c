// Ticks: a moment again and again.
//
//   tide::interval every(100ms, tide::missed_tick::skip);
//   while (auto ticks = co_await every.next()) sample(*ticks);      // until the scope is cancelled
//
// Ticks keep to the plan: the time that the work between them takes does not add up. What happens to ticks that were missed
// is the policy's.
#pragma once

#include <algorithm>
#include <cstdint>

#include <tide/base/result.hpp>
#include <tide/runtime/time.hpp>

namespace tide {

enum class missed_tick {
  burst,  ///< they come one after another until the plan is caught up with
  skip,   ///< they are left out; the plan stays
  delay,  ///< they are left out; the plan begins anew, a period from now
};

/// Belongs to one task. The first tick comes a period after it was made.
class interval {
 public:
  /// `period`: at least a nanosecond; less counts as that.
  explicit interval(clock::duration period, missed_tick policy = missed_tick::burst) noexcept
      : interval(detail::from_now(period), period, policy) {}
  interval(clock::time_point first, clock::duration period, missed_tick policy = missed_tick::burst) noexcept
      : next_(first), period_(std::max(period, clock::duration(1))), policy_(policy) {}

  class tick final : public sleep_until {
   public:
    explicit tick(interval& of) noexcept : sleep_until(of.next_), of_(of) {}
    result<std::uint64_t> await_resume() const noexcept {
      if (const auto slept = sleep_until::await_resume(); !slept) return fail(slept.error());
      return of_.taken(clock::now());
    }

   private:
    interval& of_;
  };
  /// co_await next(): for how many planned ticks this one stands (more than 1 only where ticks are left out);
  /// errc::canceled.
  [[nodiscard]] tick next() noexcept { return tick(*this); }

  [[nodiscard]] clock::time_point deadline() const noexcept { return next_; }
  /// Moves the next tick; the plan goes on from there.
  void rearm(clock::time_point first) noexcept { next_ = first; }
  void rearm() noexcept { next_ = detail::from_now(period_); }

  /// The tick that was due is taken at `now`: plans the next one. Gives what next() gives.
  std::uint64_t taken(clock::time_point now) noexcept {
    const auto late = std::max(now - next_, clock::duration(0));
    const std::uint64_t missed = policy_ == missed_tick::burst ? 0 : static_cast<std::uint64_t>(late / period_);
    switch (policy_) {
      case missed_tick::burst: next_ = later(next_, period_); break;
      case missed_tick::skip: next_ = later(now - late % period_, period_); break;
      case missed_tick::delay: next_ = later(std::max(now, next_), period_); break;
    }
    return missed + 1;
  }

 private:
  static clock::time_point later(clock::time_point from, clock::duration time) noexcept {
    return time > clock::time_point::max() - from ? clock::time_point::max() : from + time;
  }
  clock::time_point next_;
  clock::duration period_;
  missed_tick policy_;
};

}  // namespace tide
