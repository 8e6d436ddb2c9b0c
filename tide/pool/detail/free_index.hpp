// Which blocks are probably free: a bitmap of this process, and small stacks of block numbers that belong to one thread
// each.
//
// Nothing in here is trusted. A number from here is a candidate, and the compare-and-swap of the block's state word decides;
// a number that is missing here is found again by a scan of the state words.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace tide::pool_detail {

/// A set of block numbers with a summary bit for each 64 blocks; gives the lowest ones first. Guarded by its owner.
class free_index {
 public:
  void resize(std::uint32_t blocks) {
    words_.resize((blocks + 63U) / 64U);
    summary_.resize((words_.size() + 63U) / 64U);
  }
  void add(std::uint32_t number) noexcept { add_word(number / 64U, std::uint64_t{1} << (number % 64U)); }
  /// Adds the blocks 64·word + i for each set bit i.
  void add_word(std::size_t word, std::uint64_t bits) noexcept {
    if (bits == 0) return;
    words_[word] |= bits;
    summary_[word / 64U] |= std::uint64_t{1} << (word % 64U);
    if (word / 64U < first_) first_ = word / 64U;
  }
  void add_range(std::uint32_t begin, std::uint32_t end) noexcept {
    for (; begin < end; ++begin) add(begin);
  }
  /// Takes out as many as fit; returns how many.
  std::size_t take(std::span<std::uint32_t> into) noexcept {
    std::size_t taken = 0;
    for (; first_ < summary_.size(); ++first_) {
      std::uint64_t& summary = summary_[first_];
      while (summary != 0) {
        const std::size_t at = first_ * 64U + static_cast<std::size_t>(std::countr_zero(summary));
        std::uint64_t& word = words_[at];
        for (; word != 0; word &= word - 1) {
          if (taken == into.size()) return taken;
          into[taken++] = static_cast<std::uint32_t>(at * 64U + static_cast<std::size_t>(std::countr_zero(word)));
        }
        summary &= summary - 1;
      }
    }
    return taken;
  }

 private:
  std::vector<std::uint64_t> words_;
  std::vector<std::uint64_t> summary_;
  std::size_t first_ = 0;  // no summary word before this one has a bit
};

/// What one thread keeps for one pool. Only that thread touches the numbers, until it has said `abandoned`.
struct magazine {
  static constexpr std::size_t capacity = 128;
  static constexpr std::size_t batch = capacity / 2;

  std::array<std::uint32_t, capacity> numbers;
  std::size_t count = 0;
  /// References this thread took and gave up; their sums over all threads tell whether any is left. Written by the owner.
  std::atomic<std::uint64_t> acquired{0};
  std::atomic<std::uint64_t> released{0};
  std::atomic<bool> abandoned{false};    ///< the thread has ended
  std::atomic<bool> pool_closed{false};  ///< the pool has ended

  void count_acquired() noexcept { raise(acquired); }
  void count_released() noexcept { raise(released); }

 private:
  static void raise(std::atomic<std::uint64_t>& counter) noexcept {
    // SAFETY: one writer, so load and store need not be one step; release orders the use of the block before the count.
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
};

/// The magazine this thread used last, if it was of the pool with this instance number (random, so it is never met again).
[[nodiscard]] magazine* last_magazine(std::uint64_t instance) noexcept;
/// Any magazine of this thread for the pool.
[[nodiscard]] magazine* find_magazine(std::uint64_t instance) noexcept;
/// Gives the thread a magazine, which it abandons when it ends.
void keep_magazine(std::uint64_t instance, std::shared_ptr<magazine> made);

}  // namespace tide::pool_detail
