// Calls a coroutine on another executor and waits for its value here.
//
//   auto sum = co_await tide::on(there, count_words, std::move(text));   // result<…>
//
// The caller counts as a task of its own executor all the while, so that executor does not end before the answer is back.
#pragma once

#include <atomic>
#include <coroutine>
#include <exception>
#include <functional>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include <tide/base/result.hpp>
#include <tide/runtime/blocking.hpp>
#include <tide/runtime/cancellation.hpp>
#include <tide/runtime/executor.hpp>
#include <tide/runtime/scope.hpp>
#include <tide/runtime/task.hpp>

namespace tide {

namespace detail {

/// The way there and back. Lives in the frame of the caller, which waits until the last of the two that may be under way
/// there (the call and a request to cancel it) has ended.
class remote_call : private waiter {
 public:
  explicit remote_call(executor_handle there) noexcept : there_(std::move(there)) {}
  remote_call(const remote_call&) = delete;
  remote_call& operator=(const remote_call&) = delete;

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> caller) {
    cancel_node& node = caller.promise().node();
    caller_ = caller;
    queue_ = &node.queue();
    back_to_.emplace(node.home().handle());
    if (node.requested()) {
      refused_ = errc::canceled;
      return false;
    }
    node.attach(*this);
    if (there_.post(begin_)) return true;
    unlink();
    refused_ = errc::closed;
    return false;
  }
  void await_resume() const noexcept {}
  [[nodiscard]] std::optional<errc> refused() const noexcept { return refused_; }

 protected:
  ~remote_call() = default;

  // On the other executor's thread.
  virtual void start() = 0;
  void inside(cancel_node* now) noexcept {
    inside_ = now;
    if (now != nullptr && cancel_came_) now->request();
  }
  /// The last that is done there: the caller may go on, and this be gone, before it returns.
  void ended_one() noexcept {
    if (under_way_.fetch_sub(1) != 1) return;
    const executor_handle back = *back_to_;
    back.post(back_);  // succeeds: an executor with a task that waits has not ended
  }
  std::exception_ptr error_;

 private:
  template <void (remote_call::*Run)(), void (remote_call::*Dropped)() noexcept>
  class entry final : public mailbox_entry {
   public:
    explicit entry(remote_call& of) noexcept : of_(of) {}

   private:
    void run() override { (of_.*Run)(); }
    void dropped() noexcept override { (of_.*Dropped)(); }
    remote_call& of_;
  };

  void begin() {
    try {
      start();
    } catch (...) {  // of moving the arguments, or no memory
      error_ = std::current_exception();
      ended_one();
    }
  }
  void begin_dropped() noexcept {
    refused_ = errc::closed;
    ended_one();
  }
  void cancel_there() {
    cancel_came_ = true;
    if (inside_ != nullptr) inside_->request();
    ended_one();
  }
  void cancel_dropped() noexcept { ended_one(); }
  void back() {
    unlink();
    queue_->schedule(caller_);
  }
  void back_dropped() noexcept {}
  void on_cancel() noexcept override {
    if (under_way_.fetch_add(1) == 0) return;  // the answer is on its way
    if (!there_.post(cancel_)) ended_one();
  }

  executor_handle there_;
  std::coroutine_handle<> caller_;
  task_queue* queue_ = nullptr;
  std::optional<executor_handle> back_to_;
  std::optional<errc> refused_;
  std::atomic<int> under_way_{1};
  cancel_node* inside_ = nullptr;  // the other thread's, as the next one
  bool cancel_came_ = false;
  entry<&remote_call::begin, &remote_call::begin_dropped> begin_{*this};
  entry<&remote_call::cancel_there, &remote_call::cancel_dropped> cancel_{*this};
  entry<&remote_call::back, &remote_call::back_dropped> back_{*this};
};

template <class F, class... Arguments>
class remote_call_of final : public remote_call {
 public:
  using value = typename std::invoke_result_t<F&, Arguments...>::value_type;

  template <class... Given>
  explicit remote_call_of(executor_handle there, Given&&... given)
      : remote_call(std::move(there)), held_(std::forward<Given>(given)...) {}

  typename flat_result<value>::type take() {
    if (error_) std::rethrow_exception(std::move(error_));
    if (refused()) return fail(*refused());
    if constexpr (std::is_void_v<value>) {
      return {};
    } else {
      return std::move(*given_);
    }
  }

 private:
  void start() override {
    std::apply(
        [this](F& function, Arguments&... arguments) {
          executor::current()->root().spawn(work(*this, std::move(function), std::move(arguments)...));
        },
        held_);
  }
  static task<> work(remote_call_of& call, F function, Arguments... arguments) {
    promise_base& self = co_await this_promise{};
    cancel_node inside(self.node());
    call.inside(&inside);
    try {
      if constexpr (std::is_void_v<value>) {
        co_await std::invoke(function, std::move(arguments)...).under(inside);
      } else {
        call.given_.emplace(co_await std::invoke(function, std::move(arguments)...).under(inside));
      }
    } catch (...) {
      call.error_ = std::current_exception();
    }
    call.inside(nullptr);
    call.ended_one();
  }

  std::tuple<F, Arguments...> held_;
  std::conditional_t<std::is_void_v<value>, std::optional<bool>, std::optional<value>> given_;
};

}  // namespace detail

/// Calls `function(arguments…)`, which gives a task<T>, on the executor `there`, and gives its value here: result<T>, or T
/// itself if it is a result. Both are moved there and live until the task ends; the value is moved back. Exceptions travel.
/// errc::closed if that executor has ended, or ends first. A request to cancel travels there too; what the task makes of it
/// comes back. Allocates only frames.
template <class F, class... Arguments>
auto on(executor_handle there, F function, Arguments... arguments)
    -> task<typename detail::flat_result<typename std::invoke_result_t<F&, Arguments...>::value_type>::type> {
  detail::remote_call_of<F, Arguments...> call(std::move(there), std::move(function), std::move(arguments)...);
  co_await call;
  co_return call.take();
}

}  // namespace tide
