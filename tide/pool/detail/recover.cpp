// What opening does with what the processes before left: recovery when nobody lives, reclaiming when somebody does.
//
// SAFETY (for every atomic_ref in this file): as in transitions.cpp. Recovery holds the membership lock and knows that no
// lease lives, so nobody else touches the pool; it uses the same atomic accesses for the sake of one rule.
#include <algorithm>
#include <atomic>

#include <tide/pool/detail/core.hpp>
#include <tide/pool/detail/fault_point.hpp>
#include <tide/pool/detail/file.hpp>
#include <tide/pool/error.hpp>

namespace tide::pool_detail {

result<std::uint32_t> core::blocks_in_file() const {
  const auto size = size_of(file_.get());
  if (!size) return fail(size.error());
  if (*size < header_.payload_offset) return fail(pool_errc::truncated);
  const std::uint64_t fit = (*size - header_.payload_offset) / header_.stride;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(fit, header_.maximum_blocks));
}

/// A sparse copy of a pool has holes, and writing to a hole may find the disk full in the middle of a store.
result<> core::secure_space(std::uint32_t blocks) {
  const std::uint64_t records = std::uint64_t{blocks} * sizeof(block_metadata);
  const std::uint64_t payloads = std::uint64_t{blocks} * header_.stride;
  const auto allocated = allocated_bytes(file_.get());
  if (!allocated) return fail(allocated.error());
  if (*allocated >= metadata_offset + records + payloads) return {};
  if (auto made = allocate_space(file_.get(), 0, metadata_offset + records); !made) return made;
  return allocate_space(file_.get(), header_.payload_offset, payloads);
}

result<> core::recover() {
  const auto fit = blocks_in_file();
  if (!fit) return fail(fit.error());
  // The count follows from the size of the file. A count that says more is a file that lost its end; one that says more than
  // a pool may have is damage, and not needed.
  const std::uint32_t counted = std::atomic_ref(control_->blocks).load(std::memory_order_relaxed);
  if (counted > *fit && counted <= header_.maximum_blocks) return fail(pool_errc::truncated);
  if (auto made = secure_space(*fit); !made) return made;
  std::atomic_ref(control_->lock).store(0, std::memory_order_relaxed);
  if (auto marked = write_header(false); !marked) return marked;
  reach(fault_point::open_marked_unclean);

  shared_.populate(metadata_offset, std::uint64_t{*fit} * sizeof(block_metadata), !report_.was_clean);
  free_.resize(*fit);
  for (std::uint32_t begin = 0; begin < *fit; begin += 64) {
    free_.add_word(begin / 64U, recover_group(begin, std::min(*fit, begin + 64)));
    reach(fault_point::recover_block);
  }
  run_ = random_token();
  std::atomic_ref(control_->run).store(run_, std::memory_order_relaxed);
  std::atomic_ref(control_->joins).store(1, std::memory_order_relaxed);
  std::atomic_ref(control_->blocks).store(*fit, std::memory_order_release);
  known_blocks_.store(*fit, std::memory_order_release);
  recovered_limit_ = *fit;
  leases_.clear(0xffff);
  reach(fault_point::recover_run_raised);
  return {};
}

/// Settles up to 64 blocks; bit i of the answer: block begin + i is free.
std::uint64_t core::recover_group(std::uint32_t begin, std::uint32_t end) noexcept {
  std::uint64_t free = 0;
  for (std::uint32_t number = begin; number < end; ++number) {
    block_metadata& record = metadata_[number];
    const std::atomic_ref state(record.state);
    const state_word found(state.load(std::memory_order_relaxed));
    state_word settled = found.with_holders(0);
    switch (found.state()) {
      case block_state::free:
      case block_state::retired:
      case block_state::quarantined: break;
      case block_state::recoverable:
        if (record.length > header_.block_size) settled = settled.with_state(block_state::quarantined);
        break;
      case block_state::non_recoverable:
      case block_state::staged:
        settled = found.freed();
        ++report_.freed;
        break;
      default: settled = settled.with_state(block_state::quarantined);
    }
    if (settled != found) state.store(settled.bits(), std::memory_order_relaxed);
    if (settled.state() == block_state::free) free |= std::uint64_t{1} << (number - begin);
    if (settled.state() == block_state::recoverable) ++report_.recovered;
    if (settled.state() == block_state::quarantined) ++report_.quarantined;
  }
  return free;
}

result<> core::join(std::uint16_t living) {
  const auto fit = blocks_in_file();
  if (!fit) return fail(fit.error());
  const std::uint32_t counted = std::atomic_ref(control_->blocks).load(std::memory_order_acquire);
  if (counted > *fit) return fail(counted > header_.maximum_blocks ? pool_errc::corrupt_header : pool_errc::truncated);
  known_blocks_.store(counted, std::memory_order_release);
  free_.resize(counted);
  const std::uint16_t dead = leases_.taken() & static_cast<std::uint16_t>(~living);
  if (dead != 0) report_.freed = reclaim_dead(living);
  leases_.clear(dead);
  run_ = std::atomic_ref(control_->run).load(std::memory_order_acquire);
  std::atomic_ref(control_->joins).fetch_add(1, std::memory_order_relaxed);
  report_.joined = true;
  rescan();
  return {};
}

/// Clears every holder bit that no living process has; a block nobody holds then is detached if it is recoverable, freed if
/// not. The caller holds the membership lock, so that no new process takes one of these bits meanwhile. Returns how many
/// were freed.
std::uint32_t core::reclaim_dead(std::uint16_t living) noexcept {
  std::uint32_t freed = 0;
  const std::uint32_t count = blocks();
  for (std::uint32_t number = 0; number < count; ++number) {
    const std::atomic_ref state(metadata_[number].state);
    std::uint64_t bits = state.load(std::memory_order_relaxed);
    for (;;) {
      const state_word now(bits);
      const auto left = static_cast<std::uint16_t>(now.holders() & living);
      if (left == now.holders()) break;
      const bool in_use = now.state() == block_state::non_recoverable || now.state() == block_state::staged;
      const state_word next = left == 0 && in_use ? now.freed() : now.with_holders(left);
      if (!state.compare_exchange_weak(bits, next.bits(), std::memory_order_acq_rel, std::memory_order_relaxed)) continue;
      if (next.state() == block_state::free) {
        free_.add(number);
        ++freed;
      }
      break;
    }
    if (number % 64 == 0) reach(fault_point::reclaim_block);
  }
  return freed;
}

result<std::uint32_t> core::reclaim() {
  if (forked()) return fail(pool_errc::foreign_process);
  if (auto locked = lock_byte(file_.get(), membership_lock_byte, std::chrono::seconds(1)); !locked)
    return fail(locked.error());
  const byte_lock membership(file_.get(), membership_lock_byte);
  const std::scoped_lock guard(mutex_);
  const auto living = static_cast<std::uint16_t>(leases_.living() | own_bit_);
  const std::uint16_t dead = leases_.taken() & static_cast<std::uint16_t>(~living);
  if (dead == 0) return 0;
  (void)refresh_locked();
  const std::uint32_t freed = reclaim_dead(living);
  leases_.clear(dead);
  return freed;
}

}  // namespace tide::pool_detail
