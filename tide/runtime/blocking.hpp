// Calls that block, away from the run loop: on a small pool of threads of the executor.
//
//   auto size = co_await tide::blocking([path] { return std::filesystem::file_size(path); });   // result<std::uintmax_t>
//
// An exception of the call reaches the awaiter; the thread survives it.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <tide/base/result.hpp>
#include <tide/runtime/cancellation.hpp>
#include <tide/runtime/detail/awaited.hpp>
#include <tide/runtime/executor.hpp>
#include <tide/runtime/task.hpp>

namespace tide {

namespace detail {

/// One call on its way. Shared by the awaiter and the thread, so that an awaiter that was cancelled may go first.
struct blocking_job {
  virtual ~blocking_job() = default;
  virtual void run() noexcept = 0;         // on a thread of the pool
  class blocking_wait* waiting = nullptr;  // executor's thread only
};

class blocking_pool final : public executor_service {
 public:
  static constexpr std::size_t most_threads = 4;  ///< started when there is work for them
  static constexpr std::size_t most_queued = 1024;

  explicit blocking_pool(executor& home);
  ~blocking_pool() override;  // waits for the calls that have begun
  void submit(std::shared_ptr<blocking_job> job);

 private:
  struct shared_part;
  std::shared_ptr<shared_part> shared_;
};

/// Awaits a job; false if it was cancelled.
class blocking_wait final : private waiter {
 public:
  explicit blocking_wait(std::shared_ptr<blocking_job> job) noexcept : job_(std::move(job)) {}
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> caller) {
    cancel_node& node = caller.promise().node();
    if (node.requested()) return false;
    caller_ = caller;
    queue_ = &node.queue();
    node.attach(*this);
    job_->waiting = this;
    node.home().use<blocking_pool>().submit(job_);
    return true;
  }
  bool await_resume() const noexcept { return done_; }
  void done() noexcept {
    done_ = true;
    unlink();
    queue_->resume(caller_);
  }

 private:
  void on_cancel() noexcept override {
    job_->waiting = nullptr;
    queue_->schedule(caller_);
  }
  std::shared_ptr<blocking_job> job_;
  std::coroutine_handle<> caller_;
  task_queue* queue_ = nullptr;
  bool done_ = false;
};

template <class F>
struct blocking_call final : blocking_job {
  using value = std::invoke_result_t<F&>;
  explicit blocking_call(F&& call) : function(std::move(call)) {}
  void run() noexcept override {
    try {
      if constexpr (std::is_void_v<value>) {
        function();
      } else {
        given.emplace(function());
      }
    } catch (...) {
      error = std::current_exception();
    }
  }
  F function;
  std::exception_ptr error;
  std::conditional_t<std::is_void_v<value>, std::optional<bool>, std::optional<value>> given;
};

}  // namespace detail

/// Runs `function()` on a thread of the pool and gives its value; a result<T> stays one. errc::canceled if the scope ended
/// first: the call itself goes on and its value is dropped. Allocates.
template <class F>
auto blocking(F function) -> task<typename detail::flat_result<std::invoke_result_t<F&>>::type> {
  using value = std::invoke_result_t<F&>;
  auto job = std::make_shared<detail::blocking_call<F>>(std::move(function));
  detail::blocking_wait wait(job);
  const bool done = co_await wait;
  if (!done) co_return fail(errc::canceled);
  if (job->error) std::rethrow_exception(std::move(job->error));
  if constexpr (std::is_void_v<value>) {
    co_return {};
  } else {
    co_return std::move(*job->given);
  }
}

}  // namespace tide
