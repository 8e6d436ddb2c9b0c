// The life of a block, one compare-and-swap a step.
//
// SAFETY (for every atomic_ref in this file): state words lie in the shared mapping and local words in local_memory_, both
// of which live as long as the core and never move; numbers are checked against known_blocks_, which was checked against the
// file. State and local words are only ever touched atomically. The record and payload of a block belong to whoever staged
// it until the releasing store of publish(), and to its holders after the acquiring load that showed them the state.
#include <atomic>
#include <cstring>
#include <thread>

#include <tide/pool/detail/core.hpp>
#include <tide/pool/detail/fault_point.hpp>
#include <tide/pool/error.hpp>

namespace tide::pool_detail {
namespace {

template <class T>
void store_relaxed(T& field, T value) noexcept {
  std::atomic_ref(field).store(value, std::memory_order_relaxed);
}

template <class T>
T load_relaxed(T& field) noexcept {
  return std::atomic_ref(field).load(std::memory_order_relaxed);
}

bool exchange(std::uint64_t& word, std::uint64_t& expected, std::uint64_t wanted) noexcept {
  return std::atomic_ref(word).compare_exchange_strong(expected, wanted, std::memory_order_acq_rel,
                                                       std::memory_order_acquire);
}

}  // namespace

state_word core::load(std::uint32_t number) const noexcept {
  return state_word(std::atomic_ref(metadata_[number].state).load(std::memory_order_acquire));
}

std::size_t core::length_of(std::uint32_t number) const noexcept {
  const std::uint64_t length = load_relaxed(metadata_[number].length);
  return length < header_.block_size ? length : header_.block_size;
}

void core::set_length(std::uint32_t number, std::size_t bytes) noexcept {
  store_relaxed(metadata_[number].length, std::uint64_t{bytes});
}

std::uint64_t core::type_in(std::uint32_t number) const noexcept { return load_relaxed(metadata_[number].type); }

bool core::try_claim(std::uint32_t number, state_word& won) noexcept {
  if (number >= blocks()) return false;
  std::uint64_t bits = std::atomic_ref(metadata_[number].state).load(std::memory_order_relaxed);
  const state_word seen(bits);
  if (seen.state() != block_state::free || seen.holders() != 0) return false;
  reach(fault_point::claim_looked);
  won = state_word(block_state::staged, seen.generation(), own_bit_);
  return exchange(metadata_[number].state, bits, won.bits());
}

result<held_block> core::claim(std::size_t bytes, std::uint64_t type, bool zeroed) {
  if (forked()) return fail(pool_errc::foreign_process);
  if (bytes > header_.block_size) return fail(pool_errc::too_large);
  magazine& stack = mine();
  state_word won;
  std::uint32_t number = 0;
  do {
    if (stack.count == 0) {
      if (auto filled = refill(stack); !filled) return fail(filled.error());
    }
    number = stack.numbers[--stack.count];
  } while (!try_claim(number, won));
  reach(fault_point::claim_staged);

  block_metadata& record = metadata_[number];
  record.version = 0;
  std::memset(record.id, 0, sizeof record.id);
  record.checksum = 0;
  store_relaxed(record.type, type);
  store_relaxed(record.length, std::uint64_t{bytes});
  store_relaxed(record.run, run_);
  std::byte* const data = payload(number);
  // A block of generation 0 was never used: its bytes are the zeros that the file system gave.
  if (zeroed && won.generation() != 0) std::memset(data, 0, bytes);
  // Nobody of this process holds the block, so the local word is a leftover that no thread will complete any more:
  // whoever is still about to compares it with an older generation and fails.
  std::atomic_ref(local_[number]).store(local_word(won.generation(), false, 1).bits(), std::memory_order_relaxed);
  stack.count_acquired();
  reach(fault_point::claim_filled);
  return held_block{.number = number, .generation = won.generation(), .data = data};
}

void core::publish(const held_block& claimed, block_state kind) noexcept {
  // A staged block is changed by nobody but its holder, so this transition needs no comparison.
  std::atomic_ref(metadata_[claimed.number].state)
      .store(state_word(kind, claimed.generation, own_bit_).bits(), std::memory_order_release);
  reach(fault_point::claim_published);
}

result<held_block> core::attach(std::uint32_t number, std::uint64_t generation) {
  if (forked()) return fail(pool_errc::foreign_process);
  if (number >= blocks() && (!refresh_blocks() || number >= blocks())) return fail(pool_errc::stale);
  const held_block held{.number = number, .generation = generation, .data = payload(number)};
  magazine& stack = mine();
  for (;;) {
    const state_word seen = load(number);
    if (!seen.published() || seen.generation() != generation) return fail(pool_errc::stale);
    reach(fault_point::attach_looked);
    std::uint64_t local_bits = std::atomic_ref(local_[number]).load(std::memory_order_acquire);
    const local_word local(local_bits);
    if (local.generation() == generation && local.references() > 0) {
      // Held by this process already, and for as long as the count is not zero.
      if (local.references() == local_word::most_references) return fail(pool_errc::too_many_references);
      if (!exchange(local_[number], local_bits, local_bits + 1)) continue;
      stack.count_acquired();
      return held;
    }
    if (local.generation() == generation && local.busy()) {
      std::this_thread::yield();  // another thread is setting or clearing our holder bit
      continue;
    }
    // What is left is a word at rest, or one of an earlier life of the block. One of a later life says that the handle went
    // stale since its state was looked at.
    if (local.generation() > generation) return fail(pool_errc::stale);
    const std::uint64_t busy = local_word(generation, true, 0).bits();
    if (!exchange(local_[number], local_bits, busy)) continue;
    reach(fault_point::attach_begun);
    std::uint64_t bits = seen.bits();
    bool holds = false;
    while (!holds) {
      const state_word now(bits);
      if (!now.published() || now.generation() != generation) break;
      holds = exchange(metadata_[number].state, bits, now.with_holders(now.holders() | own_bit_).bits());
    }
    reach(fault_point::attach_done);
    std::uint64_t expected = busy;
    exchange(local_[number], expected, local_word(generation, false, holds ? 1 : 0).bits());
    if (!holds) return fail(pool_errc::stale);
    stack.count_acquired();
    return held;
  }
}

result<> core::share(std::uint32_t number) {
  if (forked()) return fail(pool_errc::foreign_process);
  std::uint64_t bits = std::atomic_ref(local_[number]).load(std::memory_order_relaxed);
  do {
    if (local_word(bits).references() == local_word::most_references) return fail(pool_errc::too_many_references);
  } while (!exchange(local_[number], bits, bits + 1));
  mine().count_acquired();
  return {};
}

/// Clears our holder bit; the word as it is then.
state_word core::clear_holder(std::uint32_t number, fate wanted) noexcept {
  std::uint64_t bits = std::atomic_ref(metadata_[number].state).load(std::memory_order_relaxed);
  for (;;) {
    const state_word now(bits);
    const auto others = static_cast<std::uint16_t>(now.holders() & ~own_bit_);
    const bool keep = wanted == fate::kept || (wanted == fate::by_kind && now.state() == block_state::recoverable);
    const state_word next = others != 0 || keep ? now.with_holders(others) : now.freed();
    if (exchange(metadata_[number].state, bits, next.bits())) return next;
  }
}

void core::give_up(std::uint32_t number, std::uint64_t generation, fate wanted) noexcept {
  if (forked()) return;
  magazine& stack = mine();
  const bool closing = closing_.load(std::memory_order_relaxed);
  std::uint64_t bits = std::atomic_ref(local_[number]).load(std::memory_order_relaxed);
  bool last = false;
  do {
    if (local_word(bits).references() == 0) return;  // only when the pool's records were damaged under us
    last = local_word(bits).references() == 1;
  } while (!exchange(local_[number], bits, last ? local_word(generation, true, 0).bits() : bits - 1));
  if (last) {
    reach(fault_point::drop_begun);
    const state_word left = clear_holder(number, wanted);
    reach(fault_point::drop_done);
    if (left.state() == block_state::free) {
      put_back(stack, number);  // the local word stays busy: the generation makes it a leftover
    } else {
      std::uint64_t expected = local_word(generation, true, 0).bits();
      exchange(local_[number], expected, local_word(generation, false, 0).bits());
    }
  }
  if (!closing) {
    stack.count_released();  // the core may be gone from here on
    return;
  }
  bool nothing_left = false;
  {
    const std::scoped_lock guard(mutex_);
    stack.count_released();
    nothing_left = outstanding() == 0;
  }
  if (nothing_left) leave();
}

result<> core::free_detached(std::uint32_t number, std::uint64_t generation) {
  if (forked()) return fail(pool_errc::foreign_process);
  if (number >= blocks() && (!refresh_blocks() || number >= blocks())) return fail(pool_errc::stale);
  std::uint64_t bits = std::atomic_ref(metadata_[number].state).load(std::memory_order_acquire);
  for (;;) {
    const state_word now(bits);
    const bool freeable = now.published() || now.state() == block_state::quarantined;
    if (!freeable || now.generation() != generation) return fail(pool_errc::stale);
    if (now.holders() != 0) return fail(pool_errc::held);
    reach(fault_point::free_looked);
    const state_word next = now.freed();
    if (!exchange(metadata_[number].state, bits, next.bits())) continue;
    reach(fault_point::free_done);
    if (next.state() == block_state::free) put_back(mine(), number);
    return {};
  }
}

std::uint32_t core::next_recovered(std::uint32_t from, std::uint64_t type) const noexcept {
  for (; from < recovered_limit_; ++from) {
    const state_word seen = load(from);
    if (seen.state() != block_state::recoverable || seen.holders() != 0) continue;
    if (load_relaxed(metadata_[from].run) == run_) continue;
    if (type == 0 || type_in(from) == type) return from;
  }
  return header_.maximum_blocks;
}

}  // namespace tide::pool_detail
