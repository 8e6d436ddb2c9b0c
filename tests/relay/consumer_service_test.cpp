// Consumers that do not read or do not leave, over a log so small that each of them could hold it up.
#include <gtest/gtest.h>

#include <chrono>
#include <format>
#include <stdexcept>
#include <string>
#include <vector>

#include <apps/relay/consumer.hpp>
#include <tests/support/run.hpp>
#include <tide/http/codec/websocket.hpp>

#include "log_support.hpp"
#include "peers.hpp"

namespace {

using namespace std::chrono_literals;
using relay_test::consumer;
using relay_test::decoded;
using relay_test::must;
using relay_test::scratch;
using relay_test::until;
using tide::task;
using tide::relay::consumer_service;
using tide::relay::event_log;
namespace ws = tide::http::ws;

/// A consumer with hardly any room in its socket, which reads when it is told to.
class lazy_consumer {
 public:
  static task<lazy_consumer> open(tide::net::address relay, std::string cursor) {
    lazy_consumer made(must(co_await tide::net::tcp_stream::connect(relay, {.receive_buffer = 4096}), "connect"));
    const std::string request = std::format(
        "GET {}?cursor={} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        relay_test::stream_path, cursor);
    must(co_await made.stream_.write_all(std::string_view(request)), "ask");
    for (std::string head; !head.ends_with("\r\n\r\n");) {  // byte by byte: what follows stays in the socket
      std::byte one{};
      if (must(co_await made.stream_.read_some(std::span(&one, 1)), "read") == 0) throw std::runtime_error("refused");
      head += static_cast<char>(one);
    }
    co_return made;
  }

  struct outcome {
    std::vector<std::string> frames;  // in order, whole
    std::uint16_t close_code = 0;     // 0: no close frame
    bool broken = false;              // bytes that are no WebSocket frames
  };
  /// Everything that comes until the server ends the connection.
  task<outcome> read_all() {
    outcome all;
    auto codec = ws::codec::client();
    while (true) {
      auto chunk = co_await stream_.receive();
      if (!chunk || chunk->empty()) co_return all;
      tide::bytes_view input = chunk->bytes();
      while (auto event = codec.next(input)) {
        if (event->type == ws::event_type::message) all.frames.emplace_back(tide::text_of(event->data));
        if (event->type == ws::event_type::close) all.close_code = event->code;
        if (event->type == ws::event_type::error) all.broken = true;
      }
      if (codec.has_output()) (void)co_await stream_.write_all(codec.take_output());
    }
  }

 private:
  explicit lazy_consumer(tide::net::tcp_stream stream) : stream_(std::move(stream)) {}
  tide::net::tcp_stream stream_;
};

/// The service alone, so that its times can be short and its log filled at will.
struct service {
  scratch directory;
  event_log log;
  consumer_service consumers;
  tide::net::tcp_listener listener = relay_test::listen_on_loopback();
  tide::http::server server;
  std::int64_t last = 0;
  int waits = 0;  // how often the log had no room

  explicit service(const tide::relay::consumer_options& wanted)
      : log(relay_test::open_log(
            {.path = directory / "events.pool", .segment_bytes = 64 * 1024, .segments = 3, .spare_segments = 2})),
        consumers(log, wanted) {}
  task<> serve() {
    (void)co_await server.serve(listener, [this](tide::http::exchange& x) { return consumers.subscribe(x); });
  }
  [[nodiscard]] tide::net::address address() const { return must(listener.local_address(), "address"); }
  static std::string frame(std::int64_t n) { return relay_test::identity(n, "did:plc:a", 20'000); }
  /// As a host does it: waits where consumers hold every block. Gives the loop its turns.
  task<> append() {
    ++last;
    while (true) {
      const std::string bytes = frame(last);
      const auto seq = log.append(1, decoded(bytes));
      if (seq) break;
      if (seq.error() != tide::pool_errc::full) throw std::runtime_error(seq.error().message());
      ++waits;
      must(co_await log.room().wait(), "room");
    }
    for (int i = 0; i < 8; ++i) co_await tide::yield();
  }
};

template <class Body>
void with_service(const tide::relay::consumer_options& wanted, Body body) {
  support::run_here([&](tide::scope&) -> task<> {
    service s(wanted);
    co_await tide::with_scope([&](tide::scope& inside) -> task<> {
      inside.spawn(&service::serve, &s);
      co_await body(s);
    });
  });
}

TEST(ConsumerService, ThoseCutOffHoldNoSegmentWhileTheyAreToldGoodbye) {
  with_service({.stall_time = 60s, .goodbye_time = 1ms, .most = 100}, [](service& s) -> task<> {
    std::vector<lazy_consumer> slow;
    // They come one after the other while the window moves, so that each would hold a segment of its own.
    for (int i = 0; i < 12; ++i) {
      slow.push_back(co_await lazy_consumer::open(s.address(), "0"));
      const std::size_t here = slow.size();
      co_await until([&] { return s.consumers.count().connected == here; });
      while (s.consumers.count().too_slow < here) co_await s.append();
    }
    s.waits = 0;
    for (int i = 0; i < 50; ++i) co_await s.append();
    EXPECT_EQ(s.waits, 0);
    EXPECT_EQ(s.consumers.lag(), 0);
  });
}

TEST(ConsumerService, ThoseRefusedHoldNoSegmentUntilTheyLeave) {
  with_service({.stall_time = 60s, .goodbye_time = 60s, .most = 100}, [](service& s) -> task<> {
    co_await s.append();
    std::vector<lazy_consumer> refused;
    for (int i = 0; i < 8; ++i) {
      refused.push_back(co_await lazy_consumer::open(s.address(), "abc"));
      const std::size_t here = refused.size();
      co_await until([&] { return s.consumers.count().connected == here; });
      for (int n = 0; n < 5; ++n) co_await s.append();
    }
    EXPECT_EQ(s.waits, 0);
    EXPECT_EQ(s.consumers.lag(), 0);
    EXPECT_EQ(s.consumers.count().too_slow, 0u);
  });
}

TEST(ConsumerService, OneThatTakesNothingForTheStallTimeGetsWholeFramesAndAWord) {
  with_service({.stall_time = 50ms, .goodbye_time = 60s, .most = 100}, [](service& s) -> task<> {
    auto slow = co_await lazy_consumer::open(s.address(), "0");
    auto quick = co_await consumer::open(s.address(), "0");
    co_await until([&] { return s.consumers.size() == 2; });
    // The sockets' buffers take some of it, so the events come only as fast as the quick one reads.
    while (s.consumers.count().too_slow == 0) {
      co_await s.append();
      EXPECT_EQ(co_await quick.next(), service::frame(s.last));
      if (s.last % 4 == 0) must(co_await tide::sleep(1ms), "sleep");
    }
    const auto got = co_await slow.read_all();
    EXPECT_FALSE(got.broken);
    EXPECT_EQ(got.close_code, 1008);
    if (got.frames.empty()) throw std::runtime_error("nothing came");
    for (std::size_t i = 0; i + 1 < got.frames.size(); ++i) {
      EXPECT_EQ(got.frames[i], service::frame(static_cast<std::int64_t>(i) + 1));
    }
    EXPECT_EQ(decoded(got.frames.back()).error, "ConsumerTooSlow");
    EXPECT_EQ(s.consumers.count().too_slow, 1u);
  });
}

}  // namespace
