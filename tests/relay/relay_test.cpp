// The relay as its consumers see it, from recorded frames of eight hosts to the cursor of each consumer.
#include <apps/relay/relay.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <vector>

#include <apps/relay/practice/network.hpp>

#include "running_relay.hpp"

namespace {

using relay_test::ask_raw;
using relay_test::consumer;
using relay_test::counting_host;
using relay_test::decoded;
using relay_test::must;
using relay_test::running;
using relay_test::scratch;
using relay_test::scripted_host;
using relay_test::send;
using relay_test::seq_of;
using relay_test::small_settings;
using relay_test::status_in;
using relay_test::until;
using relay_test::with_relay;
using relay_test::with_seq;
using tide::task;
using tide::relay::wire::event_type;
namespace practice = tide::relay::practice;

const practice::frame_file& recording() {
  static const practice::frame_file file = practice::frame_file::load(practice::default_frames()).value();
  return file;
}

/// Reads events `first` … `last` of a host's stream that is alone in the relay: each once, in order, nothing else.
task<> expect_events(consumer& from, const counting_host& host, std::int64_t first, std::int64_t last) {
  for (std::int64_t n = first; n <= last; ++n) {
    const std::string frame = co_await from.next();
    if (frame != host.frame(n)) {
      ADD_FAILURE() << "expected event " << n << ", got " << (decoded(frame).seq ? seq_of(frame) : -1);
      co_return;
    }
  }
}
/// Lets the host say its events up to n and waits until the relay has them.
task<> have(running& r, counting_host& host, std::int64_t n) {
  host.allow(n);
  co_await until([&] { return r.relay.now().sequence >= n; });
}
std::string error_of(std::string_view frame) {
  const auto read = decoded(frame);
  return read.type == event_type::error ? std::string(read.error) : "";
}

TEST(Relay, EveryConsumerGetsEveryRecordedFrameOnceInOrderByteForByteButForSeq) {
  const scratch directory;
  auto network = practice::network::bind({.frames = &recording(), .hosts = 8, .repeat = false}).value();
  with_relay(small_settings(directory), network.urls(), [&](running& r) -> task<> {
    const auto total = static_cast<std::int64_t>(recording().total());
    std::vector<std::vector<std::string>> got(3);
    const auto collect = [&](std::size_t which, std::optional<std::string> cursor) -> task<> {
      auto one = co_await consumer::open(r.address(), cursor);
      while (got[which].size() < static_cast<std::size_t>(total)) got[which].push_back(co_await one.next());
    };
    co_await tide::with_scope([&](tide::scope& inside) -> task<> {
      inside.spawn(collect, 0, std::nullopt);
      co_await until([&] { return r.relay.now().consumers == 1; });  // it is there before the first event
      r.scope.spawn(&practice::network::serve, &network);
      co_await until([&] { return r.relay.now().sequence > total / 3; });
      inside.spawn(collect, 1, "0");  // joins while events flow
      co_await until([&] { return r.relay.now().sequence == total; });
      inside.spawn(collect, 2, "0");  // comes when all is over
      co_await inside.join();
    });
    for (const auto& each : got) {
      relay_test::recordings played(recording());
      for (std::size_t i = 0; i < each.size(); ++i) {
        EXPECT_EQ(seq_of(each[i]), static_cast<std::int64_t>(i) + 1);
        played.take(each[i]);
      }
      EXPECT_TRUE(played.complete());
    }
    EXPECT_TRUE(got[0] == got[1]);
    EXPECT_TRUE(got[0] == got[2]);
    const auto now = r.relay.now();
    EXPECT_EQ(now.sequence, total);
    EXPECT_EQ(now.events_in, static_cast<std::uint64_t>(total));
    EXPECT_EQ(now.events_out, 3 * static_cast<std::uint64_t>(total));
    EXPECT_EQ(now.duplicates, 0u);
    EXPECT_EQ(now.malformed, 0u);
    EXPECT_EQ(now.hosts_connected, 8u);
  });
}

TEST(Relay, GoesOnWithItsStreamAfterAStop) {
  const scratch directory;
  counting_host host("did:plc:a");
  for (std::int64_t life = 1; life <= 3; ++life) {
    with_relay(small_settings(directory), {host.url()}, [&](running& r) -> task<> {
      tide::scope& scope = r.scope;
      scope.spawn(&counting_host::serve, &host);
      EXPECT_EQ(r.relay.recovery().events, static_cast<std::uint64_t>(life - 1) * 50);
      co_await have(r, host, life * 50);
      auto one = co_await consumer::open(r.address(), "0");
      co_await expect_events(one, host, 1, life * 50);
      EXPECT_EQ(r.relay.now().duplicates, 0u);
    });
  }
}

// ---- cursors ----------------------------------------------------------------------------------------------------------

TEST(RelayCursor, InTheWindow) {
  const scratch directory;
  counting_host host("did:plc:a");
  with_relay(small_settings(directory), {host.url()}, [&](running& r) -> task<> {
    r.scope.spawn(&counting_host::serve, &host);
    co_await have(r, host, 100);
    for (const std::int64_t cursor : {0, 1, 50, 99}) {
      auto one = co_await consumer::open(r.address(), std::to_string(cursor));
      co_await expect_events(one, host, cursor + 1, 100);
    }
    auto negative = co_await consumer::open(r.address(), "-5");
    co_await expect_events(negative, host, 1, 100);
    auto at_head = co_await consumer::open(r.address(), "100");
    auto live = co_await consumer::open(r.address(), std::nullopt);
    auto empty = co_await consumer::open(r.address(), "");  // as if it were absent: the real client asks so
    co_await until([&] { return r.relay.now().consumers == 4; });
    host.allow(110);
    co_await expect_events(empty, host, 101, 110);
    co_await expect_events(at_head, host, 101, 110);
    co_await expect_events(live, host, 101, 110);
    co_await expect_events(negative, host, 101, 110);
  });
}

TEST(RelayCursor, AheadOfTheStreamIsRefused) {
  const scratch directory;
  counting_host host("did:plc:a");
  with_relay(small_settings(directory), {host.url()}, [&](running& r) -> task<> {
    r.scope.spawn(&counting_host::serve, &host);
    co_await have(r, host, 10);
    for (const char* cursor : {"11", "1000000000000", "9007199254740991", "9223372036854775807"}) {
      auto one = co_await consumer::open(r.address(), cursor);
      EXPECT_EQ(error_of(co_await one.next()), "FutureCursor") << cursor;
      EXPECT_EQ(co_await one.until_closed(), 1008) << cursor;
      EXPECT_EQ(one.socket().close_info().reason, "FutureCursor") << cursor;
    }
    co_await until([&] { return r.relay.now().consumers == 0; });
  });
}

TEST(RelayCursor, ThatIsNoNumberIsRefused) {
  const scratch directory;
  with_relay(small_settings(directory), {}, [&](running& r) -> task<> {
    for (const char* cursor : {"abc", "1x", "1.5", "%20", "0x10", "99999999999999999999", "--1"}) {
      auto one = co_await consumer::open(r.address(), cursor);
      EXPECT_EQ(error_of(co_await one.next()), "InvalidRequest") << cursor;
      EXPECT_EQ(co_await one.until_closed(), 1008) << cursor;
    }
  });
}

TEST(RelayCursor, OlderThanTheWindowIsToldAndBeginsWithTheOldest) {
  const scratch directory;
  auto wanted = small_settings(directory);
  wanted.segment_bytes = 16 * 1024;
  wanted.segments = 3;
  counting_host host("did:plc:a", 500);
  with_relay(wanted, {host.url()}, [&](running& r) -> task<> {
    r.scope.spawn(&counting_host::serve, &host);
    co_await have(r, host, 200);
    const std::int64_t oldest = r.relay.now().oldest;
    EXPECT_GT(oldest, 50);
    for (const std::int64_t cursor : {std::int64_t{1}, oldest - 2}) {
      auto one = co_await consumer::open(r.address(), std::to_string(cursor));
      const std::string info = co_await one.next();
      EXPECT_EQ(decoded(info).type, event_type::info);
      EXPECT_EQ(decoded(info).name, "OutdatedCursor");
      co_await expect_events(one, host, oldest, 200);
    }
    // At the border nothing is missed; 0 and what is below ask for whatever there is.
    for (const std::int64_t cursor : {oldest - 1, std::int64_t{0}, std::int64_t{-1}}) {
      auto one = co_await consumer::open(r.address(), std::to_string(cursor));
      co_await expect_events(one, host, oldest, 200);
    }
  });
}

TEST(RelayCursor, FromReplayToLiveThereIsNoGapAndNothingTwice) {
  const scratch directory;
  counting_host host("did:plc:a");
  constexpr std::int64_t last = 4000;
  with_relay(small_settings(directory), {host.url()}, [&](running& r) -> task<> {
    r.scope.spawn(&counting_host::serve, &host);
    co_await tide::with_scope([&](tide::scope& inside) -> task<> {
      const auto follow = [&](std::optional<std::int64_t> cursor) -> task<> {
        std::optional<std::string> asked;
        if (cursor) asked = std::to_string(*cursor);
        auto one = co_await consumer::open(r.address(), asked);
        std::int64_t n = seq_of(co_await one.next());
        EXPECT_EQ(n, cursor ? *cursor + 1 : n);
        while (n < last) {
          const std::int64_t next = seq_of(co_await one.next());
          EXPECT_EQ(next, n + 1);
          n = next;
        }
      };
      for (std::int64_t step = 1; step <= 40; ++step) {
        host.allow(step * (last / 40 - 1));
        co_await tide::yield();
        const std::int64_t now = r.relay.now().sequence;
        inside.spawn(follow, now * (step % 4) / 3);
        if (step % 3 == 0) inside.spawn(follow, std::nullopt);
        if (step % 4 == 0) co_await until([&] { return r.relay.now().sequence > now; });
      }
      co_await until([&] { return r.relay.now().consumers >= 53; });
      host.allow(last);
      co_await inside.join();
    });
  });
}

// ---- hosts ------------------------------------------------------------------------------------------------------------

TEST(RelayHosts, OneThatMisbehavesIsDroppedAndTriedAgainWhileOthersGoOn) {
  const scratch directory;
  counting_host good("did:plc:good");
  scripted_host bad([](tide::http::websocket& ws, std::int64_t cursor, int connection) -> task<> {
    if (connection == 0) (void)co_await send(ws, "\xff not a frame");
    (void)co_await send(ws, relay_test::identity(cursor + 1, "did:plc:bad"));
    while (co_await ws.receive()) {
    }
  });
  with_relay(small_settings(directory), {good.url(), bad.url()}, [&](running& r) -> task<> {
    r.scope.spawn(&counting_host::serve, &good);
    r.scope.spawn(&scripted_host::serve, &bad);
    auto one = co_await consumer::open(r.address(), "0");
    std::int64_t of_good = 0;
    bool of_bad = false;
    for (std::int64_t n = 1; !of_bad; ++n) {
      good.allow(of_good + 1);
      const std::string frame = co_await one.next();
      EXPECT_EQ(seq_of(frame), n);
      if (decoded(frame).did == "did:plc:bad") {
        of_bad = true;
      } else {
        ++of_good;
        EXPECT_EQ(with_seq(frame, of_good), good.frame(of_good));
      }
      if (of_good > 20) must(co_await tide::sleep(std::chrono::milliseconds(1)), "sleep");
    }
    EXPECT_GT(of_good, 20);
    EXPECT_EQ(bad.connections(), 2);
    EXPECT_EQ(r.relay.now().malformed, 1u);
  });
}

// ---- the end ----------------------------------------------------------------------------------------------------------

TEST(RelayStop, GivesEveryConsumerWhatThereIsAndSaysGoodbye) {
  const scratch directory;
  counting_host host("did:plc:a", 2000);
  with_relay(small_settings(directory), {host.url()}, [&](running& r) -> task<> {
    r.scope.spawn(&counting_host::serve, &host);
    co_await have(r, host, 1000);
    std::vector<consumer> all;
    for (const char* cursor : {"0", "500", "1000"}) all.push_back(co_await consumer::open(r.address(), cursor));
    co_await until([&] { return r.relay.now().consumers == 3; });
    r.stop.set();
    std::int64_t first = 1;
    for (consumer& each : all) {
      co_await expect_events(each, host, first, 1000);
      EXPECT_FALSE(co_await each.try_next());
      EXPECT_EQ(each.socket().close_info().code, 1001);
      first = first == 1 ? 501 : 1001;
    }
    co_await r.stopped;
  });
}

// ---- pages ------------------------------------------------------------------------------------------------------------

TEST(RelayPages, SayHowItIs) {
  const scratch directory;
  counting_host host("did:plc:a");
  with_relay(small_settings(directory), {host.url()}, [&](running& r) -> task<> {
    r.scope.spawn(&counting_host::serve, &host);
    co_await have(r, host, 7);
    auto one = co_await consumer::open(r.address(), "0");
    co_await expect_events(one, host, 1, 7);
    const std::string base = "http://" + r.address().to_string();
    const auto health = must(co_await tide::http::fetch(base + "/_health"), "health");
    EXPECT_EQ(health.status, 200);
    EXPECT_EQ(health.fields.get("Server"), "tide-relay (atproto-relay)");
    const auto said = nlohmann::json::parse(health.body);
    EXPECT_EQ(said["status"], "ok");
    EXPECT_EQ(said["seq"], 7);
    EXPECT_EQ(said["oldestSeq"], 1);
    EXPECT_EQ(said["hostsConnected"], 1);
    EXPECT_EQ(said["consumers"], 1);
    EXPECT_TRUE(said["version"].is_string());
    const auto metrics = must(co_await tide::http::fetch(base + "/metrics"), "metrics");
    EXPECT_EQ(metrics.status, 200);
    for (const std::string line : {"relay_sequence 7\n", "relay_events_received_total 7\n", "relay_events_sent_total 7\n",
                                   "relay_consumers 1\n", "relay_hosts_connected 1\n"}) {
      EXPECT_NE(metrics.body.find("\n" + line), std::string::npos) << line << metrics.body;
    }
    EXPECT_NE(metrics.body.find("relay_host_cursor{host=\"" + host.url() + "\"} 7\n"), std::string::npos);
  });
}

TEST(RelayPages, AnswerEachMethodAsItDeserves) {
  const scratch directory;
  with_relay(small_settings(directory), {}, [&](running& r) -> task<> {
    const std::string stream(relay_test::stream_path);
    const struct {
      std::string request;
      int status;
      std::string holds;
    } cases[] = {
        {"GET /", 200, "subscribeRepos"},
        {"GET /xrpc/_health", 200, "\"status\":\"ok\""},
        {"GET /_health?x=1", 200, "\"status\":\"ok\""},
        {"POST /_health", 405, "Allow: GET, HEAD"},
        {"DELETE /metrics", 405, "MethodNotAllowed"},
        {"GET /xrpc/com.atproto.sync.getRepo?did=x", 501, "\"error\":\"MethodNotImplemented\""},
        {"POST /xrpc/com.atproto.sync.requestCrawl", 501, "\"message\":"},
        {"GET /nothing", 404, "NotFound"},
        {"GET /_health/", 404, ""},
        {"GET " + stream, 426, "Upgrade: websocket"},
        {"GET " + stream + "?cursor=0", 426, "Sec-WebSocket-Version: 13"},
        {"POST " + stream, 405, "Allow: GET"},
        {"HEAD " + stream, 405, ""},
    };
    for (const auto& each : cases) {
      const std::string answer = co_await ask_raw(
          r.address(), each.request + " HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      EXPECT_EQ(status_in(answer), each.status) << each.request << "\n" << answer;
      EXPECT_NE(answer.find(each.holds), std::string::npos) << each.request << "\n" << answer;
    }
    for (const char* path : {"/_health", "/metrics", "/"}) {
      const std::string head =
          co_await ask_raw(r.address(), std::string("HEAD ") + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
      EXPECT_EQ(status_in(head), 200) << path;
      EXPECT_TRUE(head.ends_with("\r\n\r\n")) << head;
      EXPECT_EQ(head.find("Content-Length: 0\r\n"), std::string::npos) << head;
    }
  });
}

TEST(RelayConsumers, OneThatFloodsIsNotListenedToAndHurtsNobody) {
  const scratch directory;
  counting_host host("did:plc:a");
  with_relay(small_settings(directory), {host.url()}, [&](running& r) -> task<> {
    r.scope.spawn(&counting_host::serve, &host);
    auto quiet = co_await consumer::open(r.address(), "0");
    auto loud = co_await consumer::open(r.address(), "0");
    co_await tide::with_scope([&](tide::scope& inside) -> task<> {
      inside.spawn([&]() -> task<> {
        const std::string noise(10'000, 'n');
        for (int i = 0; i < 2000; ++i) {
          must(co_await send(loud.socket(), noise), "flood");
          if (i % 10 == 0) must(co_await loud.socket().ping(), "ping");
        }
      });
      for (std::int64_t n = 1; n <= 300; ++n) {
        host.allow(n);
        co_await expect_events(quiet, host, n, n);
        co_await expect_events(loud, host, n, n);
      }
      co_await inside.join();
    });
    must(co_await send(loud.socket(), std::string(64 * 1024 + 1, 'n')), "too much");
    EXPECT_EQ(co_await loud.until_closed(), 1009);
    host.allow(301);
    co_await expect_events(quiet, host, 301, 301);
  });
}

TEST(RelayConsumers, ConnectionsThatNeverFinishARequestHinderNobody) {
  const scratch directory;
  counting_host host("did:plc:a");
  with_relay(small_settings(directory), {host.url()}, [&](running& r) -> task<> {
    r.scope.spawn(&counting_host::serve, &host);
    std::vector<tide::net::tcp_stream> idle;
    for (int i = 0; i < 64; ++i) {
      auto stream = must(co_await tide::net::tcp_stream::connect(r.address()), "connect");
      const std::string part = "GET /xrpc/com.atproto.sync.subscribeRepos HTTP/1.1\r\nHost: x\r\nX-Slow: ";
      must(co_await stream.write_all(part.substr(0, static_cast<std::size_t>(i) % part.size())), "write");
      idle.push_back(std::move(stream));
    }
    auto one = co_await consumer::open(r.address(), "0");
    for (std::int64_t n = 1; n <= 100; ++n) {
      host.allow(n);
      co_await expect_events(one, host, n, n);
      if (n % 10 == 0) {
        must(co_await idle[static_cast<std::size_t>(n) % 64].write_all(std::string_view("s")), "write");
        EXPECT_EQ(must(co_await tide::http::fetch("http://" + r.address().to_string() + "/_health"), "health").status, 200);
      }
    }
  });
}

TEST(RelayConsumers, BeyondTheMostAreAskedToComeLater) {
  const scratch directory;
  auto wanted = small_settings(directory);
  wanted.most_consumers = 2;
  with_relay(wanted, {}, [&](running& r) -> task<> {
    auto one = co_await consumer::open(r.address(), std::nullopt);
    auto two = co_await consumer::open(r.address(), std::nullopt);
    co_await until([&] { return r.relay.now().consumers == 2; });
    const std::string answer = co_await ask_raw(
        r.address(), "GET /xrpc/com.atproto.sync.subscribeRepos HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(status_in(answer), 503) << answer;
    EXPECT_NE(answer.find("Retry-After: 10"), std::string::npos);
    co_await one.socket().close(1000);
    co_await until([&] { return r.relay.now().consumers == 1; });
    auto three = co_await consumer::open(r.address(), std::nullopt);
    co_await until([&] { return r.relay.now().consumers == 2; });
  });
}

TEST(RelayOpen, SaysWhatIsWrong) {
  const scratch directory;
  support::run_here([&](tide::scope&) -> task<> {
    const auto first = tide::relay::relay::open(small_settings(directory), {});
    EXPECT_TRUE(first);
    const auto second = tide::relay::relay::open(small_settings(directory), {});
    EXPECT_FALSE(second);
    EXPECT_NE(second.error().find("hosts.pool"), std::string::npos) << second.error();
    const scratch other;
    auto taken = small_settings(other);
    taken.listen = first.value()->address();
    const auto third = tide::relay::relay::open(taken, {});
    EXPECT_FALSE(third);
    EXPECT_NE(third.error().find(taken.listen.to_string()), std::string::npos) << third.error();
    co_return;
  });
}

}  // namespace
