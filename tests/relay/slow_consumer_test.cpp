// A consumer that does not read: it is cut off in good order, and nobody else notices.
#include <gtest/gtest.h>

#include <string>

#include "running_relay.hpp"

namespace {

using relay_test::consumer;
using relay_test::counting_host;
using relay_test::decoded;
using relay_test::running;
using relay_test::scratch;
using relay_test::small_settings;
using relay_test::until;
using relay_test::with_relay;
using tide::task;

constexpr std::size_t filling = 20'000;      // bytes an event
constexpr std::int64_t most_events = 3'000;  // 60 MB: more than any socket buffers hold
constexpr std::int64_t step = 20;            // events at once, so that those who read stay within the window

task<> read_on(consumer& one, const counting_host& host, std::int64_t& read) {
  while (read < most_events) {
    auto frame = co_await one.try_next();
    if (!frame) co_return;
    EXPECT_EQ(*frame, host.frame(read + 1));
    ++read;
  }
}

TEST(SlowConsumer, IsCutOffAtAFrameAndToldWhileOthersGetEverything) {
  const scratch directory;
  auto wanted = small_settings(directory);
  wanted.segment_bytes = 256 * 1024;
  wanted.segments = 4;
  counting_host host("did:plc:slow", filling);
  with_relay(wanted, {host.url()}, [&](running& r) -> task<> {
    r.scope.spawn(&counting_host::serve, &host);
    auto slow = co_await consumer::open(r.address(), "0");
    auto first = co_await consumer::open(r.address(), "0");
    auto second = co_await consumer::open(r.address(), "0");
    std::int64_t read_by_first = 0;
    std::int64_t read_by_second = 0;
    co_await tide::with_scope([&](tide::scope& inside) -> task<> {
      inside.spawn(read_on, std::ref(first), std::cref(host), std::ref(read_by_first));
      inside.spawn(read_on, std::ref(second), std::cref(host), std::ref(read_by_second));
      std::int64_t allowed = 0;
      while (r.relay.now().too_slow == 0 && allowed + step < most_events) {
        allowed += step;
        host.allow(allowed);
        co_await until([&] { return read_by_first == allowed && read_by_second == allowed; });
      }
      // The relay has given it up, or is just saying so; now it reads again.
      std::int64_t read_by_slow = 0;
      std::string last;
      while (true) {
        auto frame = co_await slow.try_next();
        if (!frame) break;
        last = std::move(*frame);
        if (decoded(last).seq) {
          EXPECT_EQ(last, host.frame(++read_by_slow));
        }
      }
      EXPECT_EQ(decoded(last).error, "ConsumerTooSlow");
      EXPECT_EQ(slow.socket().close_info().code, 1008);
      EXPECT_LT(read_by_slow, allowed);
      EXPECT_EQ(r.relay.now().too_slow, 1U);
      host.allow(allowed + step);
      co_await until([&] { return read_by_first == allowed + step && read_by_second == allowed + step; });
    });
  });
  // Spare segments were for the moment only.
  EXPECT_LE(std::filesystem::file_size(directory / "events.pool"), (4 + 4 + 1) * 256 * 1024 + 64 * 1024);
}

TEST(SlowConsumer, ThatStallsWithinTheWindowIsCutOffByTheClock) {
  const scratch directory;
  auto wanted = small_settings(directory);
  wanted.segment_bytes = 4 << 20;
  wanted.segments = 16;
  wanted.stall = std::chrono::seconds(1);
  counting_host host("did:plc:stall", filling);
  with_relay(wanted, {host.url()}, [&](running& r) -> task<> {
    r.scope.spawn(&counting_host::serve, &host);
    auto slow = co_await consumer::open(r.address(), "0");
    host.allow(most_events);
    co_await until([&] { return r.relay.now().too_slow == 1; });
    std::string last;
    while (true) {
      auto frame = co_await slow.try_next();
      if (!frame) break;
      last = std::move(*frame);
    }
    EXPECT_EQ(decoded(last).error, "ConsumerTooSlow");
  });
}

}  // namespace
