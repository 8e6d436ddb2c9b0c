#include <apps/relay/options.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <map>

#include <apps/relay/host_table.hpp>
#include <apps/relay/practice/network.hpp>
#include <apps/relay/wire/frame.hpp>
#include <tide/http/codec/url.hpp>

namespace tide::relay {
namespace {

/// Why the host cannot be followed, or nothing; brings it into the one form that the host table knows it by.
std::optional<std::string> check_host(std::string& host, bool dev) {
  auto url = http::parse_url(host);
  if (!url || (url->scheme != "ws" && url->scheme != "wss"))
    return host + ": not a URL of the form ws://HOST:PORT or wss://HOST";
  if (url->target != "/") return host + ": give the host alone, the path is known";
  if (url->secure()) return host + ": this build has no TLS yet; hosts on ws:// work with --dev";
  if (!dev) return host + ": without TLS only with --dev";
  host = url->scheme + "://" + url->host_field();
  if (host.size() > host_table::longest_url)
    return host + ": longer than " + std::to_string(host_table::longest_url) + " bytes";
  return std::nullopt;
}

}  // namespace

parsed_options parse_options(int argc, const char* const* argv) {
  settings chosen;
  std::string listen = "127.0.0.1:2470";
  std::size_t segment_kib = 8192;
  std::uint32_t segments = 32;
  std::int64_t seconds = 0;
  std::int64_t stall = 30;
  chosen.practice_rate = 200;
  chosen.practice_frames = practice::default_frames();

  CLI::App app(
      "AT Protocol relay: follows hosts, gives their events one sequence, serves them to any number of consumers.\n"
      "Its state survives kill -9.",
      "tide-relay");
  app.add_option("--listen", listen, "address and port to serve on; [::]:PORT for IPv6, port 0 picks one")
      ->capture_default_str();
  app.add_option("--data", chosen.data, "directory of the relay's state; made if it is not there")->required();
  app.add_option("--host", chosen.hosts, "host to follow, as ws://HOST:PORT; may be given again and again");
  app.add_flag("--dev", chosen.dev, "follow hosts without TLS and on loopback or private addresses");
  app.add_flag("--practice", chosen.practice,
               "start practice hosts in this process that replay really signed events, and follow them");
  app.add_option("--rate", chosen.practice_rate, "events a second over all practice hosts; 0: as fast as they go")
      ->check(CLI::Range(0.0, 1e7))
      ->capture_default_str();
  app.add_option("--practice-hosts", chosen.practice_hosts, "how many practice hosts")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_option("--practice-port", chosen.practice_port, "port of the first practice host; 0 or in use: others are taken")
      ->capture_default_str();
  app.add_option("--practice-frames", chosen.practice_frames, "the recording that they replay")->capture_default_str();
  app.add_option("--seconds", seconds, "stop after so many seconds; 0: run until SIGTERM or SIGINT")
      ->check(CLI::Range(0, 1 << 30));
  app.add_flag("--status", chosen.status, "show a live status line on the terminal");
  app.add_option("--segment-kib", segment_kib, "size of a segment of a new event log; a frame must fit")
      ->check(CLI::Range(16, 1 << 20))
      ->capture_default_str();
  app.add_option("--segments", segments,
                 "segments of a new event log: with their size, the window that consumers can go back")
      ->check(CLI::Range(2, 1 << 20))
      ->capture_default_str();
  app.add_option("--stall-seconds", stall, "cut a consumer off that takes nothing for so long")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app.add_option("--max-consumers", chosen.most_consumers, "consumers at once")->capture_default_str();
  const std::map<std::string, log::level> levels{{"debug", log::level::debug},
                                                 {"info", log::level::info},
                                                 {"warning", log::level::warning},
                                                 {"error", log::level::error},
                                                 {"off", log::level::off}};
  app.add_option("--log-level", chosen.log_level, "debug, info, warning, error or off")
      ->transform(CLI::CheckedTransformer(levels, CLI::ignore_case));
  app.footer(
      "Endpoints: GET /xrpc/com.atproto.sync.subscribeRepos?cursor=N (WebSocket), GET /_health, GET /metrics.\n"
      "Try: tide-relay --data /tmp/relay --practice --status");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return {std::nullopt, code == 0 ? 0 : 2};
  }

  const auto refuse = [](const std::string& why) {
    std::fprintf(stderr, "tide-relay: %s\n", why.c_str());
    return parsed_options{std::nullopt, 2};
  };
  const auto address = net::address::parse(listen);
  if (!address) return refuse("--listen " + listen + ": not of the form ADDRESS:PORT");
  chosen.listen = *address;
  for (std::string& host : chosen.hosts) {
    if (auto why = check_host(host, chosen.dev)) return refuse("--host " + *why);
  }
  std::ranges::sort(chosen.hosts);
  const auto repeated = std::ranges::unique(chosen.hosts);
  chosen.hosts.erase(repeated.begin(), repeated.end());
  if (chosen.hosts.empty() && !chosen.practice)
    return refuse("nothing to follow: give --host, or --practice to try it without a network");
  chosen.segment_bytes = segment_kib * 1024;
  chosen.segments = segments;
  chosen.stall = std::chrono::seconds(stall);
  if (seconds > 0) chosen.seconds = std::chrono::seconds(seconds);
  return {std::move(chosen), 0};
}

}  // namespace tide::relay
