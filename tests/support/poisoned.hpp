// Blocks of memory that nobody may touch while they are free: not we (AddressSanitizer sees that), and not the kernel, which
// no sanitizer sees: a free block is full of a pattern that is looked at when the block is taken again, and at the end.
//
//   support::poisoned_memory memory(64, 4096);
//   auto block = memory.take();             // an io_buffer; goes back when it goes
//   …
//   EXPECT_EQ(memory.damaged(), 0u);
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace support {

/// One thread. Outlives its blocks.
class poisoned_memory {
 public:
  /// Enough blocks that one stays free for a while before it is taken again: a late write wants to be seen.
  poisoned_memory(std::size_t count, std::size_t size) : memory_(count * size), size_(size) {
    for (std::size_t i = 0; i < count; ++i) release(memory_.data() + i * size);
  }
  poisoned_memory(const poisoned_memory&) = delete;
  poisoned_memory& operator=(const poisoned_memory&) = delete;
  ~poisoned_memory() {
    for (std::byte* each : free_) unpoison(each);
  }

  class block {
   public:
    block(poisoned_memory& of, std::byte* at) noexcept : of_(&of), at_(at) {}
    block(block&& other) noexcept : of_(other.of_), at_(std::exchange(other.at_, nullptr)) {}
    block& operator=(block&& other) noexcept {
      std::swap(of_, other.of_);
      std::swap(at_, other.at_);
      return *this;
    }
    ~block() {
      if (at_ != nullptr) of_->release(at_);
    }
    [[nodiscard]] std::byte* data() const noexcept { return at_; }
    [[nodiscard]] std::size_t size() const noexcept { return at_ == nullptr ? 0 : of_->size_; }
    [[nodiscard]] std::byte* begin() const noexcept { return at_; }
    [[nodiscard]] std::byte* end() const noexcept { return at_ + size(); }

   private:
    poisoned_memory* of_;
    std::byte* at_;
  };

  /// The one that has been free for the longest time.
  [[nodiscard]] block take() {
    std::byte* const oldest = free_.front();
    free_.pop_front();
    look_at(oldest);
    return {*this, oldest};
  }
  /// Blocks that something was written into while they were free; looks at those that are free now, too.
  [[nodiscard]] std::size_t damaged() {
    for (std::byte* each : free_) {
      look_at(each);
      poison(each);
    }
    return damaged_;
  }

 private:
  static constexpr std::byte pattern{0xa7};
  void release(std::byte* at) {
    std::fill_n(at, size_, pattern);
    poison(at);
    free_.push_back(at);
  }
  void look_at(std::byte* at) {
    unpoison(at);
    if (std::any_of(at, at + size_, [](std::byte each) { return each != pattern; })) ++damaged_;
  }
  void poison([[maybe_unused]] std::byte* at) const noexcept {
#if defined(__SANITIZE_ADDRESS__)
    ASAN_POISON_MEMORY_REGION(at, size_);
#endif
  }
  void unpoison([[maybe_unused]] std::byte* at) const noexcept {
#if defined(__SANITIZE_ADDRESS__)
    ASAN_UNPOISON_MEMORY_REGION(at, size_);
#endif
  }

  std::vector<std::byte> memory_;
  std::size_t size_;
  std::deque<std::byte*> free_;
  std::size_t damaged_ = 0;
};

}  // namespace support
