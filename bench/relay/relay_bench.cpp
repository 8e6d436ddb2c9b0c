// Pass-through of the relay: practice hosts in one process, the relay in another, one consumer here; as fast as they go.
//
//   tide-bench-relay [--hosts 16] [--windows 15] [--window-ms 250] [--json FILE]
//
// Each window gives events per second given to the consumer and CPU of the relay's process per event; medians with their
// intervals. On few cores the three processes share them: the first figure is the machine's, the second is the relay's.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <format>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "harness/report.hpp"
#include "harness/statistics.hpp"
#include "relay/process.hpp"

#include <tide/http/client.hpp>
#include <tide/runtime/run.hpp>
#include <tide/runtime/time.hpp>

namespace {

using namespace std::chrono_literals;

struct wanted {
  unsigned hosts = 16;
  unsigned windows = 15;
  unsigned window_ms = 250;
  std::string json;
};

struct measured {
  std::vector<double> events_per_second;
  std::vector<double> cpu_per_event;
  std::vector<double> bytes_per_event;
};

std::string beside(const std::string& name) {
  return std::filesystem::canonical("/proc/self/exe").replace_filename(name).string();
}

/// A directory that is removed again.
class scratch {
 public:
  scratch() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tide-bench-relay-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::system_error(errno, std::system_category(), pattern);
    path_ = pattern;
  }
  ~scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

/// Takes bytes off the stream as fast as they come and looks at none: what a consumer does with them is not the relay's.
tide::task<> swallow(tide::http::websocket& socket, double& bytes) {
  while (true) {
    auto next = co_await socket.stream().receive();
    if (!next || next->empty()) co_return;
    bytes += static_cast<double>(next->size());
  }
}

/// The relay's own count of what it has sent to consumers.
tide::task<double> events_sent(std::string address) {
  auto page = co_await tide::http::fetch(std::format("http://{}/metrics", address));
  if (!page) throw std::system_error(page.error(), "metrics");
  const std::string name = "\nrelay_events_sent_total ";
  co_return std::stod(page->body.substr(page->body.find(name) + name.size()));
}

tide::task<int> consume(std::string address, bench::process& relay, wanted run, measured& found) {
  auto opened = co_await tide::http::connect_websocket(std::format("ws://{}/xrpc/com.atproto.sync.subscribeRepos", address));
  if (!opened) throw std::system_error(opened.error(), address);
  double bytes = 0;
  co_return co_await tide::with_scope([&](tide::scope& scope) -> tide::task<int> {
    scope.spawn(swallow, std::ref(opened->socket), std::ref(bytes));
    // The first window warms up and does not count.
    for (unsigned window = 0; window <= run.windows; ++window) {
      const double events_before = co_await events_sent(address);
      const double bytes_before = bytes;
      const double cpu_before = relay.cpu_ns();
      const auto began = tide::clock::now();
      (void)co_await tide::sleep(std::chrono::milliseconds(run.window_ms));
      const double passed = std::chrono::duration<double>(tide::clock::now() - began).count();
      const double cpu = relay.cpu_ns() - cpu_before;
      const double events = co_await events_sent(address) - events_before;
      if (scope.size() == 0) throw std::runtime_error("the relay has cut the consumer off");
      if (window == 0 || events == 0) continue;
      found.events_per_second.push_back(events / passed);
      found.cpu_per_event.push_back(cpu / events);
      found.bytes_per_event.push_back((bytes - bytes_before) / events);
    }
    co_return 0;
  });
}

int measure(const wanted& run) {
  const scratch data;
  bench::process practice({beside("tide-practice"), "--hosts", std::to_string(run.hosts), "--rate", "0"},
                          bench::process::output::standard_output);
  const auto hosts = nlohmann::json::parse(practice.line());
  std::vector<std::string> command{beside("tide-relay"), "--listen", "127.0.0.1:0", "--data", data.path().string(), "--dev"};
  for (const auto& url : hosts.at("urls")) {
    command.emplace_back("--host");
    command.push_back(url.get<std::string>());
  }
  bench::process relay(command, bench::process::output::standard_error);
  std::string line = relay.line();
  while (line.find(" serving ") == std::string::npos) line = relay.line();
  const std::size_t at = line.find("address=") + 8;
  const std::string address = line.substr(at, line.find(' ', at) - at);

  measured found;
  const int code = tide::run([&](tide::scope&) { return consume(address, relay, run, found); });
  if (code != 0) return code;
  bench::report report(run.json);
  const std::string name = std::format("{}hosts", run.hosts);
  const auto tell = [&](const char* metric, const char* unit, std::vector<double> sample) {
    const auto middle = bench::median_with_interval(std::move(sample));
    report.add({.bench = "relay",
                .name = name,
                .metric = metric,
                .unit = unit,
                .ours = middle.median,
                .reference = 0,
                .reference_name = "",
                .ratio = std::nullopt,
                .target = {}});
  };
  tell("events_per_second", "1/s", found.events_per_second);
  tell("cpu_per_event", "ns", found.cpu_per_event);
  tell("bytes_per_event", "B", found.bytes_per_event);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  wanted run;
  CLI::App app("Events per second through the relay, and its CPU per event", "tide-bench-relay");
  app.add_option("--hosts", run.hosts, "practice hosts")->check(CLI::Range(1, 1024))->capture_default_str();
  app.add_option("--windows", run.windows, "windows that count")->check(CLI::Range(1, 10000))->capture_default_str();
  app.add_option("--window-ms", run.window_ms, "length of one")->check(CLI::Range(1, 100000))->capture_default_str();
  app.add_option("--json", run.json, "file to append one JSON object a line to");
  CLI11_PARSE(app, argc, argv);
  try {
    return measure(run);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tide-bench-relay: %s\n", error.what());
    return 1;
  }
}
