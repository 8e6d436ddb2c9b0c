// The word that every shared thing of this room stands on: a value that threads change without a lock while nobody waits,
// and, in the same word, a lock for when somebody does.
//
//   control_word word(permits);
//   if (word.try_step([](std::uint32_t& value) { return value > 0 && (--value, true); })) …     // nobody waits: one swap
//   std::uint32_t value = word.lock();  …  word.unlock(value, somebody_waits);
//
// Because value, lock and "somebody waits" are one atomic, no step can slip between a waiter's look and its joining the
// line: a wake cannot be lost. And unlocking is the last touch of the object, so that whoever was let go may destroy it.
#pragma once

#include <atomic>
#include <cstdint>

// SAFETY (for every atomic in this file): while any of the upper bits is set, only the holder of the lock changes the value;
// others change no more than `sleeps_`. Taking the lock acquires, giving it back releases, and a step does both, so what a
// thread did before its step or unlock is seen by whoever's step or lock reads it.

namespace tide::detail {

/// Any thread.
class control_word {
 public:
  explicit control_word(std::uint32_t value) noexcept : whole_(value) {}
  control_word(const control_word&) = delete;
  control_word& operator=(const control_word&) = delete;

  [[nodiscard]] std::uint32_t value() const noexcept {
    return static_cast<std::uint32_t>(whole_.load(std::memory_order_acquire));
  }
  /// Whether the lock is held or somebody waits.
  [[nodiscard]] bool busy() const noexcept { return whole_.load(std::memory_order_acquire) > lowest_half; }

  /// Applies `step`, which changes the value it is given and says whether it may be so. False if it may not or if the word
  /// is busy. The step may run more than once.
  template <class Step>
  bool try_step(Step step) noexcept {
    std::uint64_t seen = whole_.load(std::memory_order_acquire);
    while (seen <= lowest_half) {
      auto value = static_cast<std::uint32_t>(seen);
      if (!step(value)) return false;
      if (value == seen) return true;
      if (whole_.compare_exchange_weak(seen, value, std::memory_order_acq_rel, std::memory_order_acquire)) return true;
    }
    return false;
  }

  /// Takes the lock and gives the value. Held for some dozens of instructions only; spins, then sleeps.
  std::uint32_t lock() noexcept {
    std::uint64_t seen = whole_.load(std::memory_order_relaxed);
    if ((seen & locked_) == 0 &&
        whole_.compare_exchange_strong(seen, seen | locked_, std::memory_order_acquire, std::memory_order_relaxed)) {
      return static_cast<std::uint32_t>(seen);
    }
    return lock_contended();
  }
  /// Gives the lock back and sets the value. The word may be gone when this returns.
  void unlock(std::uint32_t value, bool somebody_waits) noexcept {
    const std::uint64_t whole = value | (somebody_waits ? waited_ : 0);
    if ((whole_.exchange(whole, std::memory_order_release) & sleeps_) != 0) wake_sleepers();
  }

 private:
  static constexpr std::uint64_t lowest_half = 0xffff'ffff;
  static constexpr std::uint64_t locked_ = std::uint64_t{1} << 32;
  static constexpr std::uint64_t sleeps_ = std::uint64_t{1} << 33;  // a thread sleeps until the lock is given back
  static constexpr std::uint64_t waited_ = std::uint64_t{1} << 34;  // the owner's line of waiters is not empty
  std::uint32_t lock_contended() noexcept;
  void wake_sleepers() noexcept;
  [[nodiscard]] std::uint32_t* upper_half() noexcept;

  std::atomic<std::uint64_t> whole_;
};

/// The same for one thread: no atomics, and the lock is nothing.
class plain_word {
 public:
  explicit plain_word(std::uint32_t value) noexcept : value_(value) {}
  plain_word(const plain_word&) = delete;
  plain_word& operator=(const plain_word&) = delete;

  [[nodiscard]] std::uint32_t value() const noexcept { return value_; }
  [[nodiscard]] bool busy() const noexcept { return waited_; }
  template <class Step>
  bool try_step(Step step) noexcept {
    if (waited_) return false;
    std::uint32_t value = value_;
    if (!step(value)) return false;
    value_ = value;
    return true;
  }
  std::uint32_t lock() noexcept { return value_; }
  void unlock(std::uint32_t value, bool somebody_waits) noexcept {
    value_ = value;
    waited_ = somebody_waits;
  }

 private:
  std::uint32_t value_;
  bool waited_ = false;
};

}  // namespace tide::detail
