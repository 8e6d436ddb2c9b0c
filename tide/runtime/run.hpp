// A whole program in one call.
//
//   int main() {
//     return tide::run([](tide::scope& scope) -> tide::task<> { scope.spawn(…); co_await scope.join(); });
//   }
#pragma once

#include <cstdio>
#include <type_traits>

#include <tide/base/log.hpp>
#include <tide/runtime/executor.hpp>
#include <tide/runtime/scope.hpp>
#include <tide/runtime/task.hpp>

namespace tide {

/// Makes an executor on this thread, runs `main(scope&)`, a task<> or task<int>, and returns the exit code: 0 or the int. If
/// no executor can be made, logs why and returns 1. Exceptions of tasks come out.
template <class F>
int run(F main, const executor::options& wanted = {}) {
  auto made = executor::create(wanted);
  if (!made) {
    log::error("cannot start an executor", {{"error", made.error()}});
    return 1;
  }
  if constexpr (std::is_void_v<typename std::invoke_result_t<F&, scope&>::value_type>) {
    (*made)->run(std::move(main));
    return 0;
  } else {
    return (*made)->run(std::move(main));
  }
}

}  // namespace tide
