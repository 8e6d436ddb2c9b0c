// tide-bench-runtime: what calls, yields, spawns, operations, timers and messages between executors cost, against the same
// by hand and against Asio, by the paired method (harness/paired.hpp).
#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <print>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <tide/runtime/executor.hpp>
#include <tide/runtime/io_operation.hpp>
#include <tide/runtime/scope.hpp>
#include <tide/runtime/time.hpp>

#include "harness/contest.hpp"
#include "harness/machine.hpp"
#include "runtime/rungs.hpp"

namespace {

using bench::batch;
using bench::coroutine_calls;
using bench::coroutine_spawns;
using bench::coroutine_yields;
using bench::on_executor;
using bench::side;

/// Spawns while another executor does it on the other core.
side spawns_beside_others() {
  return [mine = coroutine_spawns(1)](std::chrono::nanoseconds length) {
    std::atomic<bool> begun{false};
    const std::jthread other([&] {
      bench::pin_to(bench::other_core);
      const side theirs = coroutine_spawns(1);
      begun = true;
      static_cast<void>(theirs(length));
    });
    while (!begun) std::this_thread::yield();
    return mine(length);
  };
}

struct nop : tide::io_operation {
  nop() : io_operation(tide::ring::request::nop()) {}
  int await_resume() const noexcept { return result_code(); }
};
tide::task<> nop_often(int times) {
  for (int i = 0; i < times; ++i) co_await nop();
}
side nops(int at_a_time, int other_queues = 0) {
  return on_executor(
      [at_a_time](tide::scope& scope) -> tide::task<int> {
        const int each = (batch + at_a_time - 1) / at_a_time;
        if (at_a_time == 1) {
          co_await nop_often(each);
        } else {
          for (int i = 0; i < at_a_time; ++i) scope.spawn(nop_often(each));
          co_await scope.join();
        }
        co_return each* at_a_time;
      },
      other_queues);
}

side sleeps() {
  return on_executor([](tide::scope&) -> tide::task<int> {
    for (int i = 0; i < batch; ++i) static_cast<void>(co_await tide::sleep(std::chrono::nanoseconds(0)));
    co_return batch;
  });
}

struct idle_timer final : tide::timer {
  void expired() noexcept override {}
};
/// Moves timers about among many that wait.
side rearms(std::size_t waiting) {
  return on_executor([waiting](tide::scope& scope) -> tide::task<int> {
    auto& home = scope.node().home();
    std::vector<idle_timer> timers(waiting);
    std::minstd_rand random(1);
    const auto later = tide::clock::now() + std::chrono::hours(1);
    const auto at = [&] { return later + std::chrono::microseconds(random()); };
    for (auto& each : timers) home.arm(each, at());
    constexpr int rounds = 200;
    for (int i = 0; i < rounds * batch; ++i) home.arm(timers[random() % waiting], at());
    for (auto& each : timers) home.disarm(each);
    co_return rounds* batch;
  });
}

side preempt_checks() {
  return on_executor([](tide::scope&) -> tide::task<int> {
    int needed = 0;
    for (int i = 0; i < batch; ++i) needed += tide::need_preempt() ? 1 : 0;
    co_await tide::yield();
    co_return needed == batch ? 0 : batch;
  });
}

std::vector<bench::contest> contests() {
  constexpr auto at_most = [](double ns) { return bench::target{bench::bound::ours_at_most, ns}; };
  constexpr auto ratio = [](double most) { return bench::target{bench::bound::ratio_at_most, most}; };
  constexpr auto spin = std::chrono::microseconds(100);
  constexpr auto park = std::chrono::nanoseconds(0);
  std::vector<bench::contest> all;
  all.push_back({"call", "ns/call", "bare", coroutine_calls(), bench::bare_calls(), at_most(10)});
  all.push_back({"yield", "ns/yield", "bare", coroutine_yields(16), bench::bare_yields(16), at_most(6)});
  all.push_back({"yield1", "ns/yield", "bare", coroutine_yields(1), bench::bare_yields(1), at_most(6)});
  all.push_back({"yield-queues", "ns/yield", "bare", coroutine_yields(16, 2), bench::bare_yields(16), {}});
  all.push_back({"spawn", "ns/task", "bare", coroutine_spawns(1), bench::bare_spawns(), at_most(15)});
  all.push_back({"spawn100", "ns/task", "bare", coroutine_spawns(100), bench::bare_spawns(), at_most(15)});
  all.push_back({"spawn-beside", "ns/task", "alone", spawns_beside_others(), coroutine_spawns(1), ratio(1.3)});
  all.push_back({"nop", "ns/operation", "raw", nops(1), bench::raw_nops(1), ratio(1.08)});
  all.push_back({"nop32", "ns/operation", "raw", nops(32), bench::raw_nops(32), ratio(1.33)});  // 10 ns on 30
  all.push_back({"nop32-queues", "ns/operation", "raw", nops(32, 2), bench::raw_nops(32), {}});
  all.push_back({"timer100", "ns/rearm", "100k", rearms(100), rearms(100'000), {}});
  all.push_back({"need_preempt", "ns/call", "clock", preempt_checks(), bench::clock_reads(), {}});
  all.push_back({"message", "ns/message", "list", bench::tide_stream(spin), bench::raw_stream(), at_most(40), true});
  all.push_back({"trip-spin", "ns/trip", "line", bench::tide_trips(spin), bench::raw_line_trips(), at_most(800), true});
  all.push_back({"trip-park", "ns/trip", "futex", bench::tide_trips(park), bench::raw_futex_trips(), ratio(1.05), true});
#ifdef TIDE_BENCH_ASIO
  all.push_back({"yield", "ns/yield", "asio", coroutine_yields(16), bench::asio_yields(16), {}});
  all.push_back({"spawn", "ns/task", "asio", coroutine_spawns(1), bench::asio_spawns(), {}});
  all.push_back({"sleep0", "ns/sleep", "asio", sleeps(), bench::asio_timers(), {}});
#endif
  return all;
}

constexpr int own_core = 0;

struct options {
  std::size_t pairs = 40;
  unsigned window_ms = 20;
  std::string only;
  std::string json;
};

void run(const options& chosen) {
  bench::run_first();           // and the threads that are made from here on
  const auto all = contests();  // before this thread has one core: with one, executors do not spin
  const auto awake = bench::keep_cores_awake();
  bench::pin_to(own_core);
  bench::report out(chosen.json);
  for (const bench::contest& each : all) {
    if (!chosen.only.empty() && each.name != chosen.only) continue;
    bench::take(each, "runtime", {.pairs = chosen.pairs, .length = std::chrono::milliseconds(chosen.window_ms)}, out);
  }
}

}  // namespace

int main(int argc, char** argv) {
  options chosen;
  CLI::App app("Tasks, operations, timers and messages, by paired windows");
  app.add_option("--pairs", chosen.pairs, "pairs of windows a case")->check(CLI::Range(1, 1000));
  app.add_option("--window-ms", chosen.window_ms, "length of a window")->check(CLI::Range(1, 10'000));
  app.add_option("--only", chosen.only, "this case alone");
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
