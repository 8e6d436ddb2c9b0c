// The program against peers that do not keep to HTTP or WebSocket: each gets the right answer, and nobody else notices.
#include <gtest/gtest.h>
#include <signal.h>
#include <nlohmann/json.hpp>

#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <apps/relay/practice/network.hpp>
#include <tests/support/run.hpp>
#include <tide/http/codec/websocket.hpp>

#include "frames.hpp"
#include "peers.hpp"
#include "relay_process.hpp"
#include "scratch.hpp"

namespace {

using relay_test::ask_raw;
using relay_test::consumer;
using relay_test::must;
using relay_test::relay_process;
using relay_test::seq_of;
using relay_test::status_in;
using tide::task;
namespace practice = tide::relay::practice;
namespace ws = tide::http::ws;

/// One relay and two hosts for all tests: whatever one test does to the relay, it must serve the next, and stop in order.
struct world {
  practice::frame_file frames = practice::frame_file::load(practice::default_frames()).value();
  practice::network_thread hosts = practice::network_thread::start({.frames = &frames, .hosts = 2, .rate = 1000}).value();
  relay_test::scratch directory;
  relay_process relay{{"--data", directory.path().string(), "--dev", "--host", hosts.urls()[0], "--host", hosts.urls()[1]}};
};

class RelayMalformed : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    all_ = std::make_unique<world>();
    if (!all_->relay.wait_until_serving()) throw std::runtime_error("the relay does not start: " + all_->relay.log());
  }
  static void TearDownTestSuite() {
    all_->relay.kill(SIGTERM);
    EXPECT_EQ(all_->relay.wait(), 0) << all_->relay.log();
    all_.reset();
  }
  static tide::net::address relay() { return all_->relay.address(); }
  static pid_t process() { return all_->relay.id(); }

  static task<std::int64_t> newest() {
    const auto page = must(co_await tide::http::fetch("http://" + relay().to_string() + "/_health"), "health");
    EXPECT_EQ(page.status, 200);
    co_return nlohmann::json::parse(page.body)["seq"].get<std::int64_t>();
  }
  /// Runs `body` while somebody else consumes, who must then have got everything up to what came after the body's end.
  template <class Body>
  static void beside_a_consumer(Body body) {
    support::run_here([&](tide::scope&) -> task<> {
      auto other = co_await consumer::open(relay(), std::nullopt);
      std::int64_t seq = seq_of(co_await other.next());
      co_await body();
      for (const std::int64_t end = co_await newest() + 10; seq < end;) {
        const std::int64_t next = seq_of(co_await other.next());
        if (next != seq + 1) throw std::runtime_error("the other consumer missed an event");
        seq = next;
      }
    });
    EXPECT_EQ(::kill(process(), 0), 0);
  }

 private:
  static std::unique_ptr<world> all_;
};
std::unique_ptr<world> RelayMalformed::all_;

std::string request(const std::string& line, const std::string& fields = "") {
  return line + " HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n";
}
const std::string stream = "GET /xrpc/com.atproto.sync.subscribeRepos?cursor=0";
const std::string upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
const std::string key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const std::string version = "Sec-WebSocket-Version: 13\r\n";

TEST_F(RelayMalformed, RequestsGetTheStatusTheyDeserve) {
  const std::string health = "GET /_health";
  const struct {
    std::string bytes;
    int status;
  } cases[] = {
      {"garbage\r\n\r\n", 501},
      {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello", 400},
      {"GET /_health\r\n\r\n", 400},
      {"GET /_health HTTP/1.1\r\n\r\n", 400},
      {"GET /_health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400},
      {"GET /_health HTTP/2.0\r\nHost: x\r\n\r\n", 505},
      {"BREW /_health HTTP/1.1\r\nHost: x\r\n\r\n", 501},
      {request(health, "No colon here\r\n"), 400},
      {request(health, "Bad Name: x\r\n"), 400},
      {request(health, "X: a\rb\r\n"), 400},
      {request(health, std::string("X: a\0b\r\n", 8)), 400},
      {request("GET /" + std::string(9'000, 'a')), 414},
      {request(health, "X: " + std::string(40'000, 'a') + "\r\n"), 431},
      {request(health,
               [] {
                 std::string many;
                 for (int i = 0; i < 101; ++i) many += "X" + std::to_string(i) + ": y\r\n";
                 return many;
               }()),
       431},
      {request("POST /_health", "Content-Length: 99999999999\r\n"), 413},
      {request("POST /_health", "Content-Length: -1\r\n"), 400},
      {request("POST /_health", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400},
      {request("POST /_health", "Content-Length: 5\r\nContent-Length: 6\r\n"), 400},
      {request("POST /_health", "Transfer-Encoding: gzip\r\n"), 501},
      {request("POST /_health", "Transfer-Encoding: chunked\r\n") + "zz\r\n", 400},
      {request(stream), 426},
      {request(stream, upgrade + key), 400},
      {request(stream, upgrade + key + "Sec-WebSocket-Version: 8\r\n"), 426},
      {request(stream, upgrade + version), 400},
      {request(stream, upgrade + version + "Sec-WebSocket-Key: short\r\n"), 400},
      {request(stream, upgrade + version + key + key), 400},
      {request("POST" + stream.substr(3), upgrade + version + key), 405},
      {stream + " HTTP/1.0\r\nHost: x\r\n" + upgrade + version + key + "\r\n", 400},
  };
  beside_a_consumer([&]() -> task<> {
    for (const auto& each : cases) {
      const std::string answer = co_await ask_raw(relay(), each.bytes, true);
      EXPECT_EQ(status_in(answer), each.status) << each.bytes.substr(0, 200) << "\n→ " << answer;
    }
  });
}

TEST_F(RelayMalformed, ARequestThatEndsEarlyIsAnsweredOrLeftAtEveryByte) {
  const std::string whole = request("GET /_health", "X-Filling: " + std::string(60, 'x') + "\r\n");
  beside_a_consumer([&]() -> task<> {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const std::string answer = co_await ask_raw(relay(), whole.substr(0, size), true);
      EXPECT_EQ(status_in(answer), size == 0 ? 0 : 400) << size << answer;
    }
    EXPECT_EQ(status_in(co_await ask_raw(relay(), whole, true)), 200);
  });
}

TEST_F(RelayMalformed, PipelinedRequestsAreAnsweredInOrderUpToTheBadOne) {
  beside_a_consumer([&]() -> task<> {
    const std::string answer =
        co_await ask_raw(relay(), request("GET /_health") + request("GET /nothing") + request("HEAD /metrics") +
                                      "GET / HTTP/1.1\r\nno colon\r\n\r\n" + request("GET /_health"));
    std::vector<int> statuses;
    for (std::size_t at = answer.find("HTTP/1.1 "); at != std::string::npos; at = answer.find("HTTP/1.1 ", at + 1)) {
      statuses.push_back(status_in(answer.substr(at)));
    }
    EXPECT_EQ(statuses, (std::vector{200, 404, 200, 400}));
  });
}

TEST_F(RelayMalformed, RandomBytesEndOneConnectionAndNoMore) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const std::string whole = request(stream, upgrade + version + key);
  beside_a_consumer([&]() -> task<> {
    for (int i = 0; i < 200; ++i) {
      std::string bytes = i % 2 == 0 ? std::string(random() % 300 + 1, '\0') : whole;
      if (i % 2 == 0) {
        for (char& each : bytes) each = static_cast<char>(random());
      } else {
        for (unsigned flips = random() % 4 + 1; flips > 0; --flips)
          bytes[random() % bytes.size()] = static_cast<char>(random());
        bytes += "\r\n\r\n";
      }
      auto peer = must(co_await tide::net::tcp_stream::connect(relay()), "connect");
      (void)co_await peer.write_all(std::string_view(bytes));
      (void)co_await peer.shutdown();
      if (random() % 2 == 0) (void)co_await peer.receive();
    }
  });
}

/// A masked frame of a client; `first` holds FIN, the reserved bits and the opcode.
std::string frame(unsigned first, const std::string& payload, bool masked = true) {
  std::string out{static_cast<char>(first)};
  const auto mask = static_cast<unsigned>(masked ? 0x80 : 0);
  if (payload.size() < 126) {
    out += static_cast<char>(mask | payload.size());
  } else {
    out += {static_cast<char>(mask | 126), static_cast<char>(payload.size() >> 8), static_cast<char>(payload.size() & 0xff)};
  }
  return out + (masked ? std::string(4, '\0') : "") + payload;  // a mask of zeros leaves the payload as it is
}

/// Opens a WebSocket by hand at the end of the stream, sends `bytes`, gives the code of the close frame that comes; 0: none.
task<std::uint16_t> close_code_after(tide::net::address relay, std::string bytes) {
  auto peer = must(co_await tide::net::tcp_stream::connect(relay), "connect");
  const std::string ask = request("GET /xrpc/com.atproto.sync.subscribeRepos", upgrade + version + key);
  must(co_await peer.write_all(ask + bytes), "write");
  auto codec = ws::codec::client();
  std::string head;
  bool open = false;
  while (true) {
    auto chunk = co_await peer.receive();
    if (!chunk || chunk->empty()) co_return 0;
    tide::bytes_view input = chunk->bytes();
    if (!open) {
      head += tide::text_of(input);
      const auto end = head.find("\r\n\r\n");
      if (end == std::string::npos) continue;
      if (status_in(head) != 101) throw std::runtime_error("refused: " + head);
      open = true;
      head.erase(0, end + 4);
      input = tide::bytes_of(head);
    }
    while (auto event = codec.next(input)) {
      if (event->type == ws::event_type::close) co_return event->code;
      if (event->type == ws::event_type::error) throw std::runtime_error("the relay broke the protocol");
    }
  }
}

TEST_F(RelayMalformed, BrokenWebSocketFramesAreClosedWithTheRightCode) {
  const struct {
    const char* what;
    std::string bytes;
    std::uint16_t code;
  } cases[] = {
      {"not masked", frame(0x82, "x", false), 1002},
      {"reserved bit 1", frame(0xc2, "x"), 1002},
      {"reserved bit 3", frame(0x92, "x"), 1002},
      {"reserved opcode", frame(0x83, "x"), 1002},
      {"reserved control opcode", frame(0x8b, "x"), 1002},
      {"a long ping", frame(0x89, std::string(126, 'x')), 1002},
      {"a ping in fragments", frame(0x09, "x"), 1002},
      {"a continuation of nothing", frame(0x80, "x"), 1002},
      {"a message inside a message", frame(0x02, "x") + frame(0x82, "y"), 1002},
      {"a close of one byte", frame(0x88, "x"), 1002},
      {"a close code that must not be sent", frame(0x88, "\x03\xed"), 1002},
      {"a close reason that is not UTF-8", frame(0x88, "\x03\xe8\xff"), 1007},
      {"text that is not UTF-8", frame(0x81, "\xff"), 1007},
      {"text that is not UTF-8, in fragments", frame(0x01, "\xc3") + frame(0x80, "x"), 1007},
      {"a length not in its shortest form", std::string("\x82\xfe\0\x01\0\0\0\0x", 9), 1002},
      {"a length of 2^63", std::string("\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0", 14), 1002},
      {"a message too large", std::string("\x82\xff\0\0\0\0\x7f\xff\xff\xff\0\0\0\0x", 15), 1009},
      {"a message too large in fragments", frame(0x02, std::string(40'000, 'x')) + frame(0x00, std::string(40'000, 'x')),
       1009},
      {"an end in good order", frame(0x88, "\x03\xe8"), 1000},
      {"an end after noise, which is not listened to",
       frame(0x82, "noise") + frame(0x81, "text") + frame(0x89, "") + frame(0x88, "\x03\xe8"), 1000},
  };
  beside_a_consumer([&]() -> task<> {
    for (const auto& each : cases) {
      EXPECT_EQ(co_await close_code_after(relay(), each.bytes), each.code) << each.what;
    }
  });
}

TEST(RelaySignals, AStopGivesConsumersWhatThereIsSaysGoodbyeAndExitsWithZero) {
  for (const int signal : {SIGTERM, SIGINT}) {
    world all;
    ASSERT_TRUE(all.relay.wait_until_serving()) << all.relay.log();
    support::run_here([&](tide::scope&) -> task<> {
      auto one = co_await consumer::open(all.relay.address(), "0");
      std::int64_t last = 0;
      while (last < 20) last = seq_of(co_await one.next());
      all.relay.kill(signal);
      EXPECT_EQ(co_await one.until_closed(), 1001);
    });
    EXPECT_EQ(all.relay.wait(), 0) << all.relay.log();
  }
}

TEST(RelayProgram, SaysWhatIsWrongAndExits) {
  const relay_test::scratch directory;
  const std::string data = directory.path().string();
  const std::vector<std::vector<std::string>> wrong{
      {"--data", data},
      {"--data", data, "--host", "ws://127.0.0.1:1"},
      {"--data", data, "--dev", "--host", "http://127.0.0.1:1"},
      {"--data", data, "--dev", "--host", "ws://127.0.0.1:1/path"},
      {"--data", data, "--dev", "--host", "ws://" + std::string(600, 'a')},
      {"--data", data, "--dev", "--host", "ws://127.0.0.1:1", "--segments", "0"},
      {"--dev", "--host", "ws://127.0.0.1:1"},
      {"--nonsense"},
  };
  for (const auto& arguments : wrong) {
    relay_process relay(arguments);
    EXPECT_FALSE(relay.wait_until_serving());
    EXPECT_EQ(relay.wait(), 2) << testing::PrintToString(arguments) << relay.log();
    EXPECT_FALSE(relay.log().empty());
  }
  // Two at once on one directory: the second one says so and leaves the first alone.
  relay_process first({"--data", data, "--dev", "--host", "ws://127.0.0.1:1"});
  ASSERT_TRUE(first.wait_until_serving());
  relay_process second({"--data", data, "--dev", "--host", "ws://127.0.0.1:1"});
  EXPECT_FALSE(second.wait_until_serving());
  EXPECT_EQ(second.wait(), 1);
  EXPECT_NE(second.log().find("hosts.pool"), std::string::npos) << second.log();
  first.kill(SIGTERM);
  EXPECT_EQ(first.wait(), 0);
}

}  // namespace
