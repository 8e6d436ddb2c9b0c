#include <tide/pool/detail/growth_lock.hpp>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <ctime>

namespace tide::pool_detail {
namespace {

/// Waits until the low half of the word is no longer `seen`, or a few milliseconds have passed: the owner may have died.
void wait_while(std::uint64_t& word, std::uint64_t seen) noexcept {
  const timespec patience{.tv_sec = 0, .tv_nsec = 5'000'000};
  // SAFETY: the low half of a little-endian word stands at its own address, is aligned, and lives in the mapping that the
  // caller keeps; the kernel only reads it.
  ::syscall(SYS_futex, static_cast<void*>(&word), FUTEX_WAIT, static_cast<std::uint32_t>(seen), &patience, nullptr, 0);
}

}  // namespace

growth_lock::growth_lock(std::uint64_t& word, std::uint64_t token, const lease_table& leases) noexcept
    : word_(word), token_(token) {
  const std::atomic_ref lock(word_);
  for (;;) {
    std::uint64_t owner = 0;
    // SAFETY: acquire sees everything the owner before did under the lock. A takeover is one compare-and-swap from the dead
    // owner's token, which is random and never used again, so only one waiter wins it.
    if (lock.compare_exchange_strong(owner, token_, std::memory_order_acquire)) return;
    if (!leases.token_lives(owner)) {
      if (lock.compare_exchange_strong(owner, token_, std::memory_order_acquire)) return;
      continue;
    }
    wait_while(word_, owner);
  }
}

growth_lock::~growth_lock() {
  // SAFETY: release publishes what was done under the lock; the word is ours until this store.
  std::atomic_ref(word_).store(0, std::memory_order_release);
  ::syscall(SYS_futex, static_cast<void*>(&word_), FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

}  // namespace tide::pool_detail
