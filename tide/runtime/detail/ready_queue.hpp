// The coroutines that can go on, first in, first out. Allocates only to grow.
#pragma once

#include <coroutine>
#include <cstddef>
#include <vector>

namespace tide::detail {

class ready_queue {
 public:
  [[nodiscard]] bool empty() const noexcept { return head_ == tail_; }
  [[nodiscard]] std::size_t size() const noexcept { return tail_ - head_; }

  void push(std::coroutine_handle<> coroutine) {
    if (size() == slots_.size()) grow();
    slots_[tail_++ & (slots_.size() - 1)] = coroutine;
  }
  [[nodiscard]] std::coroutine_handle<> pop() noexcept { return slots_[head_++ & (slots_.size() - 1)]; }

 private:
  void grow() {
    std::vector<std::coroutine_handle<>> larger(slots_.empty() ? 64 : slots_.size() * 2);
    const std::size_t count = size();
    for (std::size_t i = 0; i < count; ++i) larger[i] = slots_[(head_ + i) & (slots_.size() - 1)];
    slots_.swap(larger);
    head_ = 0;
    tail_ = count;
  }
  std::vector<std::coroutine_handle<>> slots_;  // a power of two long
  std::size_t head_ = 0;
  std::size_t tail_ = 0;
};

}  // namespace tide::detail
