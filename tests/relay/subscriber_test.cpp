// Following one host: what it may send, what it may answer, and what is left when it goes away at a bad moment.
#include <apps/relay/subscriber.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <tests/support/run.hpp>
#include <tide/base/log.hpp>

#include "log_support.hpp"
#include "peers.hpp"

namespace {

using namespace std::chrono_literals;
using relay_test::event;
using relay_test::identity;
using relay_test::must;
using relay_test::raw_host;
using relay_test::scripted_host;
using relay_test::send;
using relay_test::until;
using relay_test::with_seq;
using tide::task;
using tide::http::websocket;
using tide::relay::event_log;
using tide::relay::host_table;
using tide::relay::subscriber;

/// A host that is followed into a log, with hardly a wait between two tries.
struct followed {
  relay_test::scratch directory;
  host_table hosts = host_table::open(directory / "hosts.pool").value();
  event_log log;
  subscriber one;

  explicit followed(const std::string& url, bool private_addresses = true, std::size_t segment_bytes = 1 << 20)
      : log(relay_test::open_log(
            {.path = directory / "events.pool", .segment_bytes = segment_bytes, .segments = 4, .spare_segments = 2})),
        one(*hosts.find_or_add(url).value(), log,
            {.private_addresses = private_addresses, .first_wait = 1ms, .longest_wait = 2ms}) {}

  task<> until_last(std::int64_t seq) {
    while (log.last_seq() < seq) must(co_await log.appended().wait(), "wait");
  }
  /// Everything in the log, each frame with the sequence number 1.
  std::vector<std::string> frames() {
    auto reader = log.read_from(log.oldest_seq());
    std::string bytes = relay_test::take_all(reader);
    auto codec = tide::http::ws::codec::client(tide::http::ws::random_masks(), {});
    std::vector<std::string> out;
    tide::bytes_view input = tide::bytes_of(bytes);
    while (auto next = codec.next(input)) out.push_back(with_seq(tide::text_of(next->data), 1));
    return out;
  }
};

/// Runs host and follower, then `body(followed&)`.
template <class Host, class Body>
void follow(Host& host, Body body) {
  support::run_here([&](tide::scope& scope) -> task<> {
    followed follower(host.url());
    co_await tide::with_scope([&](tide::scope& inside) -> task<> {
      inside.spawn(&Host::serve, &host);
      inside.spawn(&subscriber::run, &follower.one);
      co_await body(follower);
    });
    EXPECT_EQ(scope.size(), 0u);
  });
}

task<> stay(websocket& socket) {
  while (co_await socket.receive()) {
  }
}

TEST(Subscriber, AsksForWhatComesAfterItsCursor) {
  std::vector<std::int64_t> cursors;
  scripted_host host([&](websocket& ws, std::int64_t cursor, int) -> task<> {
    cursors.push_back(cursor);
    for (std::int64_t n = cursor + 1; n <= cursor + 3; ++n) (void)co_await send(ws, identity(n));
    co_await ws.close(1000);
  });
  follow(host, [&](followed& f) -> task<> {
    co_await f.until_last(9);
    EXPECT_EQ(f.one.cursor(), 9);
  });
  EXPECT_EQ(std::vector(cursors.begin(), cursors.begin() + 3), (std::vector<std::int64_t>{0, 3, 6}));
}

TEST(Subscriber, TakesGapsAndDropsWhatItHasOrWhatGoesBack) {
  scripted_host host([](websocket& ws, std::int64_t, int) -> task<> {
    for (const std::int64_t n : {5LL, 5LL, 3LL, 4LL, 100LL, 6LL, 99LL, 1LL << 40, 101LL, (1LL << 53) - 1})
      (void)co_await send(ws, identity(n));
    co_await stay(ws);
  });
  follow(host, [&](followed& f) -> task<> {
    co_await f.until_last(4);
    EXPECT_EQ(f.one.cursor(), (1LL << 53) - 1);
    EXPECT_EQ(f.one.count().duplicates, 6u);
    EXPECT_EQ(f.one.count().events, 4u);
    EXPECT_EQ(f.one.count().connections, 1u);
    EXPECT_EQ(f.log.last_seq(), 4);
  });
}

TEST(Subscriber, IgnoresWhatItDoesNotKnow) {
  scripted_host host([](websocket& ws, std::int64_t, int) -> task<> {
    (void)co_await send(ws, event("#future", 1, "did:plc:a", 3));
    (void)co_await send(ws, event("#handle", 2, "did:plc:a", 3));
    (void)co_await send(ws, relay_test::other_op());
    const auto info = tide::relay::wire::encode_info_frame("OutdatedCursor", "behind");
    (void)co_await ws.send(tide::http::ws::opcode::binary, info);
    (void)co_await ws.ping();
    (void)co_await send(ws, identity(3));
    co_await stay(ws);
  });
  follow(host, [&](followed& f) -> task<> {
    co_await f.until_last(1);
    EXPECT_EQ(f.one.count().ignored, 3u);
    EXPECT_EQ(f.one.count().malformed, 0u);
    EXPECT_EQ(f.one.count().connections, 1u);
    EXPECT_EQ(f.one.cursor(), 3);
  });
}

TEST(Subscriber, AMalformedFrameCostsTheConnectionAndNothingElse) {
  const std::string good = identity(1);
  std::vector<std::string> bad{
      "",
      "x",
      std::string(1000, '\xff'),
      good + good,
      good + "x",
      with_seq(good, 24).replace(with_seq(good, 24).find("cseq") + 4, 2, std::string("\x18\x17", 2))};
  for (std::size_t cut = 1; cut < good.size(); ++cut) bad.push_back(good.substr(0, cut));
  for (const std::string& seq :
       {std::string("\0", 1), std::string("\x20", 1), std::string("\x1b\0\x20\0\0\0\0\0\0", 9), std::string("\xf6", 1),
        std::string("\xfb\x3f\xf0\0\0\0\0\0\0", 9), std::string("\x61\x31", 2)}) {
    std::string frame = good;
    bad.push_back(frame.replace(frame.find("cseq") + 4, 1, seq));
  }
  std::vector<int> closes(bad.size());
  scripted_host host([&](websocket& ws, std::int64_t cursor, int connection) -> task<> {
    (void)co_await send(ws, identity(cursor + 1));
    const auto which = static_cast<std::size_t>(connection);
    if (which < bad.size()) {
      (void)co_await send(ws, bad[which]);
      (void)co_await send(ws, identity(cursor + 1000));  // behind the bad one: not taken
    }
    co_await stay(ws);
    if (which < bad.size()) closes[which] = ws.close_info().code;
  });
  follow(host, [&](followed& f) -> task<> {
    const auto all = static_cast<std::int64_t>(bad.size()) + 1;
    co_await f.until_last(all);
    co_await until([&] { return host.connections() == all; });
    EXPECT_EQ(f.one.count().malformed, bad.size());
    EXPECT_EQ(f.one.cursor(), all);
    EXPECT_EQ(f.log.last_seq(), all);
    EXPECT_EQ(f.one.now(), subscriber::state::connected);
  });
  for (std::size_t i = 0; i < bad.size(); ++i) EXPECT_EQ(closes[i], 1008) << i;
}

TEST(Subscriber, ATextFrameCostsTheConnection) {
  scripted_host host([&](websocket& ws, std::int64_t cursor, int connection) -> task<> {
    if (connection == 0) (void)co_await ws.send(tide::http::ws::opcode::text, tide::bytes_of("{}"));
    (void)co_await send(ws, identity(cursor + 1));
    co_await stay(ws);
    if (connection == 0) {
      EXPECT_EQ(ws.close_info().code, 1008);
    }
  });
  follow(host, [&](followed& f) -> task<> {
    co_await f.until_last(1);
    EXPECT_EQ(f.one.count().malformed, 1u);
    EXPECT_EQ(f.one.count().connections, 2u);
  });
}

TEST(Subscriber, AnErrorFrameEndsTheConnectionAndItComesBack) {
  scripted_host host([&](websocket& ws, std::int64_t cursor, int connection) -> task<> {
    if (connection < 3)
      (void)co_await ws.send(tide::http::ws::opcode::binary, tide::relay::wire::encode_error_frame("FutureCursor", "no"));
    if (connection == 3) (void)co_await send(ws, identity(cursor + 1));
    co_await stay(ws);
  });
  follow(host, [&](followed& f) -> task<> {
    co_await f.until_last(1);
    EXPECT_EQ(f.one.count().malformed, 0u);
    EXPECT_EQ(f.one.count().connections, 4u);
  });
}

TEST(Subscriber, DoesNotFollowARelay) {
  int told = 0;
  scripted_host host(
      [&](websocket& ws, std::int64_t, int) -> task<> {
        (void)co_await send(ws, identity(1));
        co_await stay(ws);
        told += ws.close_info().code == 1008 ? 1 : 0;
      },
      "another (atproto-relay)");
  follow(host, [&](followed& f) -> task<> {
    co_await until([&] { return told >= 3; });
    EXPECT_EQ(f.log.last_seq(), 0);
    EXPECT_EQ(f.one.cursor(), 0);
    EXPECT_EQ(f.one.count().connections, 0u);
  });
}

TEST(Subscriber, ConnectsToNoPrivateAddressUnlessTold) {
  scripted_host host([](websocket& ws, std::int64_t, int) -> task<> { co_await stay(ws); });
  class lines final : public tide::log::sink {
   public:
    void write(tide::log::level, std::string_view line) noexcept override {
      refused += line.find("host not reached") != line.npos ? 1 : 0;
    }
    int refused = 0;
  } seen;
  tide::log::sink* before = tide::log::set_sink(&seen);
  support::run_here([&](tide::scope&) -> task<> {
    followed follower(host.url(), false);
    co_await tide::with_scope([&](tide::scope& inside) -> task<> {
      inside.spawn(&scripted_host::serve, &host);
      inside.spawn(&subscriber::run, &follower.one);
      co_await until([&] { return seen.refused >= 3; });
    });
  });
  tide::log::set_sink(before);
  EXPECT_EQ(host.connections(), 0);
}

TEST(Subscriber, TakesTheLargestFrameAndRefusesALargerOne) {
  constexpr std::size_t most = tide::relay::wire::max_frame;
  const std::size_t around = identity(1, "did:plc:a", 100'000).size() - 100'000;
  scripted_host host([&](websocket& ws, std::int64_t cursor, int connection) -> task<> {
    if (connection == 0) (void)co_await send(ws, identity(1, "did:plc:a", most + 1 - around));
    if (connection == 1) (void)co_await send(ws, identity(cursor + 1, "did:plc:a", most - around));
    co_await stay(ws);
    EXPECT_TRUE(connection != 0 || ws.close_info().code == 1009);
  });
  support::run_here([&](tide::scope&) -> task<> {
    followed follower(host.url(), true, 8 << 20);
    co_await tide::with_scope([&](tide::scope& inside) -> task<> {
      inside.spawn(&scripted_host::serve, &host);
      inside.spawn(&subscriber::run, &follower.one);
      co_await follower.until_last(1);
    });
    EXPECT_EQ(follower.one.count().connections, 2u);
    EXPECT_GE(follower.log.bytes(), most);
  });
}

TEST(Subscriber, WaitsForRoomAndLosesNothing) {
  scripted_host host([](websocket& ws, std::int64_t cursor, int) -> task<> {
    for (std::int64_t n = cursor + 1; n <= 200; ++n) (void)co_await send(ws, identity(n, "did:plc:a", 1000));
    co_await stay(ws);
  });
  support::run_here([&](tide::scope&) -> task<> {
    followed follower(host.url(), true, 8192);
    std::vector<event_log::reader> held;
    co_await tide::with_scope([&](tide::scope& inside) -> task<> {
      inside.spawn(&scripted_host::serve, &host);
      follower.log.on_retire([&] { held.push_back(follower.log.read_from(follower.log.oldest_seq())); });
      inside.spawn(&subscriber::run, &follower.one);
      std::int64_t stuck = -1;
      while (stuck != follower.log.last_seq()) {  // all blocks are held: the host waits
        stuck = follower.log.last_seq();
        must(co_await tide::sleep(5ms), "sleep");
      }
      EXPECT_LT(stuck, 200);
      follower.log.on_retire(nullptr);
      held.clear();
      co_await follower.until_last(200);
      EXPECT_EQ(follower.one.cursor(), 200);
      EXPECT_EQ(follower.one.count().connections, 1u);
    });
  });
}

// ---- hosts that are nothing but bytes ---------------------------------------------------------------------------------

std::string on_the_wire(const std::string& frame) { return relay_test::on_the_wire(frame); }

task<> read_on(tide::net::tcp_stream& stream) {
  while (true) {
    auto more = co_await stream.receive();
    if (!more || more->empty()) co_return;
  }
}

TEST(SubscriberBytes, TakesAHandshakeThatIsSplitAnywhere) {
  std::size_t whole = 1;
  raw_host host([&](tide::net::tcp_stream& stream, const tide::http::request& request, int connection) -> task<> {
    const std::string bytes = raw_host::handshake(request) + on_the_wire(identity(relay_test::cursor_in(request) + 1));
    whole = bytes.size();
    const auto split = std::min(static_cast<std::size_t>(connection), bytes.size());
    (void)co_await stream.write_all(std::string_view(bytes).substr(0, split));
    (void)co_await tide::sleep(200us);  // so that the parts come one by one; nothing depends on it
    (void)co_await stream.write_all(std::string_view(bytes).substr(split));
  });
  follow(host, [&](followed& f) -> task<> {
    for (std::size_t i = 0; i < whole; ++i) {
      co_await f.until_last(static_cast<std::int64_t>(i) + 1);
      EXPECT_EQ(f.one.count().connections, i + 1);
    }
  });
  EXPECT_GT(whole, 150u);
}

TEST(SubscriberBytes, TakesAStreamByteByByte) {
  raw_host host([&](tide::net::tcp_stream& stream, const tide::http::request& request, int) -> task<> {
    std::string bytes = raw_host::handshake(request);
    for (int n = 1; n <= 3; ++n) bytes += on_the_wire(identity(n));
    for (const char& each : bytes) {
      (void)co_await stream.write_all(std::string_view(&each, 1));
      co_await tide::yield();
    }
    co_await read_on(stream);
  });
  follow(host, [&](followed& f) -> task<> {
    co_await f.until_last(3);
    EXPECT_EQ(f.one.count().connections, 1u);
    EXPECT_EQ(f.frames(), std::vector<std::string>(3, identity(1)));
  });
}

TEST(SubscriberBytes, AHostThatGoesInTheMiddleOfAFrameHasSentNothingOfIt) {
  const std::string first = on_the_wire(identity(1));
  raw_host host([&](tide::net::tcp_stream& stream, const tide::http::request& request, int connection) -> task<> {
    EXPECT_EQ(request.query("cursor"), "0");
    const auto part = std::min(static_cast<std::size_t>(connection), first.size());
    (void)co_await stream.write_all(raw_host::handshake(request) + first.substr(0, part));
  });
  follow(host, [&](followed& f) -> task<> {
    co_await f.until_last(1);
    EXPECT_GE(f.one.count().connections, first.size());
    EXPECT_EQ(f.one.count().malformed, 0u);
    EXPECT_EQ(f.log.last_seq(), 1);
  });
}

TEST(SubscriberBytes, TakesFragmentsWithPingsBetweenThem) {
  const std::string frame = identity(1);
  raw_host host([&](tide::net::tcp_stream& stream, const tide::http::request& request, int) -> task<> {
    std::string bytes = raw_host::handshake(request);
    bytes += "\x02" + std::string(1, '\x05') + frame.substr(0, 5);
    bytes += std::string("\x89\x02hi", 4);
    bytes += std::string("\x00\x00", 2);
    bytes += "\x80" + std::string(1, static_cast<char>(frame.size() - 5)) + frame.substr(5);
    (void)co_await stream.write_all(std::move(bytes));
    co_await read_on(stream);
  });
  follow(host, [&](followed& f) -> task<> {
    co_await f.until_last(1);
    EXPECT_EQ(f.frames(), std::vector<std::string>{frame});
  });
}

TEST(SubscriberBytes, TriesAgainAfterAnswersThatAreNoStream) {
  const std::vector<std::string> answers{
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
      "HTTP/1.1 200 OK\r\n\r\nto the end",
      "HTTP/1.1 301 Moved Permanently\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 304 Not Modified\r\n\r\n",
      "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 500 Internal Server Error\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
      "AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
      "HTTP/1.1 100 Continue\r\n\r\n",
      "",
      "SSH-2.0-OpenSSH_9.2\r\n",
      std::string(100'000, 'A'),
      "HTTP/1.1 200 OK\r\n" + std::string(100'000, 'A') + ": x\r\n\r\n"};
  raw_host host([&](tide::net::tcp_stream& stream, const tide::http::request& request, int connection) -> task<> {
    const auto which = static_cast<std::size_t>(connection);
    if (which < answers.size()) {
      (void)co_await stream.write_all(std::string_view(answers[which]));
      co_return;
    }
    (void)co_await stream.write_all(raw_host::handshake(request) + on_the_wire(identity(1)));
    co_await read_on(stream);
  });
  follow(host, [&](followed& f) -> task<> {
    co_await f.until_last(1);
    EXPECT_EQ(f.one.count().connections, 1u);
    EXPECT_EQ(host.connections(), static_cast<int>(answers.size()) + 1);
  });
}

TEST(SubscriberBytes, DropsAHostThatBreaksTheWebSocketProtocol) {
  const std::vector<std::string> broken{std::string("\x82\x81\0\0\0\0x", 7),
                                        "\xc2\x01x",
                                        "\x83\x01x",
                                        "\x8a\x7e" + std::string("\0\x7e", 2),
                                        std::string("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 10),
                                        std::string("\x80\x01x", 3),
                                        std::string("\x88\x02\x03\xed", 4),
                                        std::string("\x88\x01\x03", 3)};
  raw_host host([&](tide::net::tcp_stream& stream, const tide::http::request& request, int connection) -> task<> {
    const auto which = static_cast<std::size_t>(connection);
    (void)co_await stream.write_all(raw_host::handshake(request) +
                                    (which < broken.size() ? broken[which] : on_the_wire(identity(1))));
    co_await read_on(stream);
  });
  follow(host, [&](followed& f) -> task<> {
    co_await f.until_last(1);
    EXPECT_EQ(f.one.count().connections, broken.size() + 1);
  });
}

}  // namespace
