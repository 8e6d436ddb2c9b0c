#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include <tide/runtime/combine.hpp>

#include "support/run.hpp"
#include "support/witness.hpp"

namespace {

using namespace std::chrono_literals;
using support::run_here;

tide::task<int> give(int value, int yields = 0) {
  for (int i = 0; i < yields; ++i) co_await tide::yield();
  co_return value;
}
tide::task<tide::result<int>> try_to(tide::result<int> outcome, int yields) {
  for (int i = 0; i < yields; ++i) co_await tide::yield();
  co_return outcome;
}
tide::task<int> throw_after(const char* text, int yields) {
  for (int i = 0; i < yields; ++i) co_await tide::yield();
  throw std::runtime_error(text);
  co_return 0;
}
/// Waits for a request, then takes a few turns to end.
tide::task<tide::result<int>> stubborn(int& ended, support::witness = {}) {
  const auto slept = co_await tide::sleep(1h);
  for (int i = 0; i < 5; ++i) co_await tide::yield();
  ++ended;
  if (!slept) co_return tide::fail(slept.error());
  co_return 1;
}
/// Ends well although it was asked to stop: the result was faster.
tide::task<tide::result<std::unique_ptr<int>>> faster_than_the_request(int value) {
  (void)co_await tide::sleep(1h);
  co_return std::make_unique<int>(value);
}

TEST(All, GivesEveryValueInItsPlace) {
  run_here([](tide::scope&) -> tide::task<> {
    const auto nothing = []() -> tide::task<> { co_return; };
    auto [number, text, slept, silence] = co_await tide::all(
        give(1, 3), [](std::string s) -> tide::task<std::string> { co_return s; }("two"), tide::sleep(1us), nothing());
    EXPECT_EQ(number, 1);
    EXPECT_EQ(text, "two");
    EXPECT_TRUE(slept);
    EXPECT_EQ(silence, std::monostate());
    const auto one = co_await tide::all(give(7));
    EXPECT_EQ(one, std::tuple(7));
  });
}

TEST(All, OfARange) {
  run_here([](tide::scope&) -> tide::task<> {
    std::vector<tide::task<int>> tasks;
    for (int i = 0; i < 100; ++i) tasks.push_back(give(i, 100 - i));
    const auto values = co_await tide::all(std::move(tasks));
    EXPECT_EQ(values.size(), 100u);
    for (int i = 0; i < static_cast<int>(values.size()); ++i) EXPECT_EQ(values[static_cast<std::size_t>(i)], i);
    const auto of_nothing = co_await tide::all(std::vector<tide::task<int>>());
    EXPECT_TRUE(of_nothing.empty());
  });
}

TEST(All, RunsThemConcurrently) {
  run_here([](tide::scope&) -> tide::task<> {
    std::string order;
    const auto note = [&](char name) -> tide::task<> {
      for (int i = 0; i < 3; ++i) {
        order += name;
        co_await tide::yield();
      }
    };
    co_await tide::all(note('a'), note('b'));
    EXPECT_EQ(order, "ababab");
  });
}

TEST(All, TheFirstErrorCancelsAndJoinsTheOthers) {
  int ended = 0;
  run_here([&](tide::scope&) -> tide::task<> {
    auto [failed, waited, done] = co_await tide::all(try_to(tide::fail(tide::errc::malformed), 2), stubborn(ended), give(3));
    EXPECT_EQ(failed.error(), tide::errc::malformed);
    EXPECT_EQ(waited.error(), tide::errc::canceled);
    EXPECT_EQ(done, 3);
    EXPECT_EQ(ended, 1);
    EXPECT_TRUE(co_await tide::sleep(1us)) << "the caller itself is not cancelled";
  });
}

TEST(All, TheFirstExceptionCancelsJoinsAndComesOut) {
  int ended = 0;
  run_here([&](tide::scope&) -> tide::task<> {
    std::string heard;
    try {
      co_await tide::all(throw_after("second", 4), stubborn(ended), throw_after("first", 2));
    } catch (const std::runtime_error& error) {
      heard = error.what();
    }
    EXPECT_EQ(heard, "first");
    EXPECT_EQ(ended, 1);
    EXPECT_EQ(support::witness::alive(), 0);
  });
}

TEST(Race, TheFirstThatEndsCancelsAndJoinsTheOthers) {
  int ended = 0;
  run_here([&](tide::scope&) -> tide::task<> {
    auto [first, given] = co_await tide::race(stubborn(ended), give(2, 3), stubborn(ended));
    EXPECT_EQ(first, 1u);
    EXPECT_EQ(std::get<1>(given), 2);
    EXPECT_EQ(std::get<0>(given).error(), tide::errc::canceled);
    EXPECT_EQ(ended, 2);
    EXPECT_EQ(support::witness::alive(), 0);
    auto failed = co_await tide::race(try_to(tide::fail(tide::errc::closed), 1), stubborn(ended));
    EXPECT_EQ(failed.first, 0u) << "an end is an end, well or not";
  });
}

TEST(Race, AResultThatArrivedMeanwhileIsDelivered) {
  run_here([](tide::scope&) -> tide::task<> {
    auto [first, given] = co_await tide::race(faster_than_the_request(5), give(1));
    EXPECT_EQ(first, 1u);
    EXPECT_EQ(**std::get<0>(given), 5);
  });
}

TEST(Race, OfARange) {
  int ended = 0;
  run_here([&](tide::scope&) -> tide::task<> {
    std::vector<tide::task<tide::result<int>>> tasks;
    for (int i = 0; i < 50; ++i) tasks.push_back(i == 30 ? try_to(30, 5) : stubborn(ended));
    auto [first, given] = co_await tide::race(std::move(tasks));
    EXPECT_EQ(first, 30u);
    EXPECT_EQ(given[30], 30);
    EXPECT_EQ(ended, 49);
    const auto of_nothing = co_await tide::race(std::vector<tide::task<int>>());
    EXPECT_EQ(of_nothing.first, tide::none);
  });
}

TEST(Race, AnExceptionOfALoserIsNotSwallowed) {
  run_here([](tide::scope&) -> tide::task<> {
    const auto throw_when_cancelled = []() -> tide::task<> {
      (void)co_await tide::sleep(1h);
      throw std::runtime_error("loser");
    };
    bool caught = false;
    try {
      co_await tide::race(give(1), throw_when_cancelled());
    } catch (const std::runtime_error&) {
      caught = true;
    }
    EXPECT_TRUE(caught);
  });
}

TEST(Any, TheFirstThatSucceeds) {
  int ended = 0;
  run_here([&](tide::scope&) -> tide::task<> {
    auto [first, given] =
        co_await tide::any(try_to(tide::fail(tide::errc::closed), 1), try_to(2, 5), stubborn(ended), try_to(4, 100));
    EXPECT_EQ(first, 1u);
    EXPECT_EQ(std::get<0>(given).error(), tide::errc::closed);
    EXPECT_EQ(std::get<1>(given), 2);
    EXPECT_EQ(std::get<2>(given).error(), tide::errc::canceled);
    EXPECT_EQ(ended, 1);
  });
}

TEST(Any, NobodySucceeds) {
  run_here([](tide::scope&) -> tide::task<> {
    std::vector<tide::task<tide::result<int>>> tasks;
    for (int i = 0; i < 3; ++i) tasks.push_back(try_to(tide::fail(tide::errc::closed), i));
    const auto [first, given] = co_await tide::any(std::move(tasks));
    EXPECT_EQ(first, tide::none);
    for (const auto& each : given) EXPECT_EQ(each.error(), tide::errc::closed);
  });
}

TEST(Combined, ACancelFromOutsideReachesAllOfThem) {
  int ended = 0;
  run_here([&](tide::scope& scope) -> tide::task<> {
    scope.spawn([&]() -> tide::task<> {
      auto [first, given] = co_await tide::race(stubborn(ended), stubborn(ended));
      EXPECT_EQ(std::get<0>(given).error(), tide::errc::canceled);
      EXPECT_EQ(std::get<1>(given).error(), tide::errc::canceled);
    });
    scope.spawn([&]() -> tide::task<> {
      auto timed = co_await tide::timeout(1h, [](int& count) -> tide::task<tide::result<>> {
        auto [one, two] = co_await tide::all(stubborn(count), stubborn(count));
        EXPECT_FALSE(two);
        co_return one.transform([](int) {});
      }(ended));
      EXPECT_EQ(timed.error(), tide::errc::canceled);
    });
    co_await tide::yield();
    co_await tide::yield();
    co_await tide::yield();
    scope.cancel();
    co_await scope.join();
    EXPECT_EQ(ended, 4);
  });
}

TEST(Shield, GoesOnToItsEndAndIsJoined) {
  bool saved = false;
  run_here([&](tide::scope& scope) -> tide::task<> {
    const auto save = [&]() -> tide::task<tide::result<int>> {
      for (int i = 0; i < 3; ++i) {
        if (auto slept = co_await tide::sleep(1us); !slept) co_return tide::fail(slept.error());
      }
      saved = true;
      co_return 3;
    };
    scope.spawn([&]() -> tide::task<> {
      const auto given = co_await tide::shield(save());
      EXPECT_EQ(given, 3);
      EXPECT_EQ((co_await tide::sleep(1h)).error(), tide::errc::canceled) << "outside of the shield the request counts";
    });
    co_await tide::yield();
    scope.cancel();
    co_await scope.join();
    EXPECT_TRUE(saved);
    EXPECT_EQ((co_await tide::shield(tide::timeout(1us, tide::sleep(1h)))).error(), tide::errc::timed_out);
  });
}

TEST(Shield, TheEndOfTheExecutorWaitsForIt) {
  bool saved = false;
  run_here([&](tide::scope& scope) -> tide::task<> {
    scope.spawn([](bool& done) -> tide::task<> {
      co_await tide::shield([](bool& d) -> tide::task<> {
        EXPECT_TRUE(co_await tide::sleep(100us));
        d = true;
      }(done));
    }(saved));
    co_return;
  });
  EXPECT_TRUE(saved);
}

}  // namespace
