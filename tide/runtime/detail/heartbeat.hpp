// What an executor shows of its turns to the thread that watches for stalls.
#pragma once

#include <atomic>
#include <cstdint>

namespace tide::detail {

// SAFETY (for every atomic in this file): one thread writes, others only compare what they see with what they saw before; no
// other memory is read on the strength of it.

class heartbeat {
 public:
  // The executor's thread.
  void turn() noexcept { store(beats_ + 2); }
  void sleep() noexcept { store(beats_ | 1U); }
  void wake() noexcept { store((beats_ | 1U) + 1); }

  // Any thread, and the signal's handler.
  // SAFETY: see the top.
  [[nodiscard]] std::uint64_t look() const noexcept { return shown_.load(std::memory_order_relaxed); }
  [[nodiscard]] static bool asleep(std::uint64_t seen) noexcept { return (seen & 1U) != 0; }

 private:
  // SAFETY: see the top.
  void store(std::uint64_t next) noexcept { shown_.store(beats_ = next, std::memory_order_relaxed); }
  std::uint64_t beats_ = 1;  // the executor's own copy; begins asleep
  std::atomic<std::uint64_t> shown_{1};
};

}  // namespace tide::detail
