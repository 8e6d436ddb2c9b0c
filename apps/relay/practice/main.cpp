// tide-practice: a practice network as a program of its own.
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <print>
#include <string>
#include <tuple>

#include <CLI/CLI.hpp>
#include <apps/relay/practice/network.hpp>
#include <nlohmann/json.hpp>
#include <tide/runtime/run.hpp>
#include <tide/runtime/signal.hpp>
#include <tide/runtime/time.hpp>

namespace {

namespace practice = tide::relay::practice;

struct settings {
  practice::network_options network;
  std::filesystem::path frames = practice::default_frames();
  bool once = false;
  double seconds = 0;
};

void describe(CLI::App& app, settings& wanted) {
  app.description(
      "AT Protocol hosts for practice: each replays really signed frames over WebSocket, at\n"
      "/xrpc/com.atproto.sync.subscribeRepos, from any cursor and with sequence numbers that go on.\n"
      "Prints one line of JSON with the URLs of the hosts when they listen, and one with counters at the end.");
  app.footer("SIGTERM or SIGINT ends it with exit code 0.");
  app.add_option("--hosts", wanted.network.hosts,
                 "number of hosts; more than the recording has share its recordings in turn")
      ->check(CLI::Range(1u, 60'000u))
      ->capture_default_str();
  app.add_option("--rate", wanted.network.rate, "events a second of all hosts together; 0: as fast as they are read")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_flag("--once", wanted.once, "play the recording once, then keep the connections open and quiet");
  app.add_option("--address", wanted.network.address, "listen here")
      ->check(CLI::ValidIPV4 | CLI::IsMember({"::1", "::"}))
      ->capture_default_str();
  app.add_option("--port-base", wanted.network.first_port, "port of the first host, the others follow; 0: free ports")
      ->capture_default_str();
  app.add_option("--frames", wanted.frames, "the recording")->check(CLI::ExistingFile)->capture_default_str();
  app.add_option("--seconds", wanted.seconds, "end after so long; 0: not before a signal")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
}

tide::task<int> run(const settings& wanted, tide::signal_set& stop, practice::network_counters& count, tide::scope& inside) {
  auto network = practice::network::bind(wanted.network);
  if (!network) {
    std::println(stderr, "tide-practice: cannot listen: {}", network.error().message());
    co_return 1;
  }
  std::println("{}", nlohmann::json{{"urls", network->urls()}}.dump());
  std::fflush(stdout);
  inside.spawn(network->serve());
  if (wanted.seconds > 0) {
    const auto time = std::chrono::duration_cast<tide::clock::duration>(std::chrono::duration<double>(wanted.seconds));
    std::ignore = co_await tide::timeout(time, stop.next());
  } else {
    std::ignore = co_await stop.next();
  }
  inside.cancel();
  co_await inside.join();
  count = network->count();
  co_return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("", "tide-practice");
  settings wanted;
  describe(app, wanted);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }

  auto frames = practice::frame_file::load(wanted.frames);
  if (!frames) {
    std::println(stderr, "tide-practice: {}: {}", wanted.frames.string(), frames.error().message());
    return 1;
  }
  wanted.network.frames = &*frames;
  wanted.network.repeat = !wanted.once;
  auto stop = tide::signal_set::create({SIGTERM, SIGINT});
  if (!stop) {
    std::println(stderr, "tide-practice: {}", stop.error().message());
    return 1;
  }
  practice::network_counters count;
  const int code = tide::run([&](tide::scope& inside) { return run(wanted, *stop, count, inside); });
  if (code == 0)
    std::println(
        "{}", nlohmann::json{{"connections", count.connections}, {"events", count.events}, {"bytes", count.bytes}}.dump());
  return code;
}
