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

double ns_per_message(const bench::window& each) { return each.wall_ns / each.messages; }

void run_case(const options& chosen, const bench::sync_case& each, bench::report& out) {
  const auto series = bench::take_pairs(each.ours, each.reference,
                                        {.pairs = chosen.pairs, .length = std::chrono::milliseconds(chosen.window_ms)});
  const auto figure = bench::compare(series, ns_per_message);
  out.add({.bench = "sync",
           .name = each.name,
           .metric = "time",
           .unit = each.unit,
           .ours = figure.subject,
           .reference = figure.reference,
           .reference_name = each.reference_name,
           .ratio = figure.ratio,
           .target = each.target});
}

int run(const options& chosen) {
  if (!chosen.queue_with_others) static_cast<void>(bench::run_first());
  const std::optional<bench::awake_cores> awake = chosen.let_halt ? std::nullopt : bench::keep_cores_awake();
  bench::report out(chosen.json);
  const int second = std::thread::hardware_concurrency() < 2 ? 0 : 1;
  std::vector<bench::sync_case> all = bench::one_thread_cases();
  for (bench::sync_case& each : bench::two_thread_cases(0, second)) all.push_back(std::move(each));
  bench::pin_to(0);
  for (const bench::sync_case& each : all) {
    if (each.name.contains(chosen.only)) run_case(chosen, each, out);
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
