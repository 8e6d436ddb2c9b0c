// What a bounded channel does, without a thought for threads: values in a ring, and two lines of those who wait.
//
//   channel_core<T> core(capacity);
//   if (core.pass(value, woken) == passing::must_wait) core.wait(request);
//
// A value goes to the first who waits for it, or into the ring; who waits never looks again. So the lines are first come
// first served, and a value that was handed over in a race with a cancel is the receiver's.
#pragma once

#include <bit>
#include <cstddef>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <tide/base/intrusive_list.hpp>
#include <tide/sync/detail/parker.hpp>

namespace tide::detail {

enum class passing { done, must_wait, closed };

/// One who waits, in the memory of the waiter. Belongs to the channel's lock while it stands in line.
template <class T>
struct channel_request : list_hook {
  channel_request(T& value, parker& how) noexcept : from(&value), waiting(how) {}
  channel_request(std::optional<T>& place, parker& how) noexcept : into(&place), waiting(how) {}
  T* from = nullptr;                 ///< where a sender's value is
  std::optional<T>* into = nullptr;  ///< where a receiver wants one
  parker& waiting;
  bool let_go = false;
  bool closed = false;  ///< let go for that reason
};

/// One thread at a time.
template <class T>
class channel_core {
  static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_destructible_v<T>,
                "a value on its way can neither be lost nor sent twice, so moving it must not throw");

 public:
  using request = channel_request<T>;
  using requests = intrusive_list<request>;

  explicit channel_core(std::size_t capacity) : capacity_(capacity), mask_(std::bit_ceil(capacity) - 1) {
    if (capacity > 0) slots_ = std::allocator<T>().allocate(mask_ + 1);
  }
  channel_core(const channel_core&) = delete;
  channel_core& operator=(const channel_core&) = delete;
  ~channel_core() {
    while (size() > 0) std::destroy_at(&slots_[head_++ & mask_]);
    if (slots_ != nullptr) std::allocator<T>().deallocate(slots_, mask_ + 1);
  }

  [[nodiscard]] std::size_t size() const noexcept { return tail_ - head_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] bool closed() const noexcept { return closed_; }

  /// Sends: moves from `value` if there is room or somebody waits for it. `woken`, if set, is to be unparked.
  passing pass(T& value, request*& woken) noexcept {
    if (closed_) return passing::closed;
    if (request* first = receivers_.pop_front()) {
      first->into->emplace(std::move(value));
      woken = let_go(*first);
      return passing::done;
    }
    if (size() == capacity_) return passing::must_wait;
    push(value);
    return passing::done;
  }
  /// Receives.
  passing pass(std::optional<T>& into, request*& woken) noexcept {
    if (size() > 0) {
      T& oldest = slots_[head_ & mask_];
      into.emplace(std::move(oldest));
      std::destroy_at(&oldest);
      ++head_;
      if (request* first = senders_.pop_front()) {
        push(*first->from);
        woken = let_go(*first);
      }
      return passing::done;
    }
    if (request* first = senders_.pop_front()) {  // nothing is kept: from hand to hand
      into.emplace(std::move(*first->from));
      woken = let_go(*first);
      return passing::done;
    }
    return closed_ ? passing::closed : passing::must_wait;
  }
  /// Where pass() said must_wait.
  void wait(request& with) noexcept { (with.from != nullptr ? senders_ : receivers_).push_back(with); }

  /// Those who waited are to be unparked; values in the ring stay for receivers.
  void close(requests& woken) noexcept {
    closed_ = true;
    for (requests* line : {&senders_, &receivers_}) {
      while (request* first = line->pop_front()) {
        first->closed = true;
        woken.push_back(*let_go(*first));
      }
    }
  }

 private:
  static request* let_go(request& who) noexcept {
    who.let_go = true;
    return &who;
  }
  void push(T& value) noexcept { std::construct_at(&slots_[tail_++ & mask_], std::move(value)); }

  std::size_t capacity_;
  std::size_t mask_;
  T* slots_ = nullptr;
  std::size_t head_ = 0;
  std::size_t tail_ = 0;
  bool closed_ = false;
  requests senders_;
  requests receivers_;
};

}  // namespace tide::detail
