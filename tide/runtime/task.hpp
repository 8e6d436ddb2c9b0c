// task<T>: a coroutine that begins when it is awaited and gives its caller a T or an exception.
//
//   tide::task<int> answer() { co_await tide::sleep(1ms); co_return 42; }
//   int n = co_await answer();
//   scope.spawn(session, std::move(peer));      // concurrently: scope.hpp
//
// A task that is neither awaited nor spawned does nothing; the compiler warns of one that is dropped.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include <tide/runtime/cancellation.hpp>
#include <tide/runtime/detail/frame_cache.hpp>
#include <tide/runtime/executor.hpp>

namespace tide {

class scope;
template <class T = void>
class task;

namespace detail {

// GCC under a sanitizer does not make the tail call that symmetric transfer needs, and a loop over tasks that end at once
// would eat the stack: there the continuation goes through the run queue.
#if !defined(__clang__) && (defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__))
inline constexpr bool tail_calls = false;
#else
inline constexpr bool tail_calls = true;
#endif

/// What every coroutine of the runtime has: who goes on after it, and its place in the tree of cancellation.
class promise_base {
 public:
  std::suspend_always initial_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { error_ = std::current_exception(); }

  [[nodiscard]] cancel_node& node() const noexcept { return *node_; }
  void set_node(cancel_node& node) noexcept { node_ = &node; }
  void continue_with(std::coroutine_handle<> next) noexcept { next_ = next; }
  void belong_to(scope& owner) noexcept { owner_ = &owner; }

  static void* operator new(std::size_t bytes) { return allocate_frame(bytes); }
  static void operator delete(void* block, std::size_t bytes) noexcept { release_frame(block, bytes); }

 protected:
  struct at_end {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
      promise_base& promise = ended.promise();
      if (promise.owner_ != nullptr) {
        return end_child(promise, ended);
      }
      if constexpr (!tail_calls) {
        promise.node_->queue().schedule(promise.next_);
        return std::noop_coroutine();
      }
      return promise.next_;
    }
    void await_resume() const noexcept {}
  };
  /// Destroys the frame of a spawned task and tells its scope. Gives who goes on in its place.
  static std::coroutine_handle<> end_child(promise_base& promise, std::coroutine_handle<> ended) noexcept;

  std::exception_ptr error_;

 private:
  std::coroutine_handle<> next_;
  cancel_node* node_ = nullptr;
  scope* owner_ = nullptr;
};

template <class T>
class task_promise final : public promise_base {
  static_assert(!std::is_reference_v<T>, "a task gives a value; return a pointer or std::reference_wrapper");

 public:
  task<T> get_return_object() noexcept;
  at_end final_suspend() noexcept { return {}; }
  template <class U = T>
    requires std::constructible_from<T, U&&>
  void return_value(U&& value) {
    value_.emplace(std::forward<U>(value));
  }
  T take() {
    if (error_) std::rethrow_exception(std::move(error_));
    return std::move(*value_);
  }

 private:
  std::optional<T> value_;
};

template <>
class task_promise<void> final : public promise_base {
 public:
  task<void> get_return_object() noexcept;
  at_end final_suspend() noexcept { return {}; }
  void return_void() noexcept {}
  void take() {
    if (error_) std::rethrow_exception(std::move(error_));
  }
};

}  // namespace detail

/// Move-only; owns the frame until it is awaited or spawned. Runs on the executor of whoever awaits it.
template <class T>
class [[nodiscard("a task does nothing until it is awaited or spawned")]] task {
 public:
  using promise_type = detail::task_promise<T>;
  using value_type = T;

  task(task&& other) noexcept : frame_(std::exchange(other.frame_, {})) {}
  task& operator=(task&& other) noexcept {
    if (this != &other) {
      if (frame_) frame_.destroy();
      frame_ = std::exchange(other.frame_, {});
    }
    return *this;
  }
  ~task() {
    if (frame_) frame_.destroy();
  }

  class awaiter {
   public:
    explicit awaiter(task&& awaited, cancel_node* node = nullptr) noexcept : task_(std::move(awaited)), node_(node) {}
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> caller) const noexcept {
      promise_type& promise = task_.frame_.promise();
      promise.continue_with(caller);
      promise.set_node(node_ != nullptr ? *node_ : caller.promise().node());
      return task_.frame_;
    }
    T await_resume() const { return task_.frame_.promise().take(); }

   private:
    task task_;
    cancel_node* node_;
  };
  awaiter operator co_await() && noexcept { return awaiter(std::move(*this)); }
  /// The same, with the task below `node` instead of below its caller's.
  awaiter under(cancel_node& node) && noexcept { return awaiter(std::move(*this), &node); }

  /// Gives the frame away; for scopes.
  [[nodiscard]] std::coroutine_handle<promise_type> release() noexcept { return std::exchange(frame_, {}); }

 private:
  friend promise_type;
  explicit task(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}
  std::coroutine_handle<promise_type> frame_;
};

namespace detail {

template <class T>
task<T> task_promise<T>::get_return_object() noexcept {
  return task<T>(std::coroutine_handle<task_promise>::from_promise(*this));
}
inline task<void> task_promise<void>::get_return_object() noexcept {
  return task<void>(std::coroutine_handle<task_promise>::from_promise(*this));
}

/// co_await this_promise{} gives a coroutine its own promise, at no cost.
struct this_promise {
  promise_base* found = nullptr;
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> self) noexcept {
    found = &self.promise();
    return false;
  }
  promise_base& await_resume() const noexcept { return *found; }
};

/// Puts a coroutine below another node for a while.
class node_change {
 public:
  node_change(promise_base& self, cancel_node& node) noexcept : self_(self), before_(self.node()) { self.set_node(node); }
  node_change(const node_change&) = delete;
  node_change& operator=(const node_change&) = delete;
  ~node_change() { self_.set_node(before_); }

 private:
  promise_base& self_;
  cancel_node& before_;
};

}  // namespace detail

struct yield_operation {
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> self) const {
    self.promise().node().queue().schedule(self);
  }
  void await_resume() const noexcept {}
};
/// co_await yield() lets everything else that is ready in the queue run first, and other queues when it is their turn.
[[nodiscard]] inline yield_operation yield() noexcept { return {}; }

/// True once the running task has used up its time (executor::options::quantum at most) or a task of the latency class
/// waits: time to yield. Reads the processor's counter, no more. False outside of an executor.
[[nodiscard]] inline bool need_preempt() noexcept {
  executor* const here = executor::current();
  return here != nullptr && here->need_preempt();
}

struct yield_if_needed_operation : yield_operation {
  bool await_ready() const noexcept { return !need_preempt(); }
};
/// co_await yield_if_needed() in a long loop: yields when need_preempt() says so.
[[nodiscard]] inline yield_if_needed_operation yield_if_needed() noexcept { return {}; }

}  // namespace tide
