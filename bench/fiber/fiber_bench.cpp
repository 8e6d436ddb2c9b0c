// tide-bench-fiber: what switching, starting and joining fibers costs, against bare switches of Boost.Context and against
// coroutines doing the same on the same executor, by the paired method (harness/paired.hpp) in one thread.
#include <time.h>

#include <CLI/CLI.hpp>
#include <array>
#include <boost/context/detail/fcontext.hpp>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <print>
#include <string>
#include <string_view>
#include <vector>

#include <tide/runtime/executor.hpp>
#include <tide/runtime/fiber.hpp>
#include <tide/runtime/scope.hpp>

#include "harness/machine.hpp"
#include "harness/paired.hpp"
#include "harness/report.hpp"

namespace {

using clock_type = std::chrono::steady_clock;
namespace fiber = tide::fiber;
namespace context = boost::context::detail;

constexpr int batch = 1'000;  // between two looks at the clock

double own_cpu_ns() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) * 1e9 + static_cast<double>(used.tv_nsec);
}

/// Calls `work()`, which gives how much it did, until the time is over.
template <class Work>
bench::window measure(std::chrono::nanoseconds length, Work work) {
  const auto begun = clock_type::now();
  const double cpu = own_cpu_ns();
  bench::window done;
  while (clock_type::now() - begun < length) done.messages += work();
  done.wall_ns = std::chrono::duration<double, std::nano>(clock_type::now() - begun).count();
  done.cpu_ns = own_cpu_ns() - cpu;
  return done;
}

/// A side whose work is a task<int> made by `make(scope)`, again and again on one executor.
template <class Make>
bench::side on_executor(Make make) {
  auto executor = std::shared_ptr<tide::executor>(tide::executor::create({}).value());
  return [executor, make](std::chrono::nanoseconds length) {
    return executor->run([&](tide::scope& scope) -> tide::task<bench::window> {
      const auto begun = clock_type::now();
      const double cpu = own_cpu_ns();
      bench::window done;
      while (clock_type::now() - begun < length) done.messages += co_await make(scope);
      done.wall_ns = std::chrono::duration<double, std::nano>(clock_type::now() - begun).count();
      done.cpu_ns = own_cpu_ns() - cpu;
      co_return done;
    });
  };
}

[[noreturn]] void return_at_once(context::transfer_t entered) {
  while (true) entered = context::jump_fcontext(entered.fctx, nullptr);
}

/// Bare switches, there and back.
bench::side bare_switches() {
  auto stack = std::make_shared<std::array<std::byte, 65'536>>();
  return [stack, there = context::make_fcontext(stack->data() + stack->size(), stack->size(), return_at_once)](
             std::chrono::nanoseconds length) mutable {
    return measure(length, [&] {
      for (int i = 0; i < batch; ++i) there = context::jump_fcontext(there, nullptr).fctx;
      return 2 * batch;
    });
  };
}

/// Fibers that yield to each other: each yield is a switch away from a stack and a switch to one.
bench::side fiber_yields(int fibers, int counted_as) {
  return on_executor([fibers, counted_as](tide::scope& scope) -> tide::task<int> {
    for (int i = 0; i < fibers; ++i) {
      fiber::spawn(scope, [] {
        for (int turn = 0; turn < batch; ++turn) fiber::yield();
      });
    }
    co_await scope.join();
    co_return counted_as* fibers* batch;
  });
}

tide::task<> yield_often() {
  for (int turn = 0; turn < batch; ++turn) co_await tide::yield();
}
bench::side coroutine_yields(int tasks) {
  return on_executor([tasks](tide::scope& scope) -> tide::task<int> {
    for (int i = 0; i < tasks; ++i) scope.spawn(yield_often());
    co_await scope.join();
    co_return tasks* batch;
  });
}

tide::task<> do_nothing() { co_return; }

bench::side fiber_spawns(int at_a_time) {
  return on_executor([at_a_time](tide::scope& scope) -> tide::task<int> {
    for (int i = 0; i < batch; i += at_a_time) {
      for (int j = 0; j < at_a_time; ++j) fiber::spawn(scope, [] {});
      co_await scope.join();
    }
    co_return batch;
  });
}
bench::side coroutine_spawns(int at_a_time) {
  return on_executor([at_a_time](tide::scope& scope) -> tide::task<int> {
    for (int i = 0; i < batch; i += at_a_time) {
      for (int j = 0; j < at_a_time; ++j) scope.spawn(do_nothing());
      co_await scope.join();
    }
    co_return batch;
  });
}

bench::side fiber_calls() {
  return on_executor([](tide::scope&) -> tide::task<int> {
    for (int i = 0; i < batch; ++i) co_await fiber::call([] {});
    co_return batch;
  });
}
bench::side coroutine_calls() {
  return on_executor([](tide::scope&) -> tide::task<int> {
    for (int i = 0; i < batch; ++i) co_await do_nothing();
    co_return batch;
  });
}

struct benchmark {
  std::string_view name;
  std::string_view unit;
  std::string_view reference_name;
  bench::side subject;
  bench::side reference;
  bench::target target;
};

std::vector<benchmark> benchmarks() {
  constexpr auto at_most = [](double ns) { return bench::target{bench::bound::ours_at_most, ns}; };
  std::vector<benchmark> all;
  all.push_back({"switch", "ns/switch", "fcontext", fiber_yields(16, 2), bare_switches(), at_most(8)});
  all.push_back({"yield", "ns/yield", "coroutine", fiber_yields(16, 1), coroutine_yields(16), {}});
  all.push_back({"spawn", "ns/fiber", "coroutine", fiber_spawns(1), coroutine_spawns(1), at_most(60)});
  all.push_back({"spawn100", "ns/fiber", "coroutine", fiber_spawns(100), coroutine_spawns(100), at_most(60)});
  all.push_back({"call", "ns/call", "coroutine", fiber_calls(), coroutine_calls(), {}});
  return all;
}

struct options {
  std::size_t pairs = 40;
  unsigned window_ms = 20;
  int core = 0;
  std::string json;
};

void run(const options& chosen) {
  bench::run_first();
  bench::pin_to(chosen.core);
  bench::report out(chosen.json);
  for (const benchmark& each : benchmarks()) {
    const auto series = bench::take_pairs(each.subject, each.reference,
                                          {.pairs = chosen.pairs, .length = std::chrono::milliseconds(chosen.window_ms)});
    const auto cost = bench::compare(series, [](const bench::window& done) { return done.cpu_ns / done.messages; });
    out.add({.bench = "fiber",
             .name = std::string(each.name),
             .metric = "cpu",
             .unit = std::string(each.unit),
             .ours = cost.subject,
             .reference = cost.reference,
             .reference_name = std::string(each.reference_name),
             .ratio = cost.ratio,
             .target = each.target});
  }
}

}  // namespace

int main(int argc, char** argv) {
  options chosen;
  CLI::App app("Fibers in one thread, by paired windows");
  app.add_option("--pairs", chosen.pairs, "pairs of windows a case")->check(CLI::Range(1, 1000));
  app.add_option("--window-ms", chosen.window_ms, "length of a window")->check(CLI::Range(1, 10'000));
  app.add_option("--core", chosen.core, "core to run on");
  app.add_option("--json", chosen.json, "append one JSON object a finding to this file");
  CLI11_PARSE(app, argc, argv);
  try {
    run(chosen);
    return 0;
  } catch (const std::exception& error) {
    std::println(stderr, "{}", error.what());
    return 1;
  }
}
