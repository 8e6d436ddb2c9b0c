// Waiting for the clock: sleep, timeout, deadlines.
//
//   co_await tide::sleep(10ms);
//   auto chunk = co_await tide::timeout(5s, stream.receive());
//   if (!chunk && chunk.error() == tide::errc::timed_out) …
//
// Time is CLOCK_MONOTONIC. Nothing ever wakes early. A result that arrives while the time runs out is delivered, not lost.
#pragma once

#include <chrono>
#include <concepts>
#include <coroutine>
#include <type_traits>
#include <utility>

#include <tide/base/result.hpp>
#include <tide/runtime/cancellation.hpp>
#include <tide/runtime/detail/awaited.hpp>
#include <tide/runtime/executor.hpp>
#include <tide/runtime/task.hpp>

namespace tide {

/// co_await sleep_until(t): result<>; errc::canceled if the scope ended first. At or before now it only yields. Movable
/// until it is awaited.
class sleep_until : private timer, private waiter {
 public:
  explicit sleep_until(clock::time_point deadline) noexcept : deadline_(deadline) {}
  sleep_until(sleep_until&& other) noexcept : deadline_(other.deadline_) {}

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> caller) {
    cancel_node& node = caller.promise().node();
    if (node.requested()) {
      cancelled_ = true;
      return false;
    }
    caller_ = caller;
    queue_ = &node.queue();
    node.attach(*this);
    node.home().arm(*this, deadline_);
    return true;
  }
  result<> await_resume() const noexcept {
    if (cancelled_) return fail(errc::canceled);
    return {};
  }

 private:
  void expired() noexcept override {
    waiter::unlink();
    queue_->schedule(caller_);
  }
  void on_cancel() noexcept override {
    if (!armed()) return;
    cancelled_ = true;
    queue_->home().disarm(*this);
    queue_->schedule(caller_);
  }

  clock::time_point deadline_;
  std::coroutine_handle<> caller_;
  task_queue* queue_ = nullptr;
  bool cancelled_ = false;
};

namespace detail {

/// Now and so much; the end of time if that is beyond it.
[[nodiscard]] inline clock::time_point from_now(clock::duration time) noexcept {
  const auto now = clock::now();
  return time > clock::time_point::max() - now ? clock::time_point::max() : now + time;
}

}  // namespace detail

/// co_await sleep(d), the same from now.
[[nodiscard]] inline sleep_until sleep(clock::duration time) noexcept { return sleep_until(detail::from_now(time)); }

namespace detail {

/// Cancels a node when its time has come.
class deadline_timer final : public timer {
 public:
  deadline_timer(executor& home, cancel_node& node, clock::time_point deadline) noexcept : home_(home), node_(node) {
    home_.arm(*this, deadline);
  }
  ~deadline_timer() { home_.disarm(*this); }
  [[nodiscard]] bool fired() const noexcept { return fired_; }

 private:
  void expired() noexcept override {
    fired_ = true;
    node_.request();
  }
  executor& home_;
  cancel_node& node_;
  bool fired_ = false;
};

}  // namespace detail

/// Awaits `operation` (a task or awaitable whose value is a result<T>, or has one as outcome()), asks it to end at
/// `deadline`, and joins it. errc::timed_out if it ended for that reason; errc::canceled if the surrounding scope was
/// cancelled.
template <class Operation>
auto with_deadline(clock::time_point deadline, Operation operation) -> task<typename detail::awaited<Operation>::type> {
  detail::promise_base& self = co_await detail::this_promise{};
  cancel_node& outer = self.node();
  cancel_node inner(outer);
  detail::deadline_timer limit(outer.home(), inner, deadline);
  const detail::node_change below(self, inner);
  auto given = co_await std::move(operation);
  auto& outcome = detail::outcome_of(given);
  if (!outcome && outcome.error() == errc::canceled && limit.fired() && !outer.requested()) outcome = fail(errc::timed_out);
  co_return given;
}

/// The same with a time from now.
template <class Operation>
auto timeout(clock::duration time, Operation operation) {
  return with_deadline(detail::from_now(time), std::move(operation));
}

}  // namespace tide
