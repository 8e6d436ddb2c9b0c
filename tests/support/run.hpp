// Runs a coroutine to its end on an executor of its own: the shortest way into a test of anything that awaits.
//
//   run_here([](tide::scope& scope) -> tide::task<> { … });
#pragma once

#include <memory>
#include <utility>

#include <tide/runtime/executor.hpp>
#include <tide/runtime/scope.hpp>
#include <tide/runtime/task.hpp>
#include <tide/runtime/time.hpp>

namespace support {

inline std::unique_ptr<tide::executor> make_executor(const tide::executor::options& wanted = {}) {
  return tide::executor::create(wanted).value();
}

template <class F>
auto run_here(F main, const tide::executor::options& wanted = {}) {
  return make_executor(wanted)->run(std::move(main));
}

}  // namespace support
