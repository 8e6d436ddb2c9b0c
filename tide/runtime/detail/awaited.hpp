// What an operation (a task or another awaitable) gives, as types: for those who await operations on behalf of others.
#pragma once

#include <type_traits>
#include <utility>
#include <variant>

#include <tide/base/result.hpp>

namespace tide::detail {

template <class T>
struct awaited {};  // of something else, which an overload may ask about
template <class T>
  requires requires { std::declval<T>().await_resume(); }
struct awaited<T> {
  using type = decltype(std::declval<T>().await_resume());
};
template <class T>
  requires requires { std::declval<T>().operator co_await(); }
struct awaited<T> {
  using type = decltype(std::declval<T>().operator co_await().await_resume());
};

/// The same as something that can be kept.
template <class Operation>
using kept =
    std::conditional_t<std::is_void_v<typename awaited<Operation>::type>, std::monostate, typename awaited<Operation>::type>;

/// A result<T> itself, or that of a value which carries one beside something else: value.outcome().
template <class T>
auto& outcome_of(T& value) noexcept {
  if constexpr (requires { value.outcome(); }) {
    return value.outcome();
  } else {
    return value;
  }
}

/// False only for a value that is a result or has one, and that holds an error.
template <class T>
[[nodiscard]] bool succeeded(T& value) noexcept {
  auto& outcome = outcome_of(value);
  if constexpr (requires {
                  outcome.has_value();
                  outcome.error();
                }) {
    return outcome.has_value();
  } else {
    return true;
  }
}

template <class T>
struct flat_result {
  using type = result<T>;
};
template <class T>
struct flat_result<result<T>> {
  using type = result<T>;
};

}  // namespace tide::detail
