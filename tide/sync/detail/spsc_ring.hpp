// A bounded ring between one sender and one receiver on two threads, without locks, and a place for each to wait at.
//
//   ring.try_push(value)  ring.sender_joins(parker)         // the sending side only
//   ring.try_pop(value)   ring.receiver_joins(parker)       // the receiving side only
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <tide/sync/detail/parker.hpp>

// SAFETY (for every atomic in this file): tail_ is written by the sender and head_ by the receiver alone; a slot belongs to
// the sender while its number is not below tail_, to the receiver while it is below that and not below head_. Both count on
// for ever and wrap around, so only their difference is used. Publishing an index and looking for somebody asleep are
// sequentially consistent, as are going to sleep and looking for the index: of the two sides at least one sees the other, so
// no wake is lost.

namespace tide::detail {

/// Where one side waits for the other's index to move on from where it was. Only the claim of a word that is still the same
/// wakes, so nobody is woken for nothing.
class index_wait {
 public:
  /// The waiting side: until the index is no longer `at`. True if it waits now.
  template <class StillThere>
  bool join(parker& how, std::size_t at, StillThere still_there) noexcept {
    parker_ = &how;
    const std::uint64_t word = word_for(at);
    word_.store(word, std::memory_order_seq_cst);
    return still_there() || !claim(word);  // claimed by the other side: its unpark is on its way
  }
  /// True if it waited and now does not.
  bool leave() noexcept {
    const std::uint64_t word = word_.load(std::memory_order_relaxed);
    return word != nobody && claim(word);
  }
  /// The other side, after it has set the index to `now`.
  void moved_to(std::size_t now) noexcept {
    const std::uint64_t word = word_.load(std::memory_order_seq_cst);
    if (word != nobody && word != word_for(now) && claim(word)) parker_->unpark();
  }
  /// Whatever the index.
  void wake() noexcept {
    const std::uint64_t word = word_.load(std::memory_order_seq_cst);
    if (word != nobody && claim(word)) parker_->unpark();
  }

 private:
  static constexpr std::uint64_t nobody = 0;
  static std::uint64_t word_for(std::size_t at) noexcept { return std::uint64_t{at} << 1 | 1; }
  bool claim(std::uint64_t word) noexcept { return word_.compare_exchange_strong(word, nobody, std::memory_order_seq_cst); }
  std::atomic<std::uint64_t> word_{nobody};
  parker* parker_ = nullptr;  // written before the word, read after a claim
};

template <class T>
class spsc_ring {
  static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_destructible_v<T>,
                "a value on its way can neither be lost nor sent twice, so moving it must not throw");

 public:
  /// The indices begin at `first`; for tests, which wrap them around.
  spsc_ring(std::size_t capacity, std::size_t first)
      : lag_(std::min(capacity / 8, std::size_t{64})),
        room_(std::max(capacity, std::size_t{1}) + lag_),
        mask_(std::bit_ceil(room_) - 1),
        slots_(std::allocator<T>().allocate(mask_ + 1)),
        tail_(first),
        seen_head_(first),
        head_(first),
        taken_(first),
        seen_tail_(first) {}
  spsc_ring(const spsc_ring&) = delete;
  spsc_ring& operator=(const spsc_ring&) = delete;
  ~spsc_ring() {
    drain();
    std::allocator<T>().deallocate(slots_, mask_ + 1);
  }

  // The sending side.
  bool try_push(T& value) noexcept {
    const std::size_t at = tail_.load(std::memory_order_relaxed);
    if (at - seen_head_ == room_) {
      seen_head_ = head_.load(std::memory_order_acquire);
      if (at - seen_head_ == room_) return false;
    }
    std::construct_at(&slots_[at & mask_], std::move(value));
    tail_.store(at + 1, std::memory_order_seq_cst);
    receiver_.moved_to(at + 1);
    return true;
  }
  bool sender_joins(parker& how) noexcept {
    const std::size_t full_at = tail_.load(std::memory_order_relaxed) - room_;
    return sender_.join(how, full_at, [&] {
      return head_.load(std::memory_order_seq_cst) == full_at && !receiver_gone_.load(std::memory_order_seq_cst);
    });
  }
  bool sender_leaves() noexcept { return sender_.leave(); }
  [[nodiscard]] bool receiver_gone() const noexcept { return receiver_gone_.load(std::memory_order_acquire); }
  void sender_goes() noexcept {
    sender_gone_.store(true, std::memory_order_seq_cst);
    receiver_.wake();
  }

  // The receiving side.
  bool try_pop(std::optional<T>& into) noexcept {
    if (taken_ == seen_tail_) {
      seen_tail_ = tail_.load(std::memory_order_acquire);
      if (taken_ == seen_tail_) return false;
    }
    T& oldest = slots_[taken_ & mask_];
    into.emplace(std::move(oldest));
    std::destroy_at(&oldest);
    ++taken_;
    if (taken_ - head_.load(std::memory_order_relaxed) > lag_) {
      head_.store(taken_, std::memory_order_seq_cst);
      sender_.moved_to(taken_);
    }
    return true;
  }
  bool receiver_joins(parker& how) noexcept {
    const std::size_t empty_at = taken_;
    return receiver_.join(how, empty_at, [&] {
      return tail_.load(std::memory_order_seq_cst) == empty_at && !sender_gone_.load(std::memory_order_seq_cst);
    });
  }
  bool receiver_leaves() noexcept { return receiver_.leave(); }
  /// Then what is inside can still be received, and nothing comes any more.
  [[nodiscard]] bool sender_gone() const noexcept { return sender_gone_.load(std::memory_order_acquire); }
  /// What is inside goes now, which wakes a sender that waits for room; what is sent in this moment goes with the ring.
  void receiver_goes() noexcept {
    receiver_gone_.store(true, std::memory_order_seq_cst);
    drain();
  }

 private:
  static constexpr std::size_t apart = 128;  // bytes: processors fetch cache lines in pairs
  void drain() noexcept {
    std::optional<T> dropped;
    while (try_pop(dropped)) dropped.reset();
  }

  // The receiver says only now and then how far it is, for that costs the most: `lag_` slots beyond the capacity are there
  // for what it has taken and not said, so that a sender never waits while there is room.
  const std::size_t lag_;
  const std::size_t room_;
  const std::size_t mask_;
  T* const slots_;
  alignas(apart) std::atomic<std::size_t> tail_;
  std::size_t seen_head_;  // the sender's
  alignas(apart) std::atomic<std::size_t> head_;
  std::size_t taken_;  // the receiver's, at most `lag_` ahead of head_
  std::size_t seen_tail_;
  alignas(apart) index_wait sender_;  // from here on: seldom written, so both sides have it at hand
  index_wait receiver_;
  std::atomic<bool> sender_gone_{false};
  std::atomic<bool> receiver_gone_{false};
};

}  // namespace tide::detail
