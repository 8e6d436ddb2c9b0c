// The clock of the run loop: the processor's own counter, read without a call into the kernel's page (10 ns where the
// monotonic clock takes 25). Good for how long something ran; never for a deadline that a user has set.
#pragma once

#include <chrono>
#include <cstdint>

namespace tide::detail {

/// Ticks of the processor's counter where that counts evenly, else nanoseconds of the monotonic clock.
class tick_clock {
 public:
  using source = std::uint64_t (*)() noexcept;
  /// `nanoseconds`: counts by this instead.
  explicit tick_clock(source nanoseconds);

  [[nodiscard]] std::uint64_t now() const noexcept {
#if defined(__x86_64__)
    if (source_ == nullptr) [[likely]]
      return __builtin_ia32_rdtsc();
#endif
    return source_();
  }
  /// CPU time of the calling thread; a system call. By the source, if there is one.
  [[nodiscard]] std::chrono::nanoseconds thread_time() const noexcept;
  [[nodiscard]] std::uint64_t ticks(std::chrono::nanoseconds time) const noexcept {
    return static_cast<std::uint64_t>(static_cast<double>(time.count()) * per_ns_);
  }
  [[nodiscard]] std::chrono::nanoseconds time(std::uint64_t ticks) const noexcept {
    return std::chrono::nanoseconds(static_cast<std::int64_t>(static_cast<double>(ticks) / per_ns_));
  }

 private:
  source source_;
  bool given_;  // the source
  double per_ns_ = 1;
};

}  // namespace tide::detail
