// When the next events are due at a given rate: no drift, no burst of more than 10 ms worth of events.
//
//   pace rhythm(2000, tide::clock::now());                    // events per second
//   co_await tide::sleep_until(rhythm.next());
//   const std::size_t count = rhythm.due(tide::clock::now());  // send so many, then:
//   rhythm.sent(count, tide::clock::now());
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>

#include <tide/runtime/executor.hpp>

namespace tide::relay::practice {

/// The k-th event is due k/rate after the start. Whoever falls behind catches up at twice the rate at most.
class pace {
 public:
  pace(double rate, clock::time_point start) noexcept
      : rate_(rate), burst_(std::max(1.0, std::floor(rate / 100))), start_(start), earliest_(start) {}

  /// When to look again; due() gives at least one then.
  [[nodiscard]] clock::time_point next() const noexcept { return std::max(earliest_, start_ + time_of(sent_ + 1)); }
  /// How many to send now.
  [[nodiscard]] std::size_t due(clock::time_point now) const noexcept {
    if (now < next()) return 0;
    const double passed = std::chrono::duration<double>(now - start_).count();
    return static_cast<std::size_t>(std::clamp(std::floor(passed * rate_) - sent_, 1.0, burst_));
  }
  void sent(std::size_t count, clock::time_point now) noexcept {
    sent_ += static_cast<double>(count);
    earliest_ = now + time_of(burst_ / 2);
  }

 private:
  [[nodiscard]] clock::duration time_of(double events) const noexcept {
    return std::chrono::ceil<clock::duration>(std::chrono::duration<double>(events / rate_));
  }
  double rate_;
  double burst_;  // events
  double sent_ = 0;
  clock::time_point start_;
  clock::time_point earliest_;
};

}  // namespace tide::relay::practice
