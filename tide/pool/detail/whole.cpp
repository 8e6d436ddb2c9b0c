// What concerns the pool as a whole: its header, durability, the audit, the end.
//
// SAFETY (for every atomic_ref in this file): as in transitions.cpp.
#include <algorithm>
#include <atomic>
#include <cstring>

#include <tide/pool/detail/core.hpp>
#include <tide/pool/detail/fault_point.hpp>
#include <tide/pool/detail/file.hpp>
#include <tide/pool/detail/growth_lock.hpp>
#include <tide/pool/error.hpp>

namespace tide::pool_detail {

/// Writes the next header into the slot that does not count now. A death in the middle leaves a damaged copy there and the
/// other one whole.
result<> core::write_header(bool clean) {
  const growth_lock lock(control_->lock, instance_, leases_);
  std::byte* const slots[2] = {shared_.data() + header_offsets[0], shared_.data() + header_offsets[1]};
  const result<header_slot> read[2] = {read_slot({slots[0], sizeof(header_slot)}),
                                       read_slot({slots[1], sizeof(header_slot)})};
  const unsigned target = !read[0] ? 0 : !read[1] ? 1 : read[0]->sequence < read[1]->sequence ? 0 : 1;
  header_slot next = header_;  // what never changes comes from our checked copy
  next.sequence = std::max({header_.sequence, read[0] ? read[0]->sequence : 0, read[1] ? read[1]->sequence : 0}) + 1;
  next.clean = clean ? 1 : 0;
  const auto bytes = sealed(next);
  std::memcpy(slots[target], bytes.data(), bytes.size() / 2);
  reach(fault_point::header_half);
  std::memcpy(slots[target] + bytes.size() / 2, bytes.data() + bytes.size() / 2, bytes.size() / 2);
  return {};
}

result<> core::sync() {
  if (forked()) return fail(pool_errc::foreign_process);
  const std::uint64_t count = blocks();
  if (auto done = shared_.sync(header_.payload_offset, count * header_.stride); !done) return done;
  if (auto done = shared_.sync(control_offset, metadata_offset - control_offset + count * sizeof(block_metadata)); !done) {
    return done;
  }
  reach(fault_point::sync_data);
  {
    const std::scoped_lock guard(mutex_);
    if (auto written = write_header(false); !written) return written;
  }
  return shared_.sync(0, control_offset);
}

result<> core::sync_block(std::uint32_t number) {
  if (forked()) return fail(pool_errc::foreign_process);
  if (auto done = shared_.sync(header_.payload_offset + number * header_.stride, length_of(number)); !done) return done;
  return shared_.sync(metadata_offset + number * sizeof(block_metadata), sizeof(block_metadata));
}

pool_audit core::audit() {
  (void)refresh_blocks();  // others may have grown the pool
  pool_audit all;
  all.blocks = blocks();
  const auto living = static_cast<std::uint16_t>(leases_.living() | own_bit_);
  for (std::uint32_t number = 0; number < all.blocks; ++number) {
    const state_word seen = load(number);
    switch (seen.state()) {
      case block_state::free: ++(seen.holders() == 0 ? all.free : all.contradictory); break;
      case block_state::recoverable:
      case block_state::non_recoverable:
      case block_state::staged:
        if (seen.holders() == 0)
          ++(seen.published() ? all.detached : all.contradictory);
        else
          ++((seen.holders() & living) != 0 ? all.held : all.orphaned);
        break;
      case block_state::retired: ++all.retired; break;
      case block_state::quarantined: ++all.quarantined; break;
      default: ++all.contradictory;
    }
  }
  return all;
}

void core::close() noexcept {
  if (alive_ == nullptr) return leave();  // never got as far as a mapping
  if (forked()) return;                   // the parent's: nothing of it may be touched here, not even given back
  closing_.store(true);
  {
    const std::scoped_lock guard(mutex_);
    if (outstanding() != 0) return;  // whoever gives up the last reference leaves
  }
  leave();
}

void core::leave() noexcept {
  // Without the lock the lease stays behind; it dies with the descriptor and is cleared by whoever opens next.
  if (lease_ < lease_slots && lock_byte(file_.get(), membership_lock_byte, std::chrono::seconds(1))) {
    const byte_lock membership(file_.get(), membership_lock_byte);
    const std::scoped_lock guard(mutex_);
    // Where the mark cannot be written the next one to open recovers by a scan, as after a crash: nothing is lost.
    if ((leases_.taken() & ~own_bit_) == 0) (void)write_header(true);
    reach(fault_point::close_marked_clean);
    leases_.give_up(lease_);
  }
  for (const auto& each : magazines_) each->pool_closed.store(true, std::memory_order_release);
  delete this;
}

}  // namespace tide::pool_detail
