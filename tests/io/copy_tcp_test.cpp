// Copies between sockets, and between a socket and memory: a proxy in small.
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include <tide/io/copy.hpp>
#include <tide/io/duplex.hpp>
#include <tide/net/tcp.hpp>
#include <tide/runtime/combine.hpp>
#include <tide/runtime/time.hpp>

#include "io/pattern.hpp"
#include "support/run.hpp"
#include "support/sanitizers.hpp"
#include "support/tcp.hpp"

namespace {

using namespace std::chrono_literals;
using support::patterned;
using support::run_here;
using tide::net::tcp_stream;

template <class S>
tide::task<> send(S& to, std::size_t size) {
  EXPECT_TRUE(co_await to.write_all(patterned(0, size)));
  EXPECT_TRUE(co_await to.shutdown());
}
struct ending {
  std::size_t bytes = 0;
  std::error_code error;
};
template <class S>
tide::task<ending> drain(S& from) {
  std::vector<std::byte> memory(50'000);
  ending so_far;
  while (true) {
    const auto size = co_await from.read_some(memory);
    if (!size) so_far.error = size.error();
    if (!size || *size == 0) co_return so_far;
    EXPECT_TRUE(support::fits(so_far.bytes, std::span(memory).first(*size))) << "at " << so_far.bytes;
    so_far.bytes += *size;
  }
}
/// client ⇄ left =copy= right ⇄ server
struct proxy {
  tcp_stream client;
  tcp_stream left;
  tcp_stream right;
  tcp_stream server;

  static tide::task<proxy> make() {
    auto listener = support::listen();
    auto [client, left] = co_await support::connect(listener);
    auto [right, server] = co_await support::connect(listener);
    co_return proxy{std::move(client), std::move(left), std::move(right), std::move(server)};
  }
};

TEST(CopyTcp, EveryByteBothWaysAndEachHalfClose) {
  run_here([](tide::scope&) -> tide::task<> {
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{100'000}, std::size_t{3'000'000}}) {
      auto all = co_await proxy::make();
      auto [copied, there, back, answered, got] =
          co_await tide::all(tide::copy_bidirectional(all.left, all.right, {.idle = 1h, .write_stall = 1h}),
                             send(all.client, size), drain(all.client), send(all.server, size / 2), drain(all.server));
      EXPECT_EQ(got.bytes, size);
      EXPECT_EQ(back.bytes, size / 2);
      EXPECT_TRUE(copied.complete());
      EXPECT_EQ(copied.a_to_b.bytes, size);
      EXPECT_EQ(copied.b_to_a.bytes, size / 2);
    }
  });
}

TEST(CopyTcp, AnAnswerLongAfterTheHalfClose) {
  run_here([](tide::scope&) -> tide::task<> {
    auto all = co_await proxy::make();
    const auto answer = [](tcp_stream& server) -> tide::task<> {
      EXPECT_EQ((co_await drain(server)).bytes, 10u);
      EXPECT_TRUE(co_await tide::sleep(20ms));
      co_await send(server, 2'000'000);
    };
    auto [copied, sent, got, answered] = co_await tide::all(tide::copy_bidirectional(all.left, all.right),
                                                            send(all.client, 10), drain(all.client), answer(all.server));
    EXPECT_EQ(got.bytes, 2'000'000u);
    EXPECT_TRUE(copied.complete());
  });
}

TEST(CopyTcp, AResetIsNoCleanEnd) {
  run_here([](tide::scope&) -> tide::task<> {
    auto all = co_await proxy::make();
    const auto reset = [](tcp_stream& client) -> tide::task<> {
      EXPECT_TRUE(co_await client.write_all(patterned(0, 10)));
      co_await client.close(std::make_error_code(std::errc::connection_aborted));
    };
    auto [copied, sent, got] = co_await tide::all(tide::copy_bidirectional(all.left, all.right, {.error_linger = 5ms}),
                                                  reset(all.client), drain(all.server));
    EXPECT_EQ(copied.error, std::errc::connection_reset);
    EXPECT_EQ(got.error, std::errc::connection_reset);
  });
}

TEST(CopyTcp, APeerThatTakesNothingIsEnded) {
  run_here([](tide::scope& scope) -> tide::task<> {
    auto all = co_await proxy::make();
    scope.spawn(
        [](tcp_stream& client) -> tide::task<> {
          const std::string piece(100'000, 'x');
          while (co_await client.write_all(piece)) {
          }
        },
        std::ref(all.client));
    const auto copied = co_await tide::copy_bidirectional(all.left, all.right, {.write_stall = 30ms});
    EXPECT_EQ(copied.a_to_b.error, tide::copy_errc::write_stalled);
    EXPECT_GT(copied.a_to_b.undelivered, 0u);
    co_await scope.join();
  });
}

TEST(CopyTcp, BetweenASocketAndMemory) {
  run_here([](tide::scope&) -> tide::task<> {
    auto listener = support::listen();
    auto [client, server] = co_await support::connect(listener);
    auto [left, right] = tide::local::duplex(10'000);
    auto [copied, sent, got, answered, back] = co_await tide::all(
        tide::copy_bidirectional(server, left), send(client, 500'000), drain(right), send(right, 700'000), drain(client));
    EXPECT_EQ(got.bytes, 500'000u);
    EXPECT_EQ(back.bytes, 700'000u);
    EXPECT_TRUE(copied.complete());
  });
}

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

TEST(CopyTcp, ACancelAnywhereLeavesNothingBehind) {
  run_here([](tide::scope&) -> tide::task<> {
    {
      const auto warm = co_await proxy::make();
    }
    co_await tide::sleep(1ms);
    const std::size_t before = open_descriptors();
    std::mt19937 random(11);
    for (int round = 0; round < (support::sanitized ? 30 : 200); ++round) {
      auto all = co_await proxy::make();
      const auto time = std::chrono::microseconds(random() % 300);
      co_await tide::with_scope([&](tide::scope& inside) -> tide::task<> {
        inside.spawn([&]() -> tide::task<> { static_cast<void>(co_await all.client.write_all(patterned(0, 300'000))); });
        inside.spawn([&]() -> tide::task<> { static_cast<void>(co_await drain(all.server)); });
        inside.spawn([&]() -> tide::task<> {
          const auto copied = co_await tide::copy_bidirectional(all.left, all.right);
          EXPECT_EQ(copied.a_to_b.error, tide::errc::canceled);
        });
        co_await tide::sleep(time);
      });
      for (tcp_stream* each : {&all.client, &all.left, &all.right, &all.server}) co_await each->close();
    }
    for (int i = 0; i < 1000 && open_descriptors() != before; ++i)
      co_await tide::sleep(1ms);  // the ring closes the last ones
    EXPECT_EQ(open_descriptors(), before);
  });
}

}  // namespace
