// tide-relay: the program. Parses, opens, runs, stops.
#include <signal.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <apps/relay/log_sink.hpp>
#include <apps/relay/options.hpp>
#include <apps/relay/practice/network.hpp>
#include <apps/relay/relay.hpp>
#include <apps/relay/status.hpp>
#include <tide/runtime/run.hpp>
#include <tide/runtime/signal.hpp>
#include <tide/runtime/time.hpp>

namespace {

using namespace tide;

/// Ends with the first of: a signal, the time that was asked for.
task<> until_told(signal_set& signals, std::optional<std::chrono::seconds> time) {
  const auto deadline = time ? clock::now() + *time : clock::time_point::max();
  auto told = co_await with_deadline(deadline, signals.next());
  if (told) log::info("stopping", {{"signal", *told}});
}

task<int> serve(const relay::settings& wanted, const std::vector<std::string>& hosts, signal_set& signals) {
  auto opened = relay::relay::open(wanted, hosts);
  if (!opened) {
    std::fprintf(stderr, "tide-relay: %s\n", opened.error().c_str());
    co_return 1;
  }
  relay::relay& relay = **opened;
  const auto& recovery = relay.recovery();
  const auto now = relay.now();
  log::info("serving", {{"address", relay.address().to_string()},
                        {"sequence", now.sequence},
                        {"recovered", recovery.events},
                        {"damaged", recovery.damaged},
                        {"hosts", now.hosts}});
  relay::status_line line(relay);
  if (wanted.status) line.hint();
  co_await with_scope([&](scope& inside) -> task<> {
    if (wanted.status) inside.spawn(&relay::status_line::run, &line);
    co_await relay.run(until_told(signals, wanted.seconds));
  });
  if (wanted.status) line.summary();
  log::info("stopped", {{"sequence", relay.now().sequence}});
  co_return 0;
}

struct practice_hosts {
  std::unique_ptr<relay::practice::frame_file> frames;  // the network reads from it
  relay::practice::network_thread network;
};

/// Says what is wrong itself.
std::optional<practice_hosts> start_practice(const relay::settings& wanted) {
  const auto complain = [](const std::string& what, const std::error_code& why) {
    std::fprintf(stderr, "tide-relay: %s: %s\n", what.c_str(), why.message().c_str());
    return std::nullopt;
  };
  auto frames = relay::practice::frame_file::load(wanted.practice_frames);
  if (!frames) return complain("practice frames " + wanted.practice_frames.string(), frames.error());
  auto kept = std::make_unique<relay::practice::frame_file>(std::move(*frames));
  relay::practice::network_options options{.frames = kept.get(),
                                           .hosts = wanted.practice_hosts,
                                           .rate = wanted.practice_rate,
                                           .first_port = wanted.practice_port};
  auto network = relay::practice::network_thread::start(options);
  if (!network && network.error() == std::errc::address_in_use) {
    // The same ports each time let a second run go on with the hosts of the first; others will do, as new hosts.
    log::warning("practice ports are in use, taking others", {{"first", wanted.practice_port}});
    options.first_port = 0;
    network = relay::practice::network_thread::start(options);
  }
  if (!network) return complain("practice hosts", network.error());
  return practice_hosts{std::move(kept), std::move(*network)};
}

}  // namespace

int main(int argc, char** argv) {
  auto parsed = tide::relay::parse_options(argc, argv);
  if (!parsed.chosen) return parsed.exit_code;
  tide::relay::settings& wanted = *parsed.chosen;
  // Before any other thread begins: they inherit the mask, so the signals reach the ring and nobody else.
  auto signals = tide::signal_set::create({SIGTERM, SIGINT});
  if (!signals) {
    std::fprintf(stderr, "tide-relay: signals: %s\n", signals.error().message().c_str());
    return 1;
  }
  tide::log::set_level(wanted.log_level);
  const tide::relay::log_sink sink;
  std::vector<std::string> hosts = wanted.hosts;
  std::optional<practice_hosts> practice;
  if (wanted.practice) {
    auto started = start_practice(wanted);
    if (!started) return 1;
    practice = std::move(*started);
    hosts.insert(hosts.end(), practice->network.urls().begin(), practice->network.urls().end());
  }
  return tide::run([&](tide::scope&) { return serve(wanted, hosts, *signals); });
}
