// What the two ends of a duplex promise each other: order, limits, ends, errors, cancels, and turns for others.
#include <gtest/gtest.h>

#include <array>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <tide/io/duplex.hpp>
#include <tide/runtime/combine.hpp>

#include "io/outcome.hpp"
#include "io/pattern.hpp"
#include "support/allocations.hpp"
#include "support/run.hpp"

namespace {

using namespace std::chrono_literals;
using support::error_of;
using support::fits;
using support::patterned;
using support::run_here;
using support::size_of;
using support::value_of;

struct kinds {
  template <class End>
  static std::string GetName(int) {
    return std::is_same_v<End, tide::local::duplex_end> ? "Local" : "Shared";
  }
};
template <class End>
class Duplex : public testing::Test {};
using ends = testing::Types<tide::local::duplex_end, tide::duplex_end>;
TYPED_TEST_SUITE(Duplex, ends, kinds);

static_assert(tide::stream<tide::duplex_end> && tide::stream<tide::local::duplex_end>);
static_assert(!std::copy_constructible<tide::duplex_end>);

template <class End>
tide::task<> write_pattern(End& to, std::size_t size, std::size_t piece) {
  const std::string text = patterned(0, size);
  for (std::size_t at = 0; at < size; at += piece) {
    EXPECT_TRUE(co_await to.write_all(std::string_view(text).substr(at, piece)));
  }
  EXPECT_TRUE(co_await to.shutdown());
}

/// Reads to the end in pieces of at most `piece`; the number of bytes, all in place.
template <class End>
tide::task<std::size_t> count_to_end(End& from, std::size_t piece) {
  std::vector<std::byte> memory(piece);
  for (std::size_t got = 0;;) {
    const auto size = co_await from.read_some(memory);
    EXPECT_TRUE(size) << size.error().message();
    if (!size || *size == 0) co_return got;
    EXPECT_TRUE(fits(got, std::span(memory).first(*size))) << "at " << got;
    got += *size;
  }
}

TYPED_TEST(Duplex, ZeroCapacityAndImpossibleMarksAreRejected) {
  const auto make = [](const tide::duplex_options& wanted) { static_cast<void>(TypeParam::make(wanted)); };
  EXPECT_THROW(make({.capacity = 0}), std::invalid_argument);
  EXPECT_THROW(make({.capacity = 8, .resume_at = 8}), std::invalid_argument);
  EXPECT_THROW(make({.capacity = 8, .capacity_back = 4, .resume_at = 4}), std::invalid_argument);
  EXPECT_NO_THROW(make({.capacity = 8, .resume_at = 7}));
}

TYPED_TEST(Duplex, AnyWriteOfAnySizeArrivesInOrderWithinTheCapacity) {
  run_here([](tide::scope& scope) -> tide::task<> {
    for (const std::size_t capacity : {1u, 2u, 7u, 4096u}) {
      for (const std::size_t piece : {std::size_t{1}, capacity, capacity + 1, 3 * capacity, std::size_t{20'000}}) {
        for (const std::size_t read : {std::size_t{1}, capacity + 3}) {
          auto [a, b] = TypeParam::make({.capacity = capacity});
          scope.spawn([](TypeParam& to, std::size_t size) { return write_pattern(to, 20'000, size); }, std::ref(a), piece);
          EXPECT_EQ(co_await count_to_end(b, read), 20'000u);
          EXPECT_LE(a.sent().peak, capacity);
          EXPECT_EQ(a.sent().bytes, b.received().bytes);
          co_await scope.join();
        }
      }
    }
  });
}

TYPED_TEST(Duplex, AWriterThatWaitedGoesOnAtTheMark) {
  run_here([](tide::scope& scope) -> tide::task<> {
    auto [a, b] = TypeParam::make({.capacity = 100, .resume_at = 25});
    scope.spawn([](TypeParam& to) { return write_pattern(to, 1000, 1000); }, std::ref(a));
    co_await tide::yield();
    std::array<std::byte, 74> most{};
    EXPECT_EQ(value_of(co_await b.read_some(most)), 74u);
    for (int i = 0; i < 3; ++i) co_await tide::yield();
    EXPECT_EQ(a.sent().bytes, 100u) << "26 bytes are inside, and 25 are the mark";
    EXPECT_EQ(value_of(co_await b.read_some(std::span(most).first(1))), 1u);
    for (int i = 0; i < 3; ++i) co_await tide::yield();
    EXPECT_EQ(a.sent().bytes, 175u);
    std::vector<std::byte> rest(1000);
    for (std::size_t got = 75; got < 1000;) got += value_of(co_await b.read_some(rest));
    co_await scope.join();
  });
}

TYPED_TEST(Duplex, TheEndComesAfterTheBytesAndStays) {
  run_here([](tide::scope&) -> tide::task<> {
    auto [a, b] = TypeParam::make({.capacity = 100});
    EXPECT_TRUE(co_await a.write_all(patterned(0, 10)));
    EXPECT_TRUE(co_await a.shutdown());
    EXPECT_TRUE(co_await a.shutdown()) << "again changes nothing";
    EXPECT_EQ(error_of(co_await a.write_all("more")), tide::errc::closed);
    EXPECT_EQ(co_await count_to_end(b, 3), 10u);
    std::array<std::byte, 4> memory{};
    for (int i = 0; i < 3; ++i) EXPECT_EQ(value_of(co_await b.read_some(memory)), 0u);
    EXPECT_TRUE(value_of(co_await b.peek()).empty());
    EXPECT_TRUE(co_await b.write_all("the other way is open"));
    EXPECT_EQ(value_of(co_await a.read_some(memory)), 4u);
  });
}

TYPED_TEST(Duplex, ErrorsComeAfterTheBytesAndToWritersAtOnce) {
  run_here([](tide::scope&) -> tide::task<> {
    const auto why = std::make_error_code(std::errc::no_space_on_device);
    auto [a, b] = TypeParam::make({.capacity = 10});
    EXPECT_TRUE(co_await a.write_all("abc"));
    EXPECT_TRUE(co_await b.write_all("0123456789"));
    auto [given, written] = co_await tide::all(
        [](TypeParam& end, std::error_code code) -> tide::task<tide::result<>> {
          co_await end.close(code);
          co_return tide::result<>{};
        }(a, why),
        b.write_all("does not fit"));
    EXPECT_EQ(written.error(), why) << "the pending write";
    EXPECT_EQ(error_of(co_await b.write_all("x")), why) << "and later ones";
    std::array<std::byte, 8> memory{};
    EXPECT_EQ(value_of(co_await b.read_some(memory)), 3u);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(error_of(co_await b.read_some(memory)), why);
    EXPECT_EQ(error_of(co_await b.peek()), why);
    EXPECT_EQ(error_of(co_await b.reserve()), why);
    EXPECT_EQ(error_of(co_await a.read_some(memory)), tide::errc::closed);
  });
}

TYPED_TEST(Duplex, AnEndThatGoesBreaksThePipeAndWakesEverybody) {
  run_here([](tide::scope& scope) -> tide::task<> {
    auto [a, b] = TypeParam::make({.capacity = 4});
    EXPECT_TRUE(co_await b.write_all("full"));
    int woken = 0;
    scope.spawn(
        [](TypeParam& end, int& count) -> tide::task<> {
          std::array<std::byte, 4> memory{};
          EXPECT_EQ(error_of(co_await end.read_some(memory)), std::errc::broken_pipe);
          ++count;
        },
        std::ref(b), std::ref(woken));
    scope.spawn(
        [](TypeParam& end, int& count) -> tide::task<> {
          EXPECT_EQ(error_of(co_await end.write_all("more")), std::errc::broken_pipe);
          ++count;
        },
        std::ref(b), std::ref(woken));
    co_await tide::yield();
    {
      const TypeParam gone = std::move(a);
    }
    co_await scope.join();
    EXPECT_EQ(woken, 2);
  });
}

TYPED_TEST(Duplex, ClosingEndsWhatWaitsAtThisEndAndIsClean) {
  run_here([](tide::scope& scope) -> tide::task<> {
    auto [a, b] = TypeParam::make({.capacity = 4});
    scope.spawn(
        [](TypeParam& end) -> tide::task<> {
          std::array<std::byte, 4> memory{};
          EXPECT_EQ(error_of(co_await end.read_some(memory)), tide::errc::canceled);
        },
        std::ref(a));
    scope.spawn(
        [](TypeParam& end) -> tide::task<> {
          EXPECT_EQ(error_of(co_await end.write_all("too much for it")), tide::errc::canceled);
        },
        std::ref(a));
    co_await tide::yield();
    co_await a.close();
    co_await scope.join();
    std::array<std::byte, 16> memory{};
    EXPECT_EQ(value_of(co_await b.read_some(memory)), 4u);
    EXPECT_EQ(value_of(co_await b.read_some(memory)), 0u) << "a clean end";
    EXPECT_EQ(error_of(co_await b.write_all("x")), std::errc::broken_pipe);
  });
}

TYPED_TEST(Duplex, ACancelledReadTakesNothingAndACancelledWriteTellsWhatItGave) {
  run_here([](tide::scope&) -> tide::task<> {
    auto [a, b] = TypeParam::make({.capacity = 8});
    std::array<std::byte, 16> memory{};
    EXPECT_EQ(error_of(co_await tide::timeout(1ms, b.read_some(memory))), tide::errc::timed_out);
    EXPECT_EQ(error_of(co_await tide::timeout(1ms, b.peek())), tide::errc::timed_out);
    EXPECT_EQ(error_of(co_await tide::timeout(1ms, a.write_all("0123456789ab"))), tide::errc::timed_out);
    EXPECT_EQ(a.sent().bytes, 8u);
    EXPECT_EQ(error_of(co_await tide::timeout(1ms, a.write_some(tide::bytes_of("z")))), tide::errc::timed_out);
    EXPECT_EQ(error_of(co_await tide::timeout(1ms, a.reserve())), tide::errc::timed_out);
    EXPECT_EQ(a.sent().bytes, 8u);
    EXPECT_EQ(value_of(co_await b.read_some(memory)), 8u);
    EXPECT_EQ(tide::text_of(std::span(memory).first(8)), "01234567");
    EXPECT_TRUE(co_await a.write_all("89ab"));
    EXPECT_EQ(value_of(co_await b.read_some(memory)), 4u) << "goes on where it stopped";
    EXPECT_EQ(tide::text_of(std::span(memory).first(4)), "89ab");
  });
}

TYPED_TEST(Duplex, AnEndThatNeverWaitsLetsOthersRun) {
  run_here([](tide::scope& scope) -> tide::task<> {
    auto [a, b] = TypeParam::make({.capacity = 100'000});
    int turns = 0;
    scope.spawn(
        [](tide::scope& until, int& count) -> tide::task<> {
          while (!until.cancelled()) {
            ++count;
            co_await tide::yield();
          }
        },
        std::ref(scope), std::ref(turns));
    co_await tide::yield();
    const int before = turns;
    for (int i = 0; i < 640; ++i) EXPECT_TRUE(co_await a.write_all("x"));
    EXPECT_GE(turns - before, 9) << "every 64 operations";
    std::vector<std::byte> memory(64 * 1024);
    const int between = turns;
    for (int i = 0; i < 16; ++i) {
      EXPECT_TRUE(co_await a.write_all(memory));
      while (b.unread() > 0) EXPECT_TRUE(co_await b.read_some(memory));
    }
    EXPECT_GE(turns - between, 7) << "every 256 KiB of each side";
    scope.cancel();
    co_await scope.join();
  });
}

TYPED_TEST(Duplex, ATimerFiresWhileAPipeIsSaturated) {
  run_here([](tide::scope& scope) -> tide::task<> {
    auto [a, b] = TypeParam::make({.capacity = 64 * 1024});
    bool stop = false;
    scope.spawn(
        [](TypeParam& to, const bool& done) -> tide::task<> {
          const std::vector<std::byte> chunk(1000);
          while (!done) EXPECT_TRUE(co_await to.write_all(chunk));
          EXPECT_TRUE(co_await to.shutdown());
        },
        std::ref(a), std::cref(stop));
    scope.spawn(
        [](TypeParam& from) -> tide::task<> {
          std::vector<std::byte> memory(1000);
          while (size_of(co_await from.read_some(memory)) > 0) {
          }
        },
        std::ref(b));
    EXPECT_TRUE(co_await tide::sleep(1ms));
    stop = true;  // it would go on for ever, had the timer not been looked at
    co_await scope.join();
  });
}

TYPED_TEST(Duplex, PiecesAreWhereTheBytesLie) {
  run_here([](tide::scope&) -> tide::task<> {
    auto [a, b] = TypeParam::make({.capacity = 13});
    std::mt19937 random(7);
    std::size_t put = 0;
    std::size_t got = 0;
    std::size_t wraps = 0;
    while (got < 5000) {
      if (a.unsent() < 13) {
        const auto room = value_of(co_await a.reserve()).up_to(1 + random() % 13);
        EXPECT_LE(room.size(), 13 - a.unsent());
        for (const auto piece : {room.first, room.second}) {
          for (std::byte& each : piece) each = static_cast<std::byte>(support::pattern(put++));
        }
        wraps += room.second.empty() ? 0 : 1;
        a.commit(room.size());
      }
      if (random() % 3 != 0 && b.unread() > 0) {
        const auto all = value_of(co_await b.peek());
        EXPECT_EQ(all.size(), b.unread());
        const auto some = all.up_to(1 + random() % 13);
        EXPECT_TRUE(fits(got, some.first));
        EXPECT_TRUE(fits(got + some.first.size(), some.second));
        got += some.size();
        b.consume(some.size());
      }
    }
    EXPECT_GT(wraps, 10u);
    EXPECT_EQ(put, got + b.unread());
  });
}

TYPED_TEST(Duplex, NothingIsAllocatedOnceItIsMade) {
  run_here([](tide::scope& scope) -> tide::task<> {
    auto [a, b] = TypeParam::make({.capacity = 1000});
    std::vector<std::byte> memory(1000);
    scope.spawn(
        [](TypeParam& end) -> tide::task<> {
          std::vector<std::byte> mine(1000);
          for (auto size = co_await end.read_some(mine); size && *size > 0; size = co_await end.read_some(mine)) {
            EXPECT_TRUE(co_await end.write_all(std::span(mine).first(*size)));
          }
        },
        std::ref(b));
    EXPECT_TRUE(co_await a.write_all("warm"));
    EXPECT_TRUE(co_await a.read_some(memory));
    const support::allocations counted;
    for (int i = 0; i < 1000; ++i) {
      EXPECT_TRUE(co_await a.write_all(std::span(memory).first(1 + static_cast<std::size_t>(i) % 900)));
      EXPECT_TRUE(co_await a.read_some(memory));
    }
    EXPECT_EQ(counted.so_far(), 0u);
    EXPECT_TRUE(co_await a.shutdown());
  });
}

}  // namespace
