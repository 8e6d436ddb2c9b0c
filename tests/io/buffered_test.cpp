// Lines, delimiters, sizes and frames out of a stream that is cut anywhere; throttles by a clock of the test's own.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <tide/io/buffered.hpp>
#include <tide/io/copy.hpp>
#include <tide/io/duplex.hpp>
#include <tide/io/frames.hpp>
#include <tide/io/throttle.hpp>
#include <tide/runtime/combine.hpp>

#include "io/pattern.hpp"
#include "support/run.hpp"

namespace {

using namespace std::chrono_literals;
using support::patterned;
using support::run_here;
using end_type = tide::local::duplex_end;

static_assert(tide::readable_stream<tide::buffered_reader<end_type>>);
static_assert(tide::flushable_stream<tide::buffered_writer<end_type>> &&
              tide::writable_stream<tide::buffered_writer<end_type>>);
static_assert(tide::stream<tide::throttled<end_type>>);

/// Writes the text in pieces of random sizes, then ends.
tide::task<> dribble(end_type& to, std::string text, unsigned seed) {
  std::mt19937 random(seed);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t now = std::min<std::size_t>(1 + random() % 7, text.size() - at);
    if (!co_await to.write_all(std::string_view(text).substr(at, now))) co_return;
    at += now;
    if (random() % 3 == 0) co_await tide::yield();
  }
  co_await to.shutdown();
}

TEST(Lines, AreWhatStandsBetweenNewlinesHoweverTheyAreCut) {
  run_here([](tide::scope& scope) -> tide::task<> {
    const std::vector<std::string> texts{"",
                                         "\n",
                                         "a",
                                         "a\n",
                                         "a\nb",
                                         "a\r\n\r\nb\n",
                                         std::string("\0\0\n\0", 4),
                                         "\n\n\n",
                                         std::string(40'000, 'x') + "\n" + std::string(3, 'y')};
    for (const std::string& text : texts) {
      for (const unsigned seed : {1u, 2u, 3u}) {
        auto [a, b] = tide::local::duplex(1 + seed * 10);
        scope.spawn(dribble, std::ref(a), text, seed);
        tide::buffered_reader reader(b, 16);
        std::string again;
        while (true) {
          const auto line = co_await reader.line();
          EXPECT_TRUE(line);
          if (!line || !*line) break;
          EXPECT_FALSE((*line)->text.contains('\n'));
          again += std::string((*line)->text) + ((*line)->ended ? "\n" : "");
        }
        EXPECT_EQ(again, text) << "and whether the last one ended";
        co_await scope.join();
      }
    }
  });
}

TEST(Lines, ALongOneIsAnErrorAndCanBePassedOver) {
  run_here([](tide::scope& scope) -> tide::task<> {
    auto [a, b] = tide::local::duplex(100);
    scope.spawn(dribble, std::ref(a), "short\n" + std::string(20, 'x') + "\n" + std::string(21, 'y') + "\nlast", 1u);
    tide::buffered_reader reader(b, 4);
    EXPECT_EQ((co_await reader.line(20)).value()->text, "short");
    EXPECT_EQ((co_await reader.line(20)).value()->text, std::string(20, 'x')) << "as long as may be";
    EXPECT_EQ((co_await reader.line(20)).error(), tide::errc::limit_exceeded);
    EXPECT_EQ((co_await reader.line(20)).error(), tide::errc::limit_exceeded) << "nothing was lost";
    EXPECT_TRUE(co_await reader.skip_line());
    const auto last = co_await reader.line(20);
    EXPECT_EQ(last.value()->text, "last");
    EXPECT_FALSE(last.value()->ended);
    EXPECT_FALSE((co_await reader.line(20)).value());
    EXPECT_EQ((co_await reader.skip_line()).error(), tide::errc::end_of_stream);
  });
}

TEST(Lines, ACancelledReadGoesOnWhereItWas) {
  run_here([](tide::scope&) -> tide::task<> {
    auto [a, b] = tide::local::duplex(100);
    tide::buffered_reader reader(b);
    EXPECT_TRUE(co_await a.write_all("first ha"));
    EXPECT_EQ((co_await tide::timeout(1ms, reader.line())).error(), tide::errc::timed_out);
    EXPECT_TRUE(co_await a.write_all("lf\nabcdef"));
    EXPECT_EQ((co_await reader.line()).value()->text, "first half");
    EXPECT_EQ(tide::text_of((co_await reader.exactly(3)).value()), "abc");
    EXPECT_EQ((co_await tide::timeout(1ms, reader.exactly(4))).error(), tide::errc::timed_out);
    EXPECT_TRUE(co_await a.shutdown());
    EXPECT_EQ((co_await reader.exactly(4)).error(), tide::errc::end_of_stream);
    std::array<std::byte, 8> rest{};
    EXPECT_EQ((co_await reader.read_some(rest)).value(), 3u);
    EXPECT_EQ((co_await reader.read_some(rest)).value(), 0u);
  });
}

TEST(Frames, AnyBytesOfAnyLengthComeAsTheyWere) {
  run_here([](tide::scope& scope) -> tide::task<> {
    std::vector<std::string> payloads{"",
                                      ".hidden line",
                                      ".syn close connection",
                                      "AUTHKEY OK\n",
                                      "\x1egen:7\x1e",
                                      "\xac",
                                      "5\xe2\x82\xac",
                                      std::string(5, '\0'),
                                      std::string("\0\0\0\4abcd", 8)};
    std::mt19937 random(5);
    for (const std::size_t size : {1u, 255u, 256u, 32'767u, 32'768u, 65'536u, 65'537u, 1'048'576u}) {
      payloads.push_back(patterned(random(), size));
    }
    for (const std::size_t capacity : {1u, 100u, 65'536u}) {
      auto [a, b] = tide::local::duplex(capacity);
      scope.spawn(
          [](end_type& to, const std::vector<std::string>& all) -> tide::task<> {
            tide::frame_writer out(to);
            for (const std::string& each : all) EXPECT_TRUE(co_await out.write(tide::bytes_of(each)));
            EXPECT_TRUE(co_await out.flush());
            EXPECT_TRUE(co_await to.shutdown());
          },
          std::ref(a), std::cref(payloads));
      tide::frame_reader in(b);
      for (const std::string& each : payloads) {
        const auto frame = co_await in.next();
        EXPECT_TRUE(frame && *frame && tide::text_of(**frame) == each) << each.size();
      }
      const auto end = co_await in.next();
      EXPECT_TRUE(end && !*end);
      co_await scope.join();
    }
  });
}

TEST(Frames, OneAboveTheLimitIsAnErrorAndTheConnectionSurvives) {
  run_here([](tide::scope& scope) -> tide::task<> {
    auto [a, b] = tide::local::duplex(64);
    scope.spawn(
        [](end_type& to) -> tide::task<> {
          tide::frame_writer out(to, {.limit = 1000});
          EXPECT_TRUE(co_await out.write(tide::bytes_of("one")));
          EXPECT_TRUE(co_await out.write(tide::bytes_of(std::string(1000, 'x'))));
          EXPECT_EQ((co_await out.write(tide::bytes_of(std::string(1001, 'x')))).error(), tide::errc::limit_exceeded);
          EXPECT_TRUE(co_await out.write(tide::bytes_of("two")));
          EXPECT_TRUE(co_await out.flush());
          EXPECT_TRUE(co_await to.write_all(std::string_view("\0\0\0\5tor", 7)));
          EXPECT_TRUE(co_await to.shutdown());
        },
        std::ref(a));
    tide::frame_reader in(b, {.limit = 999});
    EXPECT_EQ(tide::text_of(*(co_await in.next()).value()), "one");
    EXPECT_EQ((co_await in.next()).error(), tide::errc::limit_exceeded);
    EXPECT_EQ((co_await in.next()).error(), tide::errc::limit_exceeded) << "until it is passed over";
    EXPECT_TRUE(co_await in.skip());
    EXPECT_EQ(tide::text_of(*(co_await in.next()).value()), "two");
    EXPECT_EQ((co_await in.next()).error(), tide::errc::end_of_stream) << "inside a frame";
    co_await scope.join();
  });
}

TEST(BufferedWriter, KeepsSmallPiecesTogetherAndACopyFlushesBeforeItWaits) {
  run_here([](tide::scope& scope) -> tide::task<> {
    auto [question, from] = tide::duplex(100);
    auto [to, answerer] = tide::duplex(100);
    tide::buffered_writer writer(to, 16);
    EXPECT_TRUE(co_await writer.write_all("abc"));
    EXPECT_TRUE(co_await writer.write_all("def"));
    EXPECT_EQ(to.sent().operations, 0u);
    EXPECT_TRUE(co_await writer.write_all("0123456789ab"));
    EXPECT_EQ(to.sent().bytes, 6u) << "what was there went first";
    scope.spawn(
        [](tide::duplex_end& source, tide::buffered_writer<tide::duplex_end>& sink) -> tide::task<> {
          static_cast<void>(co_await tide::copy(source, sink));
        },
        std::ref(from), std::ref(writer));
    EXPECT_TRUE(co_await question.write_all("?"));
    std::array<std::byte, 32> memory{};
    std::size_t got = 0;
    while (got < 19) got += (co_await answerer.read_some(memory)).value();  // for ever, if it kept the last byte
    EXPECT_EQ(got, 19u);
    EXPECT_TRUE(co_await question.shutdown());
    co_await scope.join();
  });
}

TEST(Throttle, KeepsThePaceOverAnyTime) {
  std::mt19937 random(3);
  for (const std::uint64_t rate : {100u, 10'000u, 5'000'000u}) {
    const std::uint64_t burst = 1 + random() % (2 * rate);
    tide::clock::time_point now{};
    const auto start = now;
    tide::token_bucket bucket({.bytes_per_second = rate, .burst = burst}, now);
    std::uint64_t moved = 0;
    for (int i = 0; i < 1000; ++i) {
      if (const auto wait = bucket.wait(now); wait > 0ns) {
        EXPECT_GT(bucket.wait(now), 0ns) << "asking changes nothing";
        now += wait;
        EXPECT_EQ(bucket.wait(now), 0ns);
      }
      const std::size_t piece = 1 + random() % burst;
      bucket.pay(piece);
      moved += piece;
      const double seconds = std::chrono::duration<double>(now - start).count();
      EXPECT_LE(static_cast<double>(moved), seconds * static_cast<double>(rate) + 2.0 * static_cast<double>(burst) + 2);
    }
    const double seconds = std::chrono::duration<double>(now - start).count();
    EXPECT_GE(static_cast<double>(moved) + static_cast<double>(burst), seconds * static_cast<double>(rate) * 0.99);
  }
}

TEST(Throttle, SeveralStreamsShareOne) {
  run_here([](tide::scope&) -> tide::task<> {
    auto [a, b] = tide::local::duplex(100'000);
    auto [c, d] = tide::local::duplex(100'000);
    tide::throttle shared({.bytes_per_second = 1'000'000, .burst = 1000});
    const auto since = tide::clock::now();
    tide::throttled first(a, shared, shared);
    tide::throttled second(c, shared, shared);
    const std::string text = patterned(0, 10'000);
    auto [one, other] = co_await tide::all(first.write_all(tide::bytes_of(text)), second.write_all(tide::bytes_of(text)));
    EXPECT_TRUE(one && other);
    EXPECT_GE(tide::clock::now() - since, 16ms) << "20,000 bytes, less a burst and a piece of each";
    EXPECT_EQ(b.unread() + d.unread(), 20'000u);
  });
}

}  // namespace
