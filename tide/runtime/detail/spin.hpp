// How long to look for work before the thread sleeps. Sleeping and being woken costs microseconds; looking costs the time it
// takes. So the budget follows what recent waits were like: it shrinks to a few times the usual wait while looking pays, and
// by half each time it did not, down to nothing. Every so often it tries again.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace tide::detail {

class spin_budget {
 public:
  using nanoseconds = std::chrono::nanoseconds;

  explicit spin_budget(nanoseconds most) noexcept : most_(std::max(most, nanoseconds(0))), now_(most_) {}

  /// False: this executor never looks, and need not read the clock for it.
  [[nodiscard]] bool enabled() const noexcept { return most_.count() != 0; }
  /// How long to look this time; 0 for not at all. To be followed by hit or miss.
  [[nodiscard]] nanoseconds next() noexcept {
    if (now_.count() != 0) return now_;
    return ++passed_ % tries_again_after == 0 ? most_ : nanoseconds(0);
  }
  /// Work came after so long.
  void hit(nanoseconds wait) noexcept {
    ++hits_;
    usual_ += (wait - usual_) / 8;
    now_ = std::clamp(usual_ * 4, std::min(least, most_), most_);
  }
  /// It came after so long, when the thread slept already; it had looked for `looked` before.
  void miss(nanoseconds wait, nanoseconds looked) noexcept {
    if (looked.count() != 0) ++misses_;
    if (wait <= most_) {
      now_ = most_;
    } else {
      now_ = now_ / 2 < least ? nanoseconds(0) : now_ / 2;
    }
  }
  [[nodiscard]] std::uint64_t hits() const noexcept { return hits_; }
  [[nodiscard]] std::uint64_t misses() const noexcept { return misses_; }

  static constexpr std::uint32_t tries_again_after = 64;  ///< waits without a look
  static constexpr nanoseconds least{500};

 private:
  nanoseconds most_;
  nanoseconds now_;
  nanoseconds usual_{0};
  std::uint32_t passed_ = 0;
  std::uint64_t hits_ = 0;
  std::uint64_t misses_ = 0;
};

/// Tells the core that this is a loop that waits.
inline void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __builtin_arm_yield();
#endif
}

}  // namespace tide::detail
