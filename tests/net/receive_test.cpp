// The receive that stays with the kernel: what it spares, what it keeps for later, what it must not take from others, and
// how it ends.
#include <gtest/gtest.h>

#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <random>
#include <string>
#include <vector>

#include "support/process.hpp"
#include "support/run.hpp"
#include "support/sanitizers.hpp"
#include "support/tcp.hpp"

namespace {

using namespace std::chrono_literals;
using support::run_here;
using tide::net::tcp_stream;

/// Byte number `at` of a stream that tells when a piece is lost, doubled or out of place.
char pattern(std::size_t at) { return static_cast<char>('a' + (at * 31 + at / 251 + at / 65'521) % 26); }

std::string patterned(std::size_t from, std::size_t size) {
  std::string text(size, ' ');
  for (std::size_t i = 0; i < size; ++i) text[i] = pattern(from + i);
  return text;
}

bool fits(std::size_t from, tide::bytes_view bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (static_cast<char>(bytes[i]) != pattern(from + i)) return false;
  }
  return true;
}

/// Sends so many bytes in pieces of random sizes, then the end.
tide::task<> send_pattern(tcp_stream& stream, std::size_t size, std::size_t most, unsigned seed) {
  std::mt19937 random(seed);
  for (std::size_t sent = 0; sent < size;) {
    const std::size_t now = std::min<std::size_t>(1 + random() % most, size - sent);
    if (!co_await stream.write_all(patterned(sent, now))) co_return;
    sent += now;
    if (random() % 3 == 0) co_await tide::yield();
  }
  EXPECT_TRUE(co_await stream.shutdown());
}

tide::task<std::size_t> count_to_end(tcp_stream& stream, std::size_t from) {
  while (true) {
    const auto data = co_await stream.receive();
    EXPECT_TRUE(data);
    if (!data || data->empty()) co_return from;
    EXPECT_TRUE(fits(from, data->bytes())) << "at " << from;
    from += data->size();
  }
}

TEST(Receive, OneRequestAMessage) {
  if (support::unkind_seed() != 0) GTEST_SKIP() << "counts what a kind kernel needs";
  auto executor = support::make_executor();
  executor->run([&](tide::scope&) -> tide::task<> {
    auto listener = support::listen();
    auto [client, server] = co_await support::connect(listener);
    const auto submitted = executor->ring().count().submitted;
    for (int i = 0; i < 100; ++i) {
      EXPECT_TRUE(co_await client.write_all("ping"));
      EXPECT_EQ((co_await server.receive())->size(), 4u);
    }
    EXPECT_LE(executor->ring().count().submitted - submitted, 110u) << "a send each, and little else";
  });
}

TEST(Receive, WhoDoesNotReadHoldsThePeerUpAndLosesNothing) {
  run_here([](tide::scope& scope) -> tide::task<> {
    auto listener = support::listen({.accepted = {.send_buffer = 8192}});
    auto [client, server] = co_await support::connect(listener, {.receive_buffer = 4096});
    constexpr std::size_t size = 4'000'000;
    bool all_sent = false;
    scope.spawn([&]() -> tide::task<> {
      co_await send_pattern(server, size, 5000, 3);
      all_sent = true;
    });
    const auto first = co_await client.receive();
    EXPECT_TRUE(fits(0, first->bytes()));
    int unread = -1;
    for (int before = -2; unread != before || unread == 0;) {  // until the peer has filled what there is
      before = unread;
      EXPECT_TRUE(co_await tide::sleep(5ms));
      EXPECT_EQ(::ioctl(client.native_handle(), FIONREAD, &unread), 0);
    }
    EXPECT_FALSE(all_sent);
    EXPECT_EQ(co_await count_to_end(client, first->size()), size);
    co_await scope.join();
  });
}

TEST(Receive, AnyMixOfStylesAndCancelsReadsEveryByteInOrder) {
  static constexpr std::size_t size = support::sanitized ? 300'000 : 2'000'000;
  for (const unsigned seed : {1u, 2u, 3u}) {
    run_here([seed](tide::scope& scope) -> tide::task<> {
      auto listener = support::listen();
      auto [client, server] = co_await support::connect(listener);
      scope.spawn(send_pattern, std::ref(server), size, 1 + 20'000 / seed, seed);
      std::mt19937 random(seed);
      std::size_t got = 0;
      std::vector<std::byte> memory(30'000);
      for (bool ended = false; !ended;) {
        const auto time = std::chrono::microseconds(random() % 4 == 0 ? random() % 30 : 10'000'000);
        tide::result<std::size_t> count;
        switch (random() % 3) {
          case 0: {
            const auto data = co_await tide::timeout(time, client.receive());
            count = data.transform([](const tide::chunk& each) { return each.size(); });
            EXPECT_TRUE(!data || fits(got, data->bytes())) << "at " << got;
            break;
          }
          case 1: {
            const auto into = std::span(memory).first(1 + random() % memory.size());
            count = co_await tide::timeout(time, client.read_some(into));
            EXPECT_TRUE(!count || fits(got, into.first(*count))) << "at " << got;
            break;
          }
          default: {
            auto [read, buffer] = co_await tide::timeout(time, client.read(std::string(1 + random() % 5000, ' ')));
            count = read;
            EXPECT_TRUE(!count || fits(got, tide::bytes_of(buffer).first(*count))) << "at " << got;
            break;
          }
        }
        if (count) {
          got += *count;
          ended = *count == 0;
        } else {
          EXPECT_EQ(count.error(), tide::errc::timed_out);
        }
      }
      EXPECT_EQ(got, size);
      co_await scope.join();
    });
  }
}

TEST(Receive, UnreadBytesDoNotKeepBuffersFromThoseWhoNeedThem) {
  run_here([](tide::scope&) -> tide::task<> {
    auto listener = support::listen();
    constexpr std::size_t idle_count = 20;
    std::vector<support::stream_pair> idle;
    for (std::size_t i = 0; i < idle_count; ++i) {
      idle.push_back(co_await support::connect(listener));
      EXPECT_TRUE(co_await idle[i].server.write_all("a"));
      EXPECT_EQ((co_await idle[i].client.receive())->size(), 1u);
      for (int piece = 0; piece < 3; ++piece) {
        EXPECT_TRUE(co_await idle[i].server.write_all(std::to_string(piece)));
        co_await tide::yield();
      }
    }
    auto [client, server] = co_await support::connect(listener);
    std::vector<tide::chunk> held;
    for (unsigned i = 0; i < tide::buffer_pool::default_count; ++i) {
      EXPECT_TRUE(co_await server.write_all("x"));
      held.push_back((co_await client.receive()).value());
    }
    held.clear();
    for (auto& each : idle) {
      std::string got;
      while (got.size() < 3) got += tide::text_of((co_await each.client.receive())->bytes());
      EXPECT_EQ(got, "012");
    }
  });
}

TEST(Receive, AStreamThatGoesWithItsReceiveUnderWaySendsTheEndAtOnce) {
  const auto descriptors = support::open_descriptors();
  run_here([](tide::scope&) -> tide::task<> {
    auto listener = support::listen();
    for (int i = 0; i < 200; ++i) {
      auto [client, server] = co_await support::connect(listener);
      {
        tcp_stream gone = std::move(client);
        EXPECT_EQ((co_await tide::timeout(0s, gone.receive())).error(), tide::errc::timed_out);
        EXPECT_TRUE(co_await server.write_all(i % 2 == 0 ? "for nobody" : ""));
      }
      std::array<std::byte, 8> memory;
      const auto end = co_await server.read_some(memory);
      EXPECT_TRUE(end ? *end == 0 : end.error() == std::errc::connection_reset);
    }
  });
  EXPECT_EQ(support::open_descriptors(), descriptors);
}

TEST(Receive, AStreamMayOutliveItsExecutorAndMeetTheNextRun) {
  auto executor = support::make_executor();
  std::vector<support::stream_pair> kept;
  executor->run([&](tide::scope&) -> tide::task<> {
    auto listener = support::listen();
    kept.push_back(co_await support::connect(listener));
    EXPECT_TRUE(co_await kept[0].server.write_all("one"));
    EXPECT_EQ((co_await kept[0].client.receive())->size(), 3u);
    EXPECT_TRUE(co_await kept[0].server.write_all("two"));
    co_await tide::yield();
  });
  executor->run([&](tide::scope&) -> tide::task<> {
    EXPECT_TRUE(co_await kept[0].server.write_all("three"));
    std::string got;
    while (got.size() < 8) got += tide::text_of((co_await kept[0].client.receive())->bytes());
    EXPECT_EQ(got, "twothree");
  });
  executor.reset();
  kept.clear();
}

}  // namespace
