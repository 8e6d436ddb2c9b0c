// So many bytes a second, in bursts of so many: for one stream or for several together.
//
//   tide::throttle uplink({.bytes_per_second = 10'000'000, .burst = 1'000'000});
//   tide::throttled slow(stream, uplink, uplink);        // a stream that reads and writes at that pace
//   co_await tide::copy(source, slow);
//
// What has been moved is paid for before the next move begins, so over any time the pace holds to within a burst and one
// piece of each stream that shares the throttle.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>

#include <tide/base/bytes.hpp>
#include <tide/base/result.hpp>
#include <tide/io/stream.hpp>
#include <tide/runtime/task.hpp>
#include <tide/runtime/time.hpp>

namespace tide {

struct throttle_options {
  std::uint64_t bytes_per_second = 1'000'000;  ///< 1 at least
  std::uint64_t burst = 65'536;                ///< bytes that may be saved up while nothing moves; 1 at least
};

/// The counting, with the time as the caller says.
class token_bucket {
 public:
  token_bucket(const throttle_options& wanted, clock::time_point now) noexcept
      : wanted_(wanted), tokens_(static_cast<double>(wanted.burst)), counted_at_(now) {}

  /// How long until something may be moved; 0: now.
  [[nodiscard]] std::chrono::nanoseconds wait(clock::time_point now) noexcept {
    count(now);
    if (tokens_ > 0) return std::chrono::nanoseconds(0);
    const double seconds = (1 - tokens_) / static_cast<double>(wanted_.bytes_per_second);
    return std::chrono::nanoseconds(static_cast<std::int64_t>(std::min(seconds, 1e9) * 1e9) + 1);
  }
  void pay(std::size_t bytes) noexcept { tokens_ -= static_cast<double>(bytes); }
  [[nodiscard]] std::uint64_t burst() const noexcept { return wanted_.burst; }

 private:
  void count(clock::time_point now) noexcept {
    const double seconds = std::chrono::duration<double>(now - counted_at_).count();
    tokens_ =
        std::min(tokens_ + seconds * static_cast<double>(wanted_.bytes_per_second), static_cast<double>(wanted_.burst));
    counted_at_ = now;
  }
  throttle_options wanted_;
  double tokens_;  // below 0: moved and not paid for
  clock::time_point counted_at_;
};

/// Belongs to one executor; outlives the streams that share it.
class throttle {
 public:
  explicit throttle(const throttle_options& wanted) noexcept : bucket_(wanted, clock::now()) {}

  /// co_await: until something may be moved. errc::canceled.
  task<result<>> ready() {
    while (true) {
      const auto left = bucket_.wait(clock::now());
      if (left == std::chrono::nanoseconds(0)) co_return result<>{};
      if (auto slept = co_await sleep(left); !slept) co_return slept;
    }
  }
  /// So many bytes were moved.
  void pay(std::size_t bytes) noexcept { bucket_.pay(bytes); }
  /// At most so many at a time.
  [[nodiscard]] std::size_t piece() const noexcept {
    return static_cast<std::size_t>(std::clamp<std::uint64_t>(bucket_.burst(), 1, std::size_t{64} * 1024));
  }

 private:
  token_bucket bucket_;
};

/// A stream at the pace of a throttle each way, which may be the same. Borrows all three.
template <stream S>
class throttled {
 public:
  throttled(S& inside, throttle& reads, throttle& writes) noexcept : inside_(&inside), reads_(&reads), writes_(&writes) {}

  task<result<std::size_t>> read_some(bytes_span into) {
    if (auto ready = co_await reads_->ready(); !ready) co_return fail(ready.error());
    auto count = co_await inside_->read_some(into.first(std::min(into.size(), reads_->piece())));
    if (count) reads_->pay(*count);
    co_return count;
  }
  task<result<std::size_t>> write_some(bytes_view bytes) {
    if (auto ready = co_await writes_->ready(); !ready) co_return fail(ready.error());
    auto count = co_await inside_->write_some(bytes.first(std::min(bytes.size(), writes_->piece())));
    if (count) writes_->pay(*count);
    co_return count;
  }
  task<result<>> write_all(bytes_view bytes) {
    while (!bytes.empty()) {
      const auto count = co_await write_some(bytes);
      if (!count) co_return fail(count.error());
      bytes = bytes.subspan(*count);
    }
    co_return result<>{};
  }
  [[nodiscard]] auto shutdown() { return inside_->shutdown(); }
  [[nodiscard]] auto close() { return inside_->close(); }

 private:
  S* inside_;
  throttle* reads_;
  throttle* writes_;
};

}  // namespace tide
