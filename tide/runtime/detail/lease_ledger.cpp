#include <tide/runtime/lease_ledger.hpp>

// SAFETY (for every atomic in this file): returned_ is a stack that is pushed by compare-and-swap (release) and emptied
// whole by exchange (acquire), so next_[number] is written by one thread before the push and read by the home thread after
// the exchange. outstanding_ only ever falls by one for each return from elsewhere until disown() adds all that was lent and
// not returned at home: before that it is never positive after a fall, after that it is what is still out. So exactly one
// caller sees zero, and nobody touches the ledger after having subtracted.

namespace tide {

lease_ledger::lease_ledger(std::size_t numbers) : next_(std::make_unique<std::uint32_t[]>(numbers)) {}

bool lease_ledger::return_from_elsewhere(std::uint32_t number) noexcept {
  std::uint32_t top = returned_.load(std::memory_order_relaxed);
  do {
    next_[number] = top;
  } while (!returned_.compare_exchange_weak(top, number + 1, std::memory_order_release, std::memory_order_relaxed));
  return outstanding_.fetch_sub(1, std::memory_order_acq_rel) == 1;
}

std::uint32_t lease_ledger::take_all() noexcept { return returned_.exchange(0, std::memory_order_acquire); }

bool lease_ledger::has_returned() const noexcept { return returned_.load(std::memory_order_relaxed) != 0; }

bool lease_ledger::disown() noexcept {
  const auto out = static_cast<std::int64_t>(lent_ - returned_here_);
  return outstanding_.fetch_add(out, std::memory_order_acq_rel) + out == 0;
}

}  // namespace tide
