// tide-bench-fiber: what switching, starting and joining fibers costs, against bare switches of Boost.Context and against
// coroutines doing the same on the same executor, by the paired method (harness/paired.hpp) in one thread.
#include <CLI/CLI.hpp>
#include <array>
#include <boost/context/detail/fcontext.hpp>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <print>
#include <string>
#include <vector>

#include <tide/runtime/fiber.hpp>
#include <tide/runtime/scope.hpp>

#include "harness/contest.hpp"
#include "harness/machine.hpp"
#include "harness/on_executor.hpp"

namespace {

using bench::batch;
using bench::on_executor;
namespace fiber = tide::fiber;
namespace context = boost::context::detail;

[[noreturn]] void return_at_once(context::transfer_t entered) {
  while (true) entered = context::jump_fcontext(entered.fctx, nullptr);
}

/// Bare switches, there and back.
bench::side bare_switches() {
  auto stack = std::make_shared<std::array<std::byte, 65'536>>();
  return bench::repeated(
      [stack, there = context::make_fcontext(stack->data() + stack->size(), stack->size(), return_at_once)]() mutable {
        for (int i = 0; i < batch; ++i) there = context::jump_fcontext(there, nullptr).fctx;
        return 2 * batch;
      });
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

bench::side fiber_spawns(int at_a_time) {
  return on_executor([at_a_time](tide::scope& scope) -> tide::task<int> {
    for (int i = 0; i < batch; i += at_a_time) {
      for (int j = 0; j < at_a_time; ++j) fiber::spawn(scope, [] {});
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

std::vector<bench::contest> contests() {
  constexpr auto at_most = [](double ns) { return bench::target{bench::bound::ours_at_most, ns}; };
  std::vector<bench::contest> all;
  all.push_back({"switch", "ns/switch", "fcontext", fiber_yields(16, 2), bare_switches(), at_most(8)});
  all.push_back({"yield", "ns/yield", "coroutine", fiber_yields(16, 1), bench::coroutine_yields(16), {}});
  all.push_back({"spawn", "ns/fiber", "coroutine", fiber_spawns(1), bench::coroutine_spawns(1), at_most(60)});
  all.push_back({"spawn100", "ns/fiber", "coroutine", fiber_spawns(100), bench::coroutine_spawns(100), at_most(60)});
  all.push_back({"call", "ns/call", "coroutine", fiber_calls(), bench::coroutine_calls(), {}});
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
  for (const bench::contest& each : contests()) {
    bench::take(each, "fiber", {.pairs = chosen.pairs, .length = std::chrono::milliseconds(chosen.window_ms)}, out);
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
