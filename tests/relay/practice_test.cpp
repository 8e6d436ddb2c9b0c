// The practice network: what its consumers get, from every cursor, at every pace.
#include <gtest/gtest.h>

#include <apps/relay/practice/network.hpp>
#include <apps/relay/practice/pace.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <tide/http/client.hpp>
#include <tide/runtime/executor.hpp>
#include <tide/runtime/scope.hpp>
#include <tide/runtime/time.hpp>
#include "wire_fixture.hpp"

namespace {

using namespace std::chrono_literals;
using tide::relay::practice::frame_file;
using tide::relay::practice::network;
using tide::relay::practice::network_options;
using tide::relay::practice::network_thread;
using tide::relay::practice::pace;
using tide::relay::practice::practice_errc;
namespace wire = tide::relay::wire;

constexpr std::string_view subscribe = "/xrpc/com.atproto.sync.subscribeRepos";

const frame_file& recording() {
  static const frame_file file = frame_file::load(tide::relay::practice::default_frames()).value();
  return file;
}

void put(std::string& out, std::uint64_t number, int size) {
  for (int i = 0; i < size; ++i) out.push_back(static_cast<char>(number >> (8 * i)));
}
std::string record(unsigned host, std::string_view frame) {
  std::string out;
  put(out, host, 2);
  put(out, frame.size(), 4);
  return out.append(frame);
}
/// An #identity frame with this (one-byte) seq.
std::string identity(unsigned seq) {
  using wire_fixture::hex;
  using wire_fixture::text;
  return hex("a2") + text("t") + text("#identity") + hex("62 6f 70 01") + hex("a3") + text("did") + text("did:web:a.test") +
         text("seq") + static_cast<char>(seq) + text("time") + text("2026-01-01T00:00:00Z");
}
tide::result<frame_file> parsed(std::string_view contents) {
  const auto bytes = tide::bytes_of(contents);
  return frame_file::parse({bytes.begin(), bytes.end()});
}
/// One host with three frames.
const frame_file& small() {
  static const frame_file file = parsed(record(0, identity(1)) + record(0, identity(2)) + record(0, identity(3))).value();
  return file;
}

std::string expected(const wire::frame& frame, std::int64_t seq) {
  std::vector<std::byte> bytes(wire::rewritten_size(frame, seq));
  EXPECT_TRUE(wire::rewrite_seq(frame, seq, bytes));
  return std::string(tide::text_of(bytes));
}

/// Runs `body` on an executor; what it leaves running is cancelled.
template <class F>
void run(F body) {
  auto home = tide::executor::create({}).value();
  home->run(std::move(body));
}

tide::task<tide::http::websocket> open(std::string url) {
  auto made = co_await tide::http::connect_websocket(url);
  EXPECT_TRUE(made) << url << ": " << made.error().message();
  co_return std::move(made.value().socket);
}
tide::task<std::string> next(tide::http::websocket& from) {
  auto message = co_await from.receive();
  EXPECT_TRUE(message) << message.error().message();
  co_return message ? std::string(tide::text_of(message->data)) : std::string();
}

/// Receives `count` events of a recording in order, the first with seq `first`.
tide::task<> expect_events(std::string url, std::span<const wire::frame> frames, std::int64_t first, std::int64_t count) {
  auto socket = co_await open(url);
  for (std::int64_t seq = first; seq < first + count; ++seq) {
    const std::string got = co_await next(socket);
    if (got != expected(frames[static_cast<std::size_t>(seq - 1) % frames.size()], seq)) {
      ADD_FAILURE() << url << ": not the event with seq " << seq;
      co_return;
    }
  }
}

tide::task<> expect_whole_recording(const network& hosts, const frame_file& file) {
  co_await tide::with_scope([&](tide::scope& consumers) -> tide::task<> {
    for (std::size_t i = 0; i < hosts.urls().size(); ++i) {
      const auto frames = file.frames(i % file.hosts());
      consumers.spawn(
          expect_events(hosts.urls()[i] + std::string(subscribe), frames, 1, static_cast<std::int64_t>(frames.size())));
    }
    co_await consumers.join();
  });
}

// ---- the recording ----------------------------------------------------------------------------------------------------

TEST(PracticeFrames, TheRecordingThatComesWithTheProgramIsReadWhole) {
  const auto frames = wire_fixture::recorded_frames();
  ASSERT_EQ(recording().hosts(), 8u);
  EXPECT_EQ(recording().total(), frames.size());
  std::vector<std::size_t> at(8);
  for (const auto& each : frames) EXPECT_EQ(tide::text_of(recording().frames(each.host)[at[each.host]++].bytes), each.bytes);
}

TEST(PracticeFrames, BadContentsAreRefused) {
  const std::string good = record(0, identity(1));
  EXPECT_EQ(parsed("").error(), practice_errc::no_frames);
  for (std::size_t size = 1; size < good.size(); ++size)
    EXPECT_EQ(parsed(good.substr(0, size)).error(), practice_errc::truncated_record);
  for (std::size_t size = 1; size < good.size(); ++size)
    EXPECT_EQ(parsed(good + good.substr(0, size)).error(), practice_errc::truncated_record);
  EXPECT_EQ(parsed(good + record(2, identity(1))).error(), practice_errc::missing_host);
  EXPECT_EQ(parsed(record(0, "")).error(), wire::wire_errc::truncated);
  EXPECT_EQ(parsed(good + record(0, identity(1) + "\x01")).error(), wire::wire_errc::trailing_bytes);
  EXPECT_EQ(parsed(record(0, identity(0))).error(), wire::wire_errc::bad_sequence);
  const auto info = wire::encode_info_frame("OutdatedCursor");
  EXPECT_EQ(parsed(record(0, tide::text_of(info))).error(), wire::wire_errc::no_sequence);
  EXPECT_EQ(parsed(good + record(0, identity(9))).value().total(), 2u);
}

TEST(PracticeFrames, FilesThatCannotBeReadAreErrors) {
  EXPECT_EQ(frame_file::load("/no/such/file").error(), std::errc::no_such_file_or_directory);
  EXPECT_FALSE(frame_file::load("/"));
}

// ---- pace -------------------------------------------------------------------------------------------------------------

/// Plays a consumer that looks when it is told to, but `late` by so much; returns the events sent in `time`.
std::size_t events_in(double rate, tide::clock::duration time, tide::clock::duration late, std::size_t& largest) {
  const tide::clock::time_point start{1'000s};
  pace rhythm(rate, start);
  std::size_t count = 0;
  for (auto now = rhythm.next() + late; now <= start + time; now = rhythm.next() + late) {
    const std::size_t due = rhythm.due(now);
    EXPECT_GE(due, 1u);
    largest = std::max(largest, due);
    count += due;
    rhythm.sent(due, now);
  }
  return count;
}

TEST(Pace, KeepsTheRateWithoutDrift) {
  for (const double rate : {0.5, 3.0, 99.0, 250.0, 2000.0, 1e6}) {
    for (const auto late : {0us, 60us, 2000us}) {
      std::size_t largest = 0;
      const auto count = events_in(rate, 100s, late, largest);
      EXPECT_LE(static_cast<double>(count), rate * 100 + 1e-6) << rate;
      EXPECT_GE(static_cast<double>(count), rate * 100 - std::max(1.0, rate / 100) - 1) << rate << " late " << late;
      EXPECT_LE(static_cast<double>(largest), std::max(1.0, rate / 100)) << rate;
    }
  }
}

TEST(Pace, ALongDelayIsCaughtUpWithInSmallSteps) {
  const tide::clock::time_point start{1'000s};
  pace rhythm(1000, start);
  auto now = start + 1s;
  std::size_t count = 0;
  for (int wakes = 0; wakes < 200; ++wakes) {
    EXPECT_LE(rhythm.due(now), 10u);
    count += rhythm.due(now);
    rhythm.sent(rhythm.due(now), now);
    EXPECT_EQ(rhythm.due(now), 0u);
    now = rhythm.next();
  }
  EXPECT_GE(now, start + 1995ms);  // twice the rate, no more
  EXPECT_GE(count, 1990u);         // caught up by now, but for what is due in the last step
  EXPECT_LE(count, 2000u);
}

// ---- the network ------------------------------------------------------------------------------------------------------

TEST(PracticeNetwork, EveryFrameOfEveryHostArrivesInOrder) {
  run([](tide::scope& scope) -> tide::task<> {
    auto hosts = network::bind({.frames = &recording(), .hosts = 8, .repeat = false}).value();
    scope.spawn(hosts.serve());
    co_await expect_whole_recording(hosts, recording());
    EXPECT_EQ(hosts.count().connections, 8u);
    EXPECT_EQ(hosts.count().events, recording().total());
    std::uint64_t bytes = 0;
    for (std::size_t host = 0; host < 8; ++host) {
      for (const auto& frame : recording().frames(host)) bytes += frame.bytes.size();
    }
    EXPECT_EQ(hosts.count().bytes, bytes);  // the recording's own seq begins at 1 as well
    scope.cancel();
    co_await scope.join();
  });
}

TEST(PracticeNetwork, MoreHostsThanRecordingsShareThem) {
  run([](tide::scope& scope) -> tide::task<> {
    auto hosts = network::bind({.frames = &recording(), .hosts = 19, .repeat = false}).value();
    scope.spawn(hosts.serve());
    EXPECT_EQ(hosts.urls().size(), 19u);
    co_await expect_whole_recording(hosts, recording());
    scope.cancel();
    co_await scope.join();
  });
}

TEST(PracticeNetwork, ACursorResumesAfterItself) {
  run([](tide::scope& scope) -> tide::task<> {
    auto hosts = network::bind({.frames = &small(), .hosts = 1}).value();
    scope.spawn(hosts.serve());
    const std::string url = hosts.urls()[0] + std::string(subscribe);
    for (std::int64_t cursor = 0; cursor < 10; ++cursor)
      co_await expect_events(url + "?cursor=" + std::to_string(cursor), small().frames(0), cursor + 1, 7);
    co_await expect_events(url + "?cursor=", small().frames(0), 1, 4);
    co_await expect_events(url + "?cursor=-5", small().frames(0), 1, 4);
    co_await expect_events(url + "?cursor=9007199254740980", small().frames(0), 9007199254740981, 11);
    scope.cancel();
    co_await scope.join();
  });
}

TEST(PracticeNetwork, ARepeatedRecordingGoesOnWithTheSequence) {
  run([](tide::scope& scope) -> tide::task<> {
    auto hosts = network::bind({.frames = &small(), .hosts = 2}).value();
    scope.spawn(hosts.serve());
    co_await expect_events(hosts.urls()[1] + std::string(subscribe), small().frames(0), 1, 20'000);
    scope.cancel();
    co_await scope.join();
  });
}

TEST(PracticeNetwork, ARateKeepsTheOrder) {
  run([](tide::scope& scope) -> tide::task<> {
    auto hosts = network::bind({.frames = &recording(), .hosts = 4, .rate = 8000}).value();
    scope.spawn(hosts.serve());
    co_await tide::with_scope([&](tide::scope& consumers) -> tide::task<> {
      for (std::size_t i = 0; i < 4; ++i)
        consumers.spawn(
            expect_events(hosts.urls()[i] + std::string(subscribe) + "?cursor=3", recording().frames(i), 4, 250));
      co_await consumers.join();
    });
    scope.cancel();
    co_await scope.join();
  });
}

TEST(PracticeNetwork, AfterTheLastFrameTheConnectionStaysOpen) {
  run([](tide::scope& scope) -> tide::task<> {
    auto hosts = network::bind({.frames = &small(), .hosts = 1, .repeat = false}).value();
    scope.spawn(hosts.serve());
    auto socket = co_await open(hosts.urls()[0] + std::string(subscribe) + "?cursor=2");
    EXPECT_EQ(co_await next(socket), expected(small().frames(0)[2], 3));
    EXPECT_TRUE(co_await socket.ping());  // answered, so that the connection is there and nothing else has come
    auto nothing = co_await tide::timeout(20ms, socket.receive());
    EXPECT_EQ(nothing.error(), tide::errc::timed_out);
    co_await socket.close(tide::http::ws::close_code::normal);
    EXPECT_EQ(socket.close_info().code, tide::http::ws::close_code::normal);
    scope.cancel();
    co_await scope.join();
  });
}

TEST(PracticeNetwork, ACursorBeyondTheEndIsAFutureCursor) {
  run([](tide::scope& scope) -> tide::task<> {
    auto hosts = network::bind({.frames = &small(), .hosts = 1, .repeat = false}).value();
    scope.spawn(hosts.serve());
    auto socket = co_await open(hosts.urls()[0] + std::string(subscribe) + "?cursor=4");
    const std::string bytes = co_await next(socket);
    const auto frame = wire::decode_frame(tide::bytes_of(bytes));
    EXPECT_EQ(frame.value().error, "FutureCursor");
    EXPECT_FALSE(co_await socket.receive());
    EXPECT_EQ(socket.close_info().code, tide::http::ws::close_code::policy_violation);
    scope.cancel();
    co_await scope.join();
  });
}

TEST(PracticeNetwork, PlainRequestsAreAnswered) {
  run([](tide::scope& scope) -> tide::task<> {
    auto hosts = network::bind({.frames = &small(), .hosts = 1}).value();
    scope.spawn(hosts.serve());
    const std::string at = "http" + hosts.urls()[0].substr(2);
    const auto described = co_await tide::http::fetch(at + "/xrpc/com.atproto.server.describeServer");
    EXPECT_EQ(described.value().status, 200);
    EXPECT_TRUE(described->body.contains("\"did\":\"did:web:localhost\"")) << described->body;
    EXPECT_EQ((co_await tide::http::fetch(at + "/_health")).value().status, 200);
    EXPECT_EQ((co_await tide::http::fetch(at + "/other")).value().status, 404);
    EXPECT_EQ((co_await tide::http::fetch(at + std::string(subscribe))).value().status, 426);
    for (const std::string_view bad : {"abc", "1x", "%201", "99999999999999999999"}) {
      const auto refused = co_await tide::http::fetch(at + std::string(subscribe) + "?cursor=" + std::string(bad));
      EXPECT_EQ(refused.value().status, 400) << bad;
    }
    scope.cancel();
    co_await scope.join();
  });
}

TEST(PracticeNetwork, OptionsThatCannotBeAreRefused) {
  run([](tide::scope&) -> tide::task<> {
    EXPECT_EQ(network::bind({}).error(), std::errc::invalid_argument);
    EXPECT_EQ(network::bind({.frames = &small(), .hosts = 0}).error(), std::errc::invalid_argument);
    EXPECT_EQ(network::bind({.frames = &small(), .rate = -1}).error(), std::errc::invalid_argument);
    EXPECT_EQ(network::bind({.frames = &small(), .hosts = 2, .first_port = 65'535}).error(), std::errc::invalid_argument);
    EXPECT_EQ(network::bind({.frames = &small(), .address = "nowhere"}).error(), tide::errc::malformed);
    co_return;
  });
}

// ---- on a thread of its own -------------------------------------------------------------------------------------------

TEST(PracticeThread, ServesOtherThreadsAndEndsWithConnectionsOpen) {
  std::optional<network_thread> hosts = network_thread::start({.frames = &recording(), .hosts = 3}).value();
  ASSERT_EQ(hosts->urls().size(), 3u);
  run([&](tide::scope& scope) -> tide::task<> {
    for (std::size_t i = 0; i < 3; ++i)
      scope.spawn(expect_events(hosts->urls()[i] + std::string(subscribe), recording().frames(i), 1, 200));
    co_await scope.join();
    while (hosts->count().events < 600) co_await tide::yield();  // a batch counts once its write has ended, over there
    EXPECT_EQ(hosts->count().connections, 3u);
    auto socket = co_await open(hosts->urls()[0] + std::string(subscribe));
    hosts.reset();
    while (co_await socket.receive()) {
    }
  });
}

TEST(PracticeThread, EndsAtOnceAndSaysWhyItCannotStart) {
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(network_thread::start({.frames = &small(), .hosts = 1}));
  EXPECT_EQ(network_thread::start({.frames = &small(), .hosts = 0}).error(), std::errc::invalid_argument);
}

}  // namespace
