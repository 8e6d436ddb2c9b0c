// A function that is called later, once each time it is armed.
//
//   tide::alarm idle(scope, [&] { connection.shutdown(); });     // void() or task<>()
//   idle.arm(30s);                                               // and again with each message: moves it
//   idle.cancel();
//
// It runs as a task of the scope, so what it throws goes there, and leaving the scope joins it.
#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include <tide/runtime/scope.hpp>
#include <tide/runtime/time.hpp>

namespace tide {

/// Belongs to the scope's executor; goes before the scope and the queue do. It may go while its function runs, which goes
/// on.
class alarm final : private timer {
 public:
  template <std::invocable F>
  alarm(scope& inside, F function) : alarm(inside, inside.node().queue(), std::move(function)) {}
  /// The function runs in `queue`.
  template <std::invocable F>
  alarm(scope& inside, task_queue& queue, F function)
      : inside_(inside), queue_(queue), function_(std::make_shared<callable>(as_task(std::move(function)))) {}
  alarm(const alarm&) = delete;
  alarm& operator=(const alarm&) = delete;
  ~alarm() { cancel(); }

  /// Armed already: moves it. Never early; nothing happens once the scope is cancelled. May be called by the function.
  void arm(clock::duration time) { arm_at(detail::from_now(time)); }
  void arm_at(clock::time_point deadline) { queue_.home().arm(*this, deadline); }
  /// False if it was not armed: never, or its function has begun or is about to.
  bool cancel() noexcept {
    const bool was = timer::armed();
    queue_.home().disarm(*this);
    return was;
  }
  [[nodiscard]] bool armed() const noexcept { return timer::armed(); }

 private:
  using callable = std::move_only_function<task<>()>;
  template <class F>
  static callable as_task(F function) {
    if constexpr (std::same_as<std::invoke_result_t<F&>, task<>>) {
      return callable(std::move(function));
    } else {
      return [held = std::move(function)]() mutable { return call(held); };
    }
  }
  template <class F>
  static task<> call(F& function) {
    function();
    co_return;
  }
  static task<> run(std::shared_ptr<callable> function) { co_await (*function)(); }
  void expired() noexcept override {
    if (!inside_.cancelled()) inside_.spawn_into(queue_, run(function_));
  }

  scope& inside_;
  task_queue& queue_;
  std::shared_ptr<callable> function_;  // a call that is under way keeps it
};

}  // namespace tide
