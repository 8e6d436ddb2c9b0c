// Fibers: functions with a stack of their own that wait as plain code does, for everything that a coroutine can await.
//
//   tide::fiber::spawn(scope, [&] {
//     auto chunk = tide::fiber::await(stream.receive());           // result<buffer>; other tasks run meanwhile
//     call_some_library(chunk);                                    // whose callbacks may await as well
//   });
//   int n = co_await tide::fiber::call(parse, std::ref(stream));   // from a coroutine: its value or its exception
//
// A fiber is a task<T>: scopes own it, cancelling reaches what it awaits, its exception goes to who joins it. Needs the
// target tide::fiber (Boost.Context).
#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <string_view>
#include <type_traits>
#include <utility>

#include <tide/runtime/detail/fiber_core.hpp>
#include <tide/runtime/scope.hpp>
#include <tide/runtime/task.hpp>

namespace tide::fiber {

struct options {
  /// Usable bytes, rounded up to pages. Taken from the system's memory page by page as they are touched, when the fiber
  /// first runs; a guard below ends the process, with the fiber's name, when they do not suffice.
  std::size_t stack_bytes = default_stack_bytes;
  /// For that message; 31 characters are kept.
  std::string_view name = "unnamed";

  static constexpr std::size_t default_stack_bytes = std::size_t{128} << 10U;
};

namespace detail {

template <class F>
concept not_options = !std::same_as<std::remove_cvref_t<F>, options>;

template <class F, class... Arguments>
using value_of = std::invoke_result_t<std::decay_t<F>&, std::decay_t<Arguments>...>;

}  // namespace detail

/// A task that calls `f(arguments…)` in a fiber. Callable and arguments are kept by value until it ends; hand over a
/// reference with std::ref. One allocation, from the executor's frame cache; the stack comes from the executor's pool when
/// the task begins. No memory for it: std::bad_alloc to the joiner.
template <class F, class... Arguments>
  requires std::invocable<std::decay_t<F>&, std::decay_t<Arguments>...>
[[nodiscard]] auto call(const options& wanted, F&& f, Arguments&&... arguments) -> task<detail::value_of<F, Arguments...>> {
  using frame = tide::detail::fiber_frame<detail::value_of<F, Arguments...>, std::decay_t<F>, std::decay_t<Arguments>...>;
  return frame::make(wanted.stack_bytes, wanted.name, std::forward<F>(f), std::forward<Arguments>(arguments)...);
}
template <detail::not_options F, class... Arguments>
[[nodiscard]] auto call(F&& f, Arguments&&... arguments) {
  return fiber::call(options{}, std::forward<F>(f), std::forward<Arguments>(arguments)...);
}

/// Runs it concurrently inside `scope`; it begins at the next turn of the run loop. f gives void.
template <class F, class... Arguments>
void spawn(scope& inside, const options& wanted, F&& f, Arguments&&... arguments) {
  inside.spawn(fiber::call(wanted, std::forward<F>(f), std::forward<Arguments>(arguments)...));
}
template <detail::not_options F, class... Arguments>
void spawn(scope& inside, F&& f, Arguments&&... arguments) {
  inside.spawn(fiber::call(std::forward<F>(f), std::forward<Arguments>(arguments)...));
}

// Inlined always: the processor mispredicts each return that follows a switch, which costs as much as the switch.

/// What co_await gives a coroutine, to a fiber: the value of a task or of any other awaitable. Throws std::logic_error
/// outside of a fiber.
template <class Operation>
[[gnu::always_inline]] inline auto await(Operation&& operation) -> decltype(auto) {
  auto& self = tide::detail::this_fiber();
  auto&& awaiter = tide::detail::awaiter_of(std::forward<Operation>(operation));
  if (!awaiter.await_ready()) {
    tide::detail::fiber_wait_for wait(awaiter);
    self.suspend(wait);
    wait.rethrow();
  }
  return awaiter.await_resume();
}

/// Lets everything else that is ready run first.
[[gnu::always_inline]] inline void yield() { fiber::await(tide::yield()); }

/// Whether the calling code runs in a fiber, so that it may await.
[[nodiscard]] inline bool active() noexcept { return tide::detail::running_fiber() != nullptr; }
/// Whether the fiber has been asked to end: for one that computes more than it waits. std::logic_error outside of a fiber.
[[nodiscard]] inline bool cancelled() { return tide::detail::this_fiber().promise().node().requested(); }

}  // namespace tide::fiber
