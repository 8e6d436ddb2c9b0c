#include <tide/sync/detail/control_word.hpp>

#include <bit>

#include <tide/sync/detail/futex.hpp>

// SAFETY (for every atomic in this file): a sleeper sets `sleeps_` only while the lock is held and sleeps only while the
// upper half still says so; giving the lock back takes the bit away by the same exchange and then wakes all, so a sleeper is
// never forgotten. The one who comes back from sleep sets the bit anew if it has to sleep again.

namespace tide::detail {
namespace {

constexpr int spins_before_sleep = 64;  // a few microseconds, where the lock is held for less than a tenth of one

void pause_briefly() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

std::uint32_t control_word::lock_contended() noexcept {
  for (int spins = 0;;) {
    std::uint64_t seen = whole_.load(std::memory_order_relaxed);
    if ((seen & locked_) == 0) {
      if (whole_.compare_exchange_weak(seen, seen | locked_, std::memory_order_acquire, std::memory_order_relaxed)) {
        return static_cast<std::uint32_t>(seen);
      }
    } else if (++spins <= spins_before_sleep) {
      pause_briefly();
    } else if ((seen & sleeps_) != 0 ||
               whole_.compare_exchange_weak(seen, seen | sleeps_, std::memory_order_relaxed, std::memory_order_relaxed)) {
      futex_wait(upper_half(), static_cast<std::uint32_t>((seen | sleeps_) >> 32), clock::time_point::max());
    }
  }
}

void control_word::wake_sleepers() noexcept { futex_wake(upper_half(), every_thread); }

std::uint32_t* control_word::upper_half() noexcept {
  static_assert(sizeof whole_ == sizeof(std::uint64_t) && std::atomic<std::uint64_t>::is_always_lock_free);
  // SAFETY: a lock-free atomic of 64 bits is its value; the kernel only compares this half of it.
  return reinterpret_cast<std::uint32_t*>(&whole_) + (std::endian::native == std::endian::little ? 1 : 0);
}

}  // namespace tide::detail
