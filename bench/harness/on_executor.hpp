// Sides whose work is tasks of an executor.
//
//   bench::side yields = bench::on_executor([](tide::scope& scope) -> tide::task<int> { …; co_return how_many; });
#pragma once

#include <chrono>
#include <memory>

#include <tide/runtime/executor.hpp>
#include <tide/runtime/scope.hpp>

#include "harness/stopwatch.hpp"

namespace bench {

constexpr int batch = 1'000;  // pieces of work between two looks at the clock

/// A side whose work is a task<int> made by `make(scope)`, again and again on one executor; with `other_queues` more queues.
template <class Make>
[[nodiscard]] side on_executor(Make make, int other_queues = 0) {
  auto executor = std::shared_ptr<tide::executor>(tide::executor::create({}).value());
  for (int i = 0; i < other_queues; ++i) executor->make_queue({});
  return [executor, make](std::chrono::nanoseconds length) {
    return executor->run([&](tide::scope& scope) -> tide::task<window> {
      const stopwatch watch;
      double done = 0;
      while (watch.within(length)) done += co_await make(scope);
      co_return watch.finish(done);
    });
  };
}

inline tide::task<> do_nothing() { co_return; }
inline tide::task<> yield_batch() {
  for (int turn = 0; turn < batch; ++turn) co_await tide::yield();
}

[[nodiscard]] inline side coroutine_calls() {
  return on_executor([](tide::scope&) -> tide::task<int> {
    for (int i = 0; i < batch; ++i) co_await do_nothing();
    co_return batch;
  });
}
[[nodiscard]] inline side coroutine_yields(int tasks, int other_queues = 0) {
  return on_executor(
      [tasks](tide::scope& scope) -> tide::task<int> {
        for (int i = 0; i < tasks; ++i) scope.spawn(yield_batch());
        co_await scope.join();
        co_return tasks* batch;
      },
      other_queues);
}
[[nodiscard]] inline side coroutine_spawns(int at_a_time) {
  return on_executor([at_a_time](tide::scope& scope) -> tide::task<int> {
    for (int i = 0; i < batch; i += at_a_time) {
      for (int j = 0; j < at_a_time; ++j) scope.spawn(do_nothing());
      co_await scope.join();
    }
    co_return batch;
  });
}

}  // namespace bench
