#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/run.hpp"
#include "support/witness.hpp"

namespace {

using namespace std::chrono_literals;
using support::run_here;

tide::task<int> throw_later(const char* text, support::witness = {}) {
  co_await tide::yield();
  throw std::runtime_error(text);
  co_return 0;
}

std::string text_of(const std::exception_ptr& error) {
  try {
    if (error) std::rethrow_exception(error);
  } catch (const std::runtime_error& known) {
    return known.what();
  }
  return "nothing";
}

template <class Awaitable>
tide::task<std::string> what_comes_out(Awaitable& of) {
  std::string heard = "nothing";
  try {
    (void)co_await of;
  } catch (const std::runtime_error& error) {
    heard = error.what();
  }
  co_return heard;
}

TEST(Join, GivesTheValue) {
  run_here([](tide::scope& scope) -> tide::task<> {
    auto late = scope.spawn_joinable(
        [](int value) -> tide::task<std::unique_ptr<int>> {
          co_await tide::yield();
          co_return std::make_unique<int>(value);
        },
        4);
    EXPECT_FALSE(late.ended());
    EXPECT_EQ(**(co_await late), 4);
    EXPECT_TRUE(late.ended());
    auto early = scope.spawn_joinable([]() -> tide::task<> { co_return; });
    co_await scope.join();
    EXPECT_TRUE(early.ended());
    EXPECT_TRUE(co_await early);
    auto failed = scope.spawn_joinable([]() -> tide::task<tide::result<int>> { co_return tide::fail(tide::errc::closed); });
    EXPECT_EQ((co_await failed).error(), tide::errc::closed) << "a result stays one";
  });
}

TEST(Join, AnExceptionReachesTheJoinerAndNobodyElse) {
  run_here([](tide::scope& scope) -> tide::task<> {
    int others = 0;
    for (int i = 0; i < 10; ++i) {
      scope.spawn([&]() -> tide::task<> { others += co_await tide::sleep(1us) ? 1 : 0; });
    }
    auto waited = scope.spawn_joinable(throw_later, "to the joiner", support::witness());
    EXPECT_EQ(co_await what_comes_out(waited), "to the joiner");
    auto ended = scope.spawn_joinable(throw_later, "kept", support::witness());
    while (!ended.ended()) co_await tide::yield();
    EXPECT_EQ(co_await what_comes_out(ended), "kept");
    EXPECT_FALSE(scope.cancelled());
    co_await scope.join();
    EXPECT_EQ(others, 10);
    EXPECT_EQ(support::witness::alive(), 0);
  });
}

TEST(Join, AnExceptionThatNobodyTakesReachesTheScope) {
  for (const bool drop_first : {false, true}) {
    run_here([&](tide::scope&) -> tide::task<> {
      std::string heard;
      try {
        co_await tide::with_scope([&](tide::scope& scope) -> tide::task<> {
          auto dropped = std::make_optional(scope.spawn_joinable(throw_later, "to the scope", support::witness()));
          if (drop_first) dropped.reset();
          for (int i = 0; i < 5; ++i) co_await tide::yield();
        });
      } catch (const std::runtime_error& error) {
        heard = error.what();
      }
      EXPECT_EQ(heard, "to the scope");
    });
  }
}

TEST(Join, AHandleMayOutliveTheScope) {
  std::string reported;
  const tide::executor::options wanted{.on_exception = [&](std::exception_ptr error) { reported = text_of(error); }};
  run_here(
      [&](tide::scope&) -> tide::task<> {
        std::vector<tide::join_handle<int>> kept;
        co_await tide::with_scope([&](tide::scope& scope) -> tide::task<> {
          kept.push_back(scope.spawn_joinable([]() -> tide::task<int> { co_return 8; }));
          kept.push_back(scope.spawn_joinable(throw_later, "late", support::witness()));
          kept.push_back(scope.spawn_joinable(throw_later, "nobody", support::witness()));
          for (int i = 0; i < 5; ++i) co_await tide::yield();
        });
        EXPECT_EQ((co_await kept[0]).value(), 8);
        EXPECT_EQ(co_await what_comes_out(kept[1]), "late");
        EXPECT_EQ(reported, "");
        kept.clear();
        EXPECT_EQ(reported, "nobody");
      },
      wanted);
}

TEST(Join, ACancelledJoinerLeavesTheTaskAlone) {
  run_here([](tide::scope& scope) -> tide::task<> {
    auto slow = scope.spawn_joinable([]() -> tide::task<int> {
      EXPECT_TRUE(co_await tide::sleep(2ms));
      co_return 6;
    });
    const auto joined = [&]() -> tide::task<tide::result<int>> { co_return co_await slow; };
    EXPECT_EQ((co_await tide::timeout(1us, joined())).error(), tide::errc::timed_out);
    EXPECT_EQ((co_await slow).value(), 6) << "and may be joined again";
  });
}

TEST(Join, LeavingTheScopeCancelsAndJoinsItAllTheSame) {
  bool ended = false;
  run_here([&](tide::scope&) -> tide::task<> {
    co_await tide::with_scope([&](tide::scope& scope) -> tide::task<> {
      auto never_joined = scope.spawn_joinable([&]() -> tide::task<> {
        EXPECT_EQ((co_await tide::sleep(1h)).error(), tide::errc::canceled);
        ended = true;
      });
      co_await tide::yield();
    });
    EXPECT_TRUE(ended);
  });
}

TEST(Detach, OutlivesItsCallerAndEndsWithTheRun) {
  int ended = 0;
  run_here([&](tide::scope&) -> tide::task<> {
    auto* here = tide::executor::current();
    co_await tide::with_scope([&](tide::scope&) -> tide::task<> {
      here->detach([&]() -> tide::task<> {
        EXPECT_EQ((co_await tide::sleep(1h)).error(), tide::errc::canceled);
        co_await tide::yield();
        ++ended;
      });
      co_await tide::yield();
    });
    co_await tide::yield();
    EXPECT_EQ(ended, 0);
  });
  EXPECT_EQ(ended, 1);
}

TEST(Detach, ExceptionsGoToTheSinkAndDisturbNothing) {
  std::vector<std::string> heard;
  const tide::executor::options wanted{.on_exception = [&](std::exception_ptr error) { heard.push_back(text_of(error)); }};
  run_here(
      [&](tide::scope&) -> tide::task<> {
        auto* here = tide::executor::current();
        for (int i = 0; i < 3; ++i) {
          here->detach([]() -> tide::task<> { (void)co_await throw_later("detached"); });
          EXPECT_TRUE(co_await tide::sleep(1us));
        }
        EXPECT_FALSE(here->root().cancelled());
      },
      wanted);
  EXPECT_EQ(heard, std::vector<std::string>(3, "detached"));
}

TEST(Detach, WithoutASinkTheFirstExceptionEndsTheRun) {
  EXPECT_THROW(run_here([](tide::scope&) -> tide::task<> {
                 tide::executor::current()->detach([]() -> tide::task<> { (void)co_await throw_later("loud"); });
                 EXPECT_EQ((co_await tide::sleep(1h)).error(), tide::errc::canceled);
               }),
               std::runtime_error);
}

TEST(Detach, ASinkThatThrowsEndsTheRun) {
  const tide::executor::options wanted{.on_exception = [](const std::exception_ptr&) { throw std::runtime_error("sink"); }};
  EXPECT_THROW(run_here(
                   [](tide::scope&) -> tide::task<> {
                     tide::executor::current()->detach([]() -> tide::task<> { (void)co_await throw_later("task"); });
                     EXPECT_EQ((co_await tide::sleep(1h)).error(), tide::errc::canceled);
                   },
                   wanted),
               std::runtime_error);
}

}  // namespace
