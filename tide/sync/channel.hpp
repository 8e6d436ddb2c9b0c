// Values from many senders to many receivers, in order, at most so many on their way: channel<T>.
//
//   tide::channel<job> jobs(64);
//   co_await jobs.send(std::move(job));                  // result<>; waits while it is full
//   while (auto next = co_await jobs.receive()) …        // result<job>; waits while it is empty, errc::closed at the end
//   jobs.close();                                        // what is inside can still be received
//
// Threads use send_blocking and receive_blocking. With a capacity of 0 a value goes from hand to hand.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>

#include <tide/sync/detail/channel_core.hpp>
#include <tide/sync/detail/waiting.hpp>

namespace tide {

/// tide::channel: any thread. tide::local::channel: one executor. Nobody waits when it goes. T moves without throwing.
/// Allocates when it is made, never after.
template <class T, class Domain>
class basic_channel {
  using request = detail::channel_request<T>;

 public:
  class receive_operation;
  template <class Held>
  class send_operation;

  explicit basic_channel(std::size_t capacity) : core_(capacity) {}

  /// co_await: result<>; errc::closed, errc::canceled. The operation owns the value, which goes with it if it fails.
  [[nodiscard]] send_operation<T> send(T value) noexcept { return send_operation<T>(*this, std::move(value)); }
  /// The same with a value that stays the caller's until it is sent: moved from only then.
  [[nodiscard]] send_operation<T&> send_from(T& value) noexcept { return send_operation<T&>(*this, value); }
  /// co_await: result<T>; errc::closed when it is closed and empty, errc::canceled.
  [[nodiscard]] receive_operation receive() noexcept { return receive_operation(*this); }

  /// Block the thread. errc::closed, errc::timed_out; the value is moved from only if it is sent.
  result<> send_blocking(T&& value, clock::time_point deadline = clock::time_point::max()) noexcept
    requires detail::for_threads<Domain>
  {
    return pass_blocking(value, deadline);
  }
  result<T> receive_blocking(clock::time_point deadline = clock::time_point::max()) noexcept
    requires detail::for_threads<Domain>
  {
    std::optional<T> value;
    if (auto passed = pass_blocking(value, deadline); !passed) return fail(passed.error());
    return std::move(*value);
  }
  /// False if it is full or closed: then the value is not moved from.
  [[nodiscard]] bool try_send(T&& value) noexcept { return attempt(value) == detail::passing::done; }
  [[nodiscard]] std::optional<T> try_receive() noexcept {
    std::optional<T> value;
    attempt(value);
    return value;
  }

  /// Nothing is sent from here on; senders that wait are told. What is inside can still be received.
  void close() noexcept {
    typename detail::channel_core<T>::requests woken;
    lock_.lock();
    core_.close(woken);
    unlock();
    while (request* each = woken.pop_front()) each->waiting.unpark();
  }
  /// Values inside, at some moment of the call.
  [[nodiscard]] std::size_t size() noexcept {
    lock_.lock();
    const std::size_t count = core_.size();
    unlock();
    return count;
  }
  [[nodiscard]] std::size_t capacity() const noexcept { return core_.capacity(); }

 private:
  void unlock() noexcept { lock_.unlock(0, false); }
  /// Sends from a T, receives into an optional<T>, if that needs no waiting; else joins the line if it is told how.
  template <class Place>
  detail::passing attempt(Place& place, std::optional<request>* mine = nullptr, detail::parker* how = nullptr) noexcept {
    request* woken = nullptr;
    lock_.lock();
    const auto outcome = core_.pass(place, woken);
    if (outcome == detail::passing::must_wait && mine != nullptr) core_.wait(mine->emplace(place, *how));
    unlock();
    if (woken != nullptr) woken->waiting.unpark();
    return outcome;
  }
  bool leave(request& mine) noexcept {
    lock_.lock();
    const bool stood = !mine.let_go;
    if (stood) mine.unlink();
    unlock();
    return stood;
  }
  template <class Place>
  result<> pass_blocking(Place& place, clock::time_point deadline) noexcept {
    auto outcome = attempt(place);
    std::optional<request> mine;
    if (outcome == detail::passing::must_wait) {
      const auto join = [&](detail::parker& how) noexcept {
        outcome = attempt(place, &mine, &how);
        return outcome == detail::passing::must_wait;
      };
      if (!detail::wait_in_thread(join, [&] { return leave(*mine); }, deadline)) return fail(errc::timed_out);
    }
    if (outcome == detail::passing::closed || (mine && mine->closed)) return fail(errc::closed);
    return {};
  }

  typename Domain::word lock_{0};  // guards core_
  detail::channel_core<T> core_;
};

template <class T, class Domain>
template <class Held>
class [[nodiscard]] basic_channel<T, Domain>::send_operation final
    : public detail::coroutine_wait<Domain, send_operation<Held>> {
 public:
  send_operation(basic_channel& to, Held&& value) noexcept : to_(&to), value_(std::forward<Held>(value)) {}
  send_operation(send_operation&& other) noexcept
      : detail::coroutine_wait<Domain, send_operation>(), to_(other.to_), value_(std::forward<Held>(other.value_)) {}

  bool await_ready() noexcept {
    outcome_ = to_->attempt(value_);
    return outcome_ != detail::passing::must_wait;
  }
  result<> await_resume() noexcept {
    if (this->ended_by_cancel()) return fail(errc::canceled);
    if (outcome_ == detail::passing::closed || (request_ && request_->closed)) return fail(errc::closed);
    return {};
  }

 private:
  friend detail::coroutine_wait<Domain, send_operation>;
  bool join(detail::parker& how) noexcept {
    outcome_ = to_->attempt(value_, &request_, &how);
    return outcome_ == detail::passing::must_wait;
  }
  bool leave() noexcept { return to_->leave(*request_); }

  basic_channel* to_;
  Held value_;
  detail::passing outcome_ = detail::passing::must_wait;
  std::optional<request> request_;
};

template <class T, class Domain>
class [[nodiscard]] basic_channel<T, Domain>::receive_operation final
    : public detail::coroutine_wait<Domain, receive_operation> {
 public:
  explicit receive_operation(basic_channel& from) noexcept : from_(&from) {}
  receive_operation(receive_operation&& other) noexcept
      : detail::coroutine_wait<Domain, receive_operation>(), from_(other.from_) {}

  bool await_ready() noexcept { return from_->attempt(value_) != detail::passing::must_wait; }
  result<T> await_resume() noexcept {
    if (this->ended_by_cancel()) return fail(errc::canceled);
    if (!value_) return fail(errc::closed);
    return std::move(*value_);
  }

 private:
  friend detail::coroutine_wait<Domain, receive_operation>;
  bool join(detail::parker& how) noexcept { return from_->attempt(value_, &request_, &how) == detail::passing::must_wait; }
  bool leave() noexcept { return from_->leave(*request_); }

  basic_channel* from_;
  std::optional<T> value_;
  std::optional<request> request_;
};

template <class T>
using channel = basic_channel<T, detail::across_threads>;
namespace local {
template <class T>
using channel = basic_channel<T, detail::one_executor>;
}

}  // namespace tide
