// Where free blocks come from: the thread's magazine, the process's index, a scan of the state words, growth.
//
// SAFETY (for every atomic_ref in this file): as in transitions.cpp; the counters of the control page lie in the shared
// mapping and are only ever touched atomically while the pool is open.
#include <algorithm>
#include <atomic>
#include <span>
#include <utility>

#include <tide/pool/detail/core.hpp>
#include <tide/pool/detail/fault_point.hpp>
#include <tide/pool/detail/file.hpp>
#include <tide/pool/detail/growth_lock.hpp>
#include <tide/pool/error.hpp>

namespace tide::pool_detail {

magazine& core::adopt_magazine() {
  if (magazine* known = find_magazine(instance_)) return *known;
  const std::scoped_lock guard(mutex_);
  for (const auto& each : magazines_) {
    if (each->abandoned.exchange(false, std::memory_order_acquire)) {
      keep_magazine(instance_, each);
      return *each;
    }
  }
  const auto made = magazines_.emplace_back(std::make_shared<magazine>());
  keep_magazine(instance_, made);
  return *made;
}

void core::put_back(magazine& stack, std::uint32_t number) noexcept {
  if (stack.count == magazine::capacity) {
    const std::scoped_lock guard(mutex_);
    for (std::size_t at = 0; at < magazine::batch; ++at) free_.add(stack.numbers[at]);
    std::copy(stack.numbers.begin() + magazine::batch, stack.numbers.end(), stack.numbers.begin());
    stack.count = magazine::capacity - magazine::batch;
  }
  stack.numbers[stack.count++] = number;
}

result<> core::refill(magazine& stack) {
  const std::scoped_lock guard(mutex_);
  for (const auto& each : magazines_) {
    if (!each->abandoned.load(std::memory_order_acquire)) continue;
    while (each->count > 0) free_.add(each->numbers[--each->count]);
  }
  const auto take = [&] {
    stack.count = free_.take(std::span(stack.numbers).first(magazine::batch));
    std::reverse(stack.numbers.begin(), stack.numbers.begin() + static_cast<std::ptrdiff_t>(stack.count));
    return stack.count > 0;
  };
  if (take()) return {};
  // Blocks that other processes freed are in nobody's index here. When enough of them are found there is no need to grow.
  const bool alone = std::atomic_ref(control_->joins).load(std::memory_order_relaxed) <= 1;
  if (!alone && rescan() >= std::max<std::uint32_t>(magazine::batch, blocks() / 16) && take()) return {};
  const auto grown = grow();
  if (take()) return {};
  // Free blocks may lie in the magazines of other threads: before the answer is "full", every state word is asked.
  if (rescan() > 0 && take()) return {};
  if (!grown) return grown;
  return fail(pool_errc::full);
}

std::uint32_t core::growth_step() const noexcept {
  constexpr std::uint64_t least_bytes = std::uint64_t{1} << 20U;
  const std::uint32_t now = blocks();
  const auto automatic = std::max<std::uint64_t>(now / 8, (least_bytes + header_.stride - 1) / header_.stride);
  const std::uint64_t wanted = header_.growth_blocks != 0 ? header_.growth_blocks : automatic;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, header_.maximum_blocks - now));
}

result<> core::grow() {
  if (refresh_locked()) return {};
  const growth_lock lock(control_->lock, instance_, leases_);
  reach(fault_point::grow_locked);
  if (refresh_locked()) return {};
  const std::uint32_t now = blocks();
  if (now == header_.maximum_blocks) return fail(pool_errc::full);
  // Records before payloads: when the file has grown, all that the new blocks need is there, whoever finds it.
  for (std::uint32_t step = growth_step();; step /= 2) {
    auto made = allocate_space(file_.get(), metadata_offset + std::uint64_t{now} * sizeof(block_metadata),
                               std::uint64_t{step} * sizeof(block_metadata));
    reach(fault_point::grow_metadata);
    if (made) made = allocate_space(file_.get(), file_size_for(header_, now), std::uint64_t{step} * header_.stride);
    if (made) {
      reach(fault_point::grow_payload);
      std::atomic_ref(control_->blocks).store(now + step, std::memory_order_release);
      reach(fault_point::grow_counted);
      learn_blocks(now + step);
      return {};
    }
    if (step <= 1) return made;  // not even one block fits
  }
}

void core::learn_blocks(std::uint32_t count) {
  free_.resize(count);
  free_.add_range(blocks(), count);
  known_blocks_.store(count, std::memory_order_release);
}

bool core::refresh_blocks() {
  const std::scoped_lock guard(mutex_);
  return refresh_locked();
}

bool core::refresh_locked() {
  const std::uint32_t count = std::atomic_ref(control_->blocks).load(std::memory_order_acquire);
  if (count <= blocks() || count > header_.maximum_blocks) return false;
  const auto size = size_of(file_.get());
  if (!size || *size < file_size_for(header_, count)) return false;
  learn_blocks(count);
  return true;
}

std::uint32_t core::rescan() noexcept {
  std::uint32_t found = 0;
  const std::uint32_t count = blocks();
  for (std::uint32_t number = 0; number < count; ++number) {
    const state_word seen(std::atomic_ref(metadata_[number].state).load(std::memory_order_relaxed));
    if (seen.state() != block_state::free || seen.holders() != 0) continue;
    free_.add(number);
    ++found;
  }
  return found;
}

std::uint64_t core::outstanding() const noexcept {
  // Both sums only ever rise, and nobody gives up what was not taken: if what was given up before equals what was taken
  // after, nothing was held in between.
  std::uint64_t released = 0;
  std::uint64_t acquired = 0;
  for (const auto& each : magazines_) released += each->released.load(std::memory_order_acquire);
  for (const auto& each : magazines_) acquired += each->acquired.load(std::memory_order_acquire);
  return acquired - released;
}

}  // namespace tide::pool_detail
