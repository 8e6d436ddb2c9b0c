// Values from one sender to one receiver, on any two executors or threads, without a lock: spsc<T>.
//
//   auto [sender, receiver] = tide::spsc<sample>::create(1024);
//   co_await sender.send(sample);                        // result<>; waits while it is full, errc::closed: nobody receives
//   while (auto next = co_await receiver.receive()) …    // result<sample>; errc::closed when the sender has gone and all is
//   read
//
// An end that goes closes the channel. Ends move and cannot be copied: two senders would overwrite each other.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include <tide/sync/detail/spsc_ring.hpp>
#include <tide/sync/detail/waiting.hpp>

namespace tide {

/// T moves without throwing. Allocates when it is made, never after.
template <class T>
class spsc {
  using ring = detail::spsc_ring<T>;
  class receive_operation;
  template <class Held>
  class send_operation;

  struct sender_goes {
    std::shared_ptr<ring> whole;
    void operator()(ring* on) const noexcept { on->sender_goes(); }
  };
  struct receiver_goes {
    std::shared_ptr<ring> whole;
    void operator()(ring* on) const noexcept { on->receiver_goes(); }
  };

 public:
  /// One task or thread at a time. Stays where it is while an operation of it waits.
  class sender {
   public:
    /// An empty one: sending fails with errc::closed.
    sender() noexcept = default;
    /// co_await: result<>; errc::closed, errc::canceled. The operation owns the value, which goes with it if it fails.
    [[nodiscard]] send_operation<T> send(T value) noexcept { return send_operation<T>(ring_.get(), std::move(value)); }
    /// The same with a value that stays the caller's until it is sent: moved from only then.
    [[nodiscard]] send_operation<T&> send_from(T& value) noexcept { return send_operation<T&>(ring_.get(), value); }
    /// Blocks the thread. errc::closed, errc::timed_out; the value is moved from only if it is sent.
    result<> send_blocking(T&& value, clock::time_point deadline = clock::time_point::max()) noexcept {
      while (!try_send(std::move(value))) {
        if (!ring_ || ring_->receiver_gone()) return fail(errc::closed);
        const auto join = [&](detail::parker& how) noexcept { return ring_->sender_joins(how); };
        if (!detail::wait_in_thread(join, [&] { return ring_->sender_leaves(); }, deadline)) return fail(errc::timed_out);
      }
      return {};
    }
    /// False if it is full or closed: then the value is not moved from.
    [[nodiscard]] bool try_send(T&& value) noexcept { return ring_ && !ring_->receiver_gone() && ring_->try_push(value); }

   private:
    friend spsc;
    explicit sender(const std::shared_ptr<ring>& whole) noexcept : ring_(whole.get(), sender_goes{whole}) {}
    std::unique_ptr<ring, sender_goes> ring_;
  };

  /// One task or thread at a time. Stays where it is while an operation of it waits.
  class receiver {
   public:
    /// An empty one: receiving fails with errc::closed.
    receiver() noexcept = default;
    /// co_await: result<T>; errc::closed, errc::canceled.
    [[nodiscard]] receive_operation receive() noexcept { return receive_operation(ring_.get()); }
    /// Blocks the thread. errc::closed, errc::timed_out.
    result<T> receive_blocking(clock::time_point deadline = clock::time_point::max()) noexcept {
      std::optional<T> value;
      while (ring_ && !ring_->try_pop(value)) {
        if (ring_->sender_gone()) {
          if (!ring_->try_pop(value)) return fail(errc::closed);  // its last words
          break;
        }
        const auto join = [&](detail::parker& how) noexcept { return ring_->receiver_joins(how); };
        if (!detail::wait_in_thread(join, [&] { return ring_->receiver_leaves(); }, deadline)) return fail(errc::timed_out);
      }
      if (!value) return fail(errc::closed);
      return std::move(*value);
    }
    [[nodiscard]] std::optional<T> try_receive() noexcept {
      std::optional<T> value;
      if (ring_) ring_->try_pop(value);
      return value;
    }

   private:
    friend spsc;
    explicit receiver(const std::shared_ptr<ring>& whole) noexcept : ring_(whole.get(), receiver_goes{whole}) {}
    std::unique_ptr<ring, receiver_goes> ring_;
  };

  struct ends {
    spsc::sender sender;
    spsc::receiver receiver;
  };
  /// Room for `capacity` values, 1 at least, and an eighth more at most. `first_index` is where its counters begin; they
  /// wrap around, and tests begin near there.
  [[nodiscard]] static ends create(std::size_t capacity, std::size_t first_index = 0) {
    const auto whole = std::make_shared<ring>(capacity, first_index);
    return {.sender = sender(whole), .receiver = receiver(whole)};
  }
};

template <class T>
template <class Held>
class [[nodiscard]] spsc<T>::send_operation final
    : public detail::coroutine_wait<detail::across_threads, send_operation<Held>> {
 public:
  send_operation(ring* to, Held&& value) noexcept : to_(to), value_(std::forward<Held>(value)) {}
  send_operation(send_operation&& other) noexcept
      : detail::coroutine_wait<detail::across_threads, send_operation>(),
        to_(other.to_),
        value_(std::forward<Held>(other.value_)) {}

  bool await_ready() noexcept {
    if (to_ == nullptr || to_->receiver_gone()) return true;
    sent_ = to_->try_push(value_);
    return sent_;
  }
  result<> await_resume() noexcept {
    if (this->ended_by_cancel()) return fail(errc::canceled);
    if (!sent_ && (!await_ready() || !sent_)) return fail(errc::closed);
    return {};
  }

 private:
  friend detail::coroutine_wait<detail::across_threads, send_operation>;
  bool join(detail::parker& how) noexcept { return to_->sender_joins(how); }
  bool leave() noexcept { return to_->sender_leaves(); }

  ring* to_;
  Held value_;
  bool sent_ = false;
};

template <class T>
class [[nodiscard]] spsc<T>::receive_operation final
    : public detail::coroutine_wait<detail::across_threads, receive_operation> {
 public:
  explicit receive_operation(ring* from) noexcept : from_(from) {}
  receive_operation(receive_operation&& other) noexcept
      : detail::coroutine_wait<detail::across_threads, receive_operation>(), from_(other.from_) {}

  bool await_ready() noexcept { return from_ == nullptr || from_->try_pop(value_); }
  result<T> await_resume() noexcept {
    if (this->ended_by_cancel()) return fail(errc::canceled);
    if (!value_ && from_ != nullptr) from_->try_pop(value_);
    if (!value_) return fail(errc::closed);
    return std::move(*value_);
  }

 private:
  friend detail::coroutine_wait<detail::across_threads, receive_operation>;
  bool join(detail::parker& how) noexcept { return from_->receiver_joins(how); }
  bool leave() noexcept { return from_->receiver_leaves(); }

  ring* from_;
  std::optional<T> value_;
};

}  // namespace tide
