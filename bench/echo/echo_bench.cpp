// tide-bench-echo: TCP echo on loopback, the runtime against hand-written ring loops and against peers, by the paired method
// (harness/paired.hpp). The README of the folder above says how to read what it prints.
#include <CLI/CLI.hpp>
#include <array>
#include <chrono>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <format>
#include <memory>
#include <optional>
#include <print>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "echo/load.hpp"
#include "harness/child.hpp"
#include "harness/machine.hpp"
#include "harness/paired.hpp"
#include "harness/report.hpp"

namespace {

constexpr std::string_view prefix = "tide-bench-echo-";
constexpr std::string_view best = "best";
constexpr std::array raw_loops = {"raw-ss", "raw-ms"};

constexpr double messages_ratio_min = 0.97;
constexpr double cpu_ratio_max = 1.03;
constexpr double exchange_cpu_ratio_max = 1.05;
constexpr double enters_max = 0.2;            // a message, where there are connections enough to share one
constexpr double exchange_enters_max = 1.02;  // 1, and room for a window's edges
constexpr std::size_t connections_for_batches = 50;

struct options {
  std::vector<std::size_t> connections = {1, 50, 500};
  std::vector<std::size_t> bytes = {64, 4096};
  std::size_t depth = 1;
  std::size_t pairs = 40;
  unsigned window_ms = 100;
  double retake = 0.5;
  std::string subject = "tide";
  std::string reference{best};
  std::string json;
  int server_core = 0;
  int client_core = 1;
  bool queue_with_others = false;
  bool client_spins = false;
  bool let_halt = false;
};

std::filesystem::path own_folder() { return std::filesystem::read_symlink("/proc/self/exe").parent_path(); }

std::vector<std::string> servers() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(own_folder())) {
    const std::string file = entry.path().filename();
    if (file.starts_with(prefix)) names.push_back(file.substr(prefix.size()));
  }
  std::ranges::sort(names);
  return names;
}

std::string size_words(std::size_t bytes) {
  return bytes % 1024 == 0 ? std::format("{}KiB", bytes / 1024) : std::format("{}B", bytes);
}

// A server with its connections, ready for windows.
class rig {
 public:
  rig(const std::string& name, const options& chosen, const bench::load_options& load)
      : server_((own_folder() / (std::string(prefix) + name)).string(), {.core = chosen.server_core}),
        load_(server_.port(), load) {}

  bench::window run(std::chrono::nanoseconds length) {
    const bench::cpu_usage before = server_.usage();
    const double waited_before = bench::own_waited_ns();
    const bench::load_result done = load_.run(length);
    const bench::cpu_usage used = server_.usage() - before;
    messages_ += done.messages;
    return {.messages = static_cast<double>(done.messages),
            .wall_ns = done.wall_ns,
            .cpu_ns = used.cpu_ns,
            .waited_ns = used.waited_ns + bench::own_waited_ns() - waited_before};
  }

  [[nodiscard]] bench::side side() {
    return [this](std::chrono::nanoseconds length) { return run(length); };
  }
  [[nodiscard]] std::uint64_t messages() const noexcept { return messages_; }
  [[nodiscard]] bench::counters count() { return server_.count(); }

 private:
  bench::child server_;
  bench::load load_;
  std::uint64_t messages_ = 0;
};

double messages_per_second(const bench::window& done) { return done.messages / done.wall_ns * 1e9; }
double cpu_per_message(const bench::window& done) { return done.cpu_ns / done.messages; }

struct chosen_reference {
  std::string name;
  std::unique_ptr<rig> server;
};

// The better raw loop of this case is the one that needs less CPU a message: with many connections the client's core is
// full, and messages per second cannot tell the two apart.
chosen_reference better_raw_loop(const options& chosen, const bench::load_options& load) {
  auto first = std::make_unique<rig>(raw_loops[0], chosen, load);
  auto second = std::make_unique<rig>(raw_loops[1], chosen, load);
  const auto series =
      bench::take_pairs(first->side(), second->side(), {.pairs = 5, .length = std::chrono::milliseconds(100)});
  const bench::comparison cpu = bench::compare(series, cpu_per_message);
  if (cpu.ratio.median <= 1) return {raw_loops[0], std::move(first)};
  return {raw_loops[1], std::move(second)};
}

// What the counters of one server say about the messages since the last look.
struct counts_per_message {
  double allocations;
  double enters;
};

class count_meter {
 public:
  explicit count_meter(rig& server) : server_(server), counters_(server.count()), messages_(server.messages()) {}

  counts_per_message read() {
    const bench::counters now = server_.count();
    const auto messages = static_cast<double>(server_.messages() - messages_);
    return {static_cast<double>(now.allocations - counters_.allocations) / messages,
            static_cast<double>(now.enters - counters_.enters) / messages};
  }

 private:
  rig& server_;
  bench::counters counters_;
  std::uint64_t messages_;
};

std::optional<bench::interval> exact_ratio(double ours, double reference) {
  if (reference <= 0) return std::nullopt;
  return bench::interval{ours / reference, ours / reference, ours / reference};
}

struct contest {
  std::string bench;
  std::string subject;
  std::string reference;
  double cpu_ratio_max;
  std::optional<double> enters_max;
};

void run_case(const options& chosen, const contest& who, const bench::load_options& load, bench::report& out) {
  chosen_reference reference = who.reference == best
                                   ? better_raw_loop(chosen, load)
                                   : chosen_reference{who.reference, std::make_unique<rig>(who.reference, chosen, load)};
  rig subject(who.subject, chosen, load);
  static_cast<void>(subject.run(std::chrono::milliseconds(50)));  // first use of everything is not the steady state
  static_cast<void>(reference.server->run(std::chrono::milliseconds(50)));

  count_meter subject_counts(subject);
  count_meter reference_counts(*reference.server);
  const auto series = bench::take_pairs(
      subject.side(), reference.server->side(),
      {.pairs = chosen.pairs, .length = std::chrono::milliseconds(chosen.window_ms), .retake_max = chosen.retake});
  const counts_per_message ours = subject_counts.read();
  const counts_per_message theirs = reference_counts.read();

  const bench::finding common = {.bench = who.bench,
                                 .name = std::format("{}x{}{}", load.connections, size_words(load.bytes),
                                                     load.depth > 1 ? std::format("x{}", load.depth) : ""),
                                 .metric = {},
                                 .unit = {},
                                 .reference_name = reference.name,
                                 .ratio = {},
                                 .target = {}};
  const auto timed = [&](const char* metric, const char* unit, const bench::comparison& figure, bench::target wanted) {
    bench::finding result = common;
    result.metric = metric;
    result.unit = unit;
    result.ours = figure.subject;
    result.reference = figure.reference;
    result.ratio = figure.ratio;
    result.target = wanted;
    out.add(result);
  };
  const auto counted = [&](const char* metric, const char* unit, double mine, double other, bench::target wanted) {
    bench::finding result = common;
    result.metric = metric;
    result.unit = unit;
    result.ours = mine;
    result.reference = other;
    result.ratio = exact_ratio(mine, other);
    result.target = wanted;
    out.add(result);
  };
  timed("messages_per_second", "messages/s", bench::compare(series, messages_per_second),
        {bench::bound::ratio_at_least, messages_ratio_min});
  timed("cpu_per_message", "ns/message", bench::compare(series, cpu_per_message),
        {bench::bound::ratio_at_most, who.cpu_ratio_max});
  counted("allocations_per_message", "allocations/message", ours.allocations, theirs.allocations,
          {bench::bound::ours_at_most, 0});
  counted("enters_per_message", "enters/message", ours.enters, theirs.enters,
          who.enters_max ? bench::target{bench::bound::ours_at_most, *who.enters_max} : bench::target{});
  if (series.taken > series.pairs.size()) {
    std::println("     {} pairs taken, {} kept: others held a core for {:.1f} % of the time in those", series.taken,
                 series.pairs.size(), series.disturbance * 100);
  }
}

int run(const options& chosen) {
  bench::raise_descriptor_limit();
  const bool first = !chosen.queue_with_others && bench::run_first();
  const std::optional<bench::awake_cores> awake = chosen.let_halt ? std::nullopt : bench::keep_cores_awake();
  bench::pin_to(chosen.client_core);
  bench::report out(chosen.json);
  std::println("subject {}, reference {}; {} pairs of {} ms; server on core {}, client on core {}{}{}", chosen.subject,
               chosen.reference == best ? "the better of raw-ss and raw-ms" : chosen.reference, chosen.pairs,
               chosen.window_ms, chosen.server_core, chosen.client_core, first ? ", before other processes" : "",
               awake ? ", idle cores poll" : "");
  for (const std::size_t bytes : chosen.bytes) {
    for (const std::size_t connections : chosen.connections) {
      const bench::load_options load{
          .connections = connections, .bytes = bytes, .depth = chosen.depth, .spins = chosen.client_spins};
      const bool batches = connections >= connections_for_batches;
      run_case(chosen,
               {"echo", chosen.subject, chosen.reference, cpu_ratio_max, batches ? std::optional(enters_max) : std::nullopt},
               load, out);
      if (connections != 1 || chosen.depth != 1 || chosen.subject != "tide" || chosen.reference != best) continue;
      run_case(chosen, {"exchange", "tide-exchange", "raw-fused", exchange_cpu_ratio_max, exchange_enters_max}, load, out);
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  options chosen;
  if (std::thread::hardware_concurrency() < 2) chosen.client_core = 0;
  bool list = false;
  CLI::App app("TCP echo on loopback, by paired windows");
  app.add_option("--connections", chosen.connections, "numbers of connections")->delimiter(',')->check(CLI::Range(1, 4000));
  app.add_option("--bytes", chosen.bytes, "sizes of a message")->delimiter(',')->check(CLI::Range(1, 1 << 20));
  app.add_option("--depth", chosen.depth, "messages under way a connection")->check(CLI::Range(1, 16));
  app.add_option("--pairs", chosen.pairs, "pairs of windows a case")->check(CLI::Range(1, 1000));
  app.add_option("--window-ms", chosen.window_ms, "length of a window")->check(CLI::Range(10, 10'000));
  app.add_option("--retake", chosen.retake, "how many more pairs to take to replace disturbed ones, as a share of --pairs")
      ->check(CLI::Range(0, 100));
  app.add_option("--subject", chosen.subject, "the server that is judged (see --list)");
  app.add_option("--reference", chosen.reference, "the server it is judged by, or best: the better raw loop of each case");
  app.add_option("--server-core", chosen.server_core, "core of the servers");
  app.add_option("--client-core", chosen.client_core, "core of the load");
  app.add_flag("--queue-with-others", chosen.queue_with_others, "do not run before other processes on the two cores");
  app.add_flag("--client-spins", chosen.client_spins, "the client polls instead of sleeping");
  app.add_flag("--let-halt", chosen.let_halt, "let idle cores halt, even where waking them goes through a hypervisor");
  app.add_option("--json", chosen.json, "append one JSON object a finding to this file");
  app.add_flag("--list", list, "name the servers that were built");
  CLI11_PARSE(app, argc, argv);
  try {
    if (list) {
      for (const std::string& name : servers()) std::println("{}", name);
      return 0;
    }
    for (const std::string& name : {chosen.subject, chosen.reference}) {
      if (name != best && !std::ranges::contains(servers(), name)) {
        std::println(stderr, "no server named {} was built; --list names those there are", name);
        return 2;
      }
    }
    return run(chosen);
  } catch (const std::exception& error) {
    std::println(stderr, "{}", error.what());
    return 1;
  }
}
