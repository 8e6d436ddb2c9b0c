// The limits of copies, with a clock of the test's own: never early, and at most a sixteenth late. And what kinds of stream
// there are.
#include <gtest/gtest.h>

#include <random>

#include <tide/io/any_stream.hpp>
#include <tide/io/copy.hpp>
#include <tide/io/detail/countdown.hpp>
#include <tide/io/duplex.hpp>
#include <tide/net/tcp.hpp>

#include "support/run.hpp"
#include "support/tcp.hpp"

namespace {

using namespace std::chrono_literals;
using tide::clock;
using tide::detail::countdown;

static_assert(tide::stream<tide::net::tcp_stream> && tide::stream<tide::any_stream>);

TEST(Countdown, IsNeverEarlyAndASixteenthLateAtMost) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    const clock::duration limit = std::chrono::milliseconds(16 + random() % 1000);
    countdown idle(limit);
    clock::time_point now{};
    clock::time_point last = now;  // when something has happened
    std::uint64_t count = 0;
    EXPECT_FALSE(idle.run_out(now, count, true));
    clock::time_point event = now + std::chrono::milliseconds(random() % 1000);
    for (int events = 3; true;) {
      const clock::time_point next = idle.next(now);
      ASSERT_GT(next, now);
      while (events > 0 && event <= next) {
        last = event;
        ++count;
        --events;
        event += std::chrono::milliseconds(random() % (2 * static_cast<unsigned>(limit / 1ms)));
      }
      now = next;
      if (!idle.run_out(now, count, true)) continue;
      ASSERT_GE(now - last, limit);
      ASSERT_LE(now - last, limit + limit / 16);
      break;
    }
  }
}

TEST(Countdown, StandsStillWhileThereIsNothingToWaitFor) {
  countdown stall(100ms);
  clock::time_point now{};
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(stall.run_out(now += 50ms, 0, false));
  EXPECT_FALSE(stall.run_out(now += 50ms, 0, true)) << "begins here";
  EXPECT_FALSE(stall.run_out(now += 99ms, 0, true));
  EXPECT_TRUE(stall.run_out(now += 1ms, 0, true));
}

TEST(Countdown, AnEndlessOneIsNeverLookedAt) {
  countdown idle(countdown::never);
  EXPECT_FALSE(idle.run_out(clock::time_point{} + 24h * 10'000, 0, true));
  EXPECT_EQ(idle.next({}), clock::time_point::max());
  countdown longest(countdown::never - 1ns);
  EXPECT_FALSE(longest.run_out(clock::now(), 0, true));
  EXPECT_LT(longest.next(clock::now()), clock::time_point::max()) << "no sum overflows";
}

TEST(AnyStream, IsTheStreamInside) {
  support::run_here([](tide::scope&) -> tide::task<> {
    auto listener = support::listen();
    auto [client, server] = co_await support::connect(listener);
    auto [here, there] = tide::duplex(100);
    std::vector<std::pair<tide::any_stream, tide::any_stream>> pairs;
    pairs.emplace_back(std::move(client), std::move(server));
    pairs.emplace_back(std::move(here), std::move(there));
    for (auto& [one, other] : pairs) {
      std::array<std::byte, 16> memory{};
      EXPECT_TRUE(co_await one.write_all("question"));
      EXPECT_EQ((co_await other.read_some(memory)).value(), 8u);
      EXPECT_TRUE(co_await one.shutdown());
      EXPECT_EQ((co_await other.read_some(memory)).value(), 0u);
      EXPECT_EQ((co_await other.write_some(tide::bytes_of("answer"))).value(), 6u);
      EXPECT_EQ((co_await one.read_some(memory)).value(), 6u);
      EXPECT_EQ((co_await tide::timeout(1ms, one.read_some(memory))).error(), tide::errc::timed_out) << "cancels reach it";
      co_await other.close();
      EXPECT_EQ((co_await one.read_some(memory)).value(), 0u);
      co_await one.close();
    }
    EXPECT_NE(pairs[0].first.get<tide::net::tcp_stream>(), nullptr);
    EXPECT_EQ(pairs[1].first.get<tide::net::tcp_stream>(), nullptr);
    tide::any_stream none;
    EXPECT_EQ((co_await none.write_all("x")).error(), tide::errc::closed);
    EXPECT_EQ((co_await none.shutdown()).error(), tide::errc::closed);
  });
}

}  // namespace
