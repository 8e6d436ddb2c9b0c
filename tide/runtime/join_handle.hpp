// Waiting for one task of a scope: its value or its exception.
//
//   auto size = scope.spawn_joinable(measure, path);     // runs from now on, inside the scope
//   tide::result<std::size_t> got = co_await size;       // rethrows what the task threw
//
// The scope still owns the task: leaving the scope cancels and joins it, whether its handle does or not. No exception is
// lost: one that nobody has taken when the handle goes reaches the scope or, if that has ended, executor::report.
#pragma once

#include <cassert>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include <tide/base/intrusive_list.hpp>
#include <tide/base/result.hpp>
#include <tide/runtime/cancellation.hpp>
#include <tide/runtime/detail/awaited.hpp>
#include <tide/runtime/detail/frame_cache.hpp>
#include <tide/runtime/executor.hpp>
#include <tide/runtime/task.hpp>

namespace tide {

namespace detail {

/// How a task ended, owned by the task and by its handle. Linked for as long as its scope lives.
class join_state : public list_hook {
 public:
  explicit join_state(scope& of, executor& home) noexcept : scope_(of), home_(home) {}
  static void* operator new(std::size_t bytes) { return allocate_frame(bytes); }
  static void operator delete(void* block, std::size_t bytes) noexcept { release_frame(block, bytes); }

  [[nodiscard]] bool ended() const noexcept { return ended_; }
  void end() noexcept;
  /// The handle goes: an exception that was not taken goes its way.
  void drop() noexcept;
  /// True for the last of its owners.
  [[nodiscard]] bool let_go() noexcept { return --owners_ == 0; }

  struct give_up {
    template <class State>
    void operator()(State* one) const noexcept {
      if (one->let_go()) delete one;
    }
  };

  std::exception_ptr error;
  class join_wait* waiting = nullptr;

 private:
  scope& scope_;
  executor& home_;
  int owners_ = 2;
  bool ended_ = false;
  bool dropped_ = false;
};

template <class T>
struct join_state_of final : join_state {
  using join_state::join_state;
  std::optional<std::conditional_t<std::is_void_v<T>, std::monostate, T>> value;
};
template <class T>
using join_part = std::unique_ptr<join_state_of<T>, join_state::give_up>;

/// Waits for the end; false if the waiting scope was cancelled first.
class join_wait : private waiter {
 public:
  explicit join_wait(join_state& on) noexcept : state_(on) {}
  bool await_ready() const noexcept { return state_.ended(); }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> caller) {
    cancel_node& node = caller.promise().node();
    if (node.requested()) return false;
    assert(state_.waiting == nullptr && "one joiner at a time");
    caller_ = caller;
    queue_ = &node.queue();
    node.attach(*this);
    state_.waiting = this;
    return true;
  }
  void task_ended() noexcept {
    waiter::unlink();
    queue_->schedule(caller_);
  }

 protected:
  ~join_wait() = default;

 private:
  void on_cancel() noexcept override {
    state_.waiting = nullptr;
    queue_->schedule(caller_);
  }
  join_state& state_;
  std::coroutine_handle<> caller_;
  task_queue* queue_ = nullptr;
};

}  // namespace detail

/// Made by scope::spawn_joinable. Move-only; the executor's thread. May outlive the scope.
template <class T>
class [[nodiscard("the task goes on, but nobody can join it")]] join_handle {
 public:
  join_handle(join_handle&&) noexcept = default;
  join_handle& operator=(join_handle&& other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~join_handle() {
    if (state_) state_->drop();
  }

  /// True once the task has ended: awaiting gives its value at once.
  [[nodiscard]] bool ended() const noexcept { return state_->ended(); }

  class operation final : public detail::join_wait {
   public:
    explicit operation(detail::join_state_of<T>& on) noexcept : join_wait(on), state_(on) {}
    typename detail::flat_result<T>::type await_resume() {
      if (!state_.ended()) return fail(errc::canceled);
      if (state_.error) std::rethrow_exception(std::exchange(state_.error, {}));
      assert(state_.value && "a task is joined once");
      if constexpr (std::is_void_v<T>) {
        return {};
      } else {
        return *std::exchange(state_.value, std::nullopt);
      }
    }

   private:
    detail::join_state_of<T>& state_;
  };
  /// The task's value (a result<T> stays one), once; rethrows its exception. errc::canceled if the awaiting scope was
  /// cancelled before the task ended: that goes on, and may be joined again. One joiner at a time.
  [[nodiscard]] operation operator co_await() noexcept { return operation(*state_); }

 private:
  friend class scope;
  explicit join_handle(detail::join_part<T> state) noexcept : state_(std::move(state)) {}
  detail::join_part<T> state_;
};

}  // namespace tide
