// tide-bench-sync: channels, locks and permits, in one thread and between two, by the paired method (harness/paired.hpp).
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstddef>
#include <exception>
#include <optional>
#include <print>
#include <string>
#include <thread>
#include <vector>

#include "harness/machine.hpp"
#include "harness/paired.hpp"
#include "harness/report.hpp"
#include "sync/cases.hpp"

namespace {

struct options {
  std::size_t pairs = 20;
  unsigned window_ms = 50;
  std::string only;
  std::string json;
  bool queue_with_others = false;
  bool let_halt = false;
};

int run(const options& chosen) {
  if (!chosen.queue_with_others) static_cast<void>(bench::run_first());
  const std::optional<bench::awake_cores> awake = chosen.let_halt ? std::nullopt : bench::keep_cores_awake();
  bench::report out(chosen.json);
  const int second = std::thread::hardware_concurrency() < 2 ? 0 : 1;
  std::vector<bench::contest> all = bench::one_thread_cases();
  for (bench::contest& each : bench::two_thread_cases(0, second)) all.push_back(std::move(each));
  bench::pin_to(0);
  const bench::paired_options how{.pairs = chosen.pairs, .length = std::chrono::milliseconds(chosen.window_ms)};
  for (bench::contest& each : all) {
    each.wall = true;  // two threads work in most of them
    if (each.name.contains(chosen.only)) bench::take(each, "sync", how, out);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  options chosen;
  CLI::App app("Channels, locks and permits, by paired windows");
  app.add_option("--pairs", chosen.pairs, "pairs of windows a case")->check(CLI::Range(1, 1000));
  app.add_option("--window-ms", chosen.window_ms, "length of a window")->check(CLI::Range(5, 10'000));
  app.add_option("--only", chosen.only, "only cases whose name contains this");
  app.add_flag("--queue-with-others", chosen.queue_with_others, "do not run before other processes");
  app.add_flag("--let-halt", chosen.let_halt, "let idle cores halt, even where waking them goes through a hypervisor");
  app.add_option("--json", chosen.json, "append one JSON object a finding to this file");
  CLI11_PARSE(app, argc, argv);
  try {
    return run(chosen);
  } catch (const std::exception& error) {
    std::println(stderr, "{}", error.what());
    return 1;
  }
}
