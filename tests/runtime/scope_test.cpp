#include <gtest/gtest.h>

#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/run.hpp"
#include "support/witness.hpp"

namespace {

using namespace std::chrono_literals;
using support::run_here;

/// Sleeps until it is cancelled, and takes two more turns to end.
tide::task<> stubborn(int& ended, support::witness = {}) {
  const auto slept = co_await tide::sleep(1h);
  EXPECT_EQ(slept.error(), tide::errc::canceled);
  co_await tide::yield();
  co_await tide::yield();
  ++ended;
}

TEST(Scope, LeavingCancelsAndJoins) {
  int ended = 0;
  run_here([&](tide::scope&) -> tide::task<> {
    co_await tide::with_scope([&](tide::scope& scope) -> tide::task<> {
      for (int i = 0; i < 10; ++i) scope.spawn(stubborn(ended));
      EXPECT_EQ(scope.size(), 10u);
      co_await tide::yield();
    });
    EXPECT_EQ(ended, 10);
    EXPECT_EQ(support::witness::alive(), 0);
  });
}

TEST(Scope, LeavingByExceptionCancelsAndJoins) {
  int ended = 0;
  run_here([&](tide::scope&) -> tide::task<> {
    bool caught = false;
    try {
      co_await tide::with_scope([&](tide::scope& scope) -> tide::task<int> {
        scope.spawn(stubborn(ended));
        co_await tide::yield();
        throw std::runtime_error("out");
        co_return 1;
      });
    } catch (const std::runtime_error&) {
      caught = true;
    }
    EXPECT_TRUE(caught);
    EXPECT_EQ(ended, 1);
  });
}

TEST(Scope, CancelThenJoin) {
  int ended = 0;
  run_here([&](tide::scope& scope) -> tide::task<> {
    for (int i = 0; i < 3; ++i) scope.spawn(stubborn, std::ref(ended), support::witness());
    co_await tide::yield();
    scope.cancel();
    scope.cancel();
    EXPECT_TRUE(scope.cancelled());
    EXPECT_EQ(ended, 0) << "cancel only asks";
    co_await scope.join();
    EXPECT_EQ(ended, 3);
    EXPECT_EQ(scope.size(), 0u);
  });
}

TEST(Scope, GivesTheValueOfItsBody) {
  int ended = 0;
  const auto given = run_here([&](tide::scope&) -> tide::task<std::unique_ptr<int>> {
    co_return co_await tide::with_scope([&](tide::scope& scope) -> tide::task<std::unique_ptr<int>> {
      scope.spawn(stubborn(ended));
      co_return std::make_unique<int>(5);
    });
  });
  EXPECT_EQ(*given, 5);
  EXPECT_EQ(ended, 1);
}

tide::task<std::string> what_comes_out(auto body) {
  std::string heard = "nothing";
  try {
    co_await tide::with_scope(std::move(body));
  } catch (const std::runtime_error& error) {
    heard = error.what();
  }
  co_return heard;
}

tide::task<> throw_when_cancelled(const char* text) {
  (void)co_await tide::sleep(1h);
  throw std::runtime_error(text);
}

TEST(Scope, TheFirstExceptionOfAChildCancelsTheOthersAndComesOut) {
  EXPECT_EQ(run_here([](tide::scope&) -> tide::task<std::string> {
              co_return co_await what_comes_out([](tide::scope& scope) -> tide::task<> {
                scope.spawn(throw_when_cancelled, "second");
                scope.spawn([]() -> tide::task<> {
                  co_await tide::yield();
                  throw std::runtime_error("first");
                });
                (void)co_await tide::sleep(1h);  // the body is cancelled too
                throw std::runtime_error("third");
              });
            }),
            "first");
}

TEST(Scope, TheExceptionOfTheBodyComesOutIfItWasFirst) {
  EXPECT_EQ(run_here([](tide::scope&) -> tide::task<std::string> {
              co_return co_await what_comes_out([](tide::scope& scope) -> tide::task<> {
                scope.spawn(throw_when_cancelled, "second");
                co_await tide::yield();
                throw std::runtime_error("first");
              });
            }),
            "first");
}

TEST(Scope, JoinRethrows) {
  run_here([](tide::scope&) -> tide::task<> {
    co_await tide::with_scope([](tide::scope& scope) -> tide::task<> {
      scope.spawn([]() -> tide::task<> {
        throw std::runtime_error("child");
        co_return;
      });
      bool caught = false;
      try {
        co_await scope.join();
      } catch (const std::runtime_error&) {
        caught = true;
      }
      EXPECT_TRUE(caught);
    });  // it was handled: nothing comes out
  });
}

TEST(Scope, SpawnOwnsCallableAndArguments) {
  // The trap: the frame of a coroutine lambda points to the lambda, which is gone before the task begins.
  run_here([](tide::scope& scope) -> tide::task<> {
    std::vector<std::string> seen;
    {
      std::string captured(100, 'c');
      std::string argument(100, 'a');
      scope.spawn(
          [captured, &seen](const std::string& by_reference, std::string by_value) -> tide::task<> {
            co_await tide::yield();
            seen = {captured, by_reference, std::move(by_value)};
          },
          argument, std::string(100, 'v'));
      captured.assign(200, 'x');
      argument.assign(200, 'y');
    }
    co_await scope.join();
    EXPECT_EQ(seen, (std::vector{std::string(100, 'c'), std::string(100, 'a'), std::string(100, 'v')}));
    int counter = 0;
    scope.spawn(
        [](int& by_reference, std::unique_ptr<int> moved) -> tide::task<> {
          by_reference = *moved;
          co_return;
        },
        std::ref(counter), std::make_unique<int>(9));
    co_await scope.join();
    EXPECT_EQ(counter, 9);
  });
}

TEST(Scope, InACancelledScopeTasksRunAndTheirWaitsEndAtOnce) {
  run_here([](tide::scope& scope) -> tide::task<> {
    scope.cancel();
    bool ran = false;
    scope.spawn([&]() -> tide::task<> {
      EXPECT_EQ((co_await tide::sleep(1h)).error(), tide::errc::canceled);
      co_await tide::with_scope([&](tide::scope& inner) -> tide::task<> {
        EXPECT_TRUE(inner.cancelled());
        EXPECT_EQ((co_await tide::timeout(1h, tide::sleep(1h))).error(), tide::errc::canceled);
      });
      ran = true;
    });
    co_await scope.join();
    EXPECT_TRUE(ran);
  });
}

TEST(Scope, CancelReachesThroughCallsAndInnerScopes) {
  int ended = 0;
  run_here([&](tide::scope& scope) -> tide::task<> {
    scope.spawn([&]() -> tide::task<> {
      co_await tide::with_scope([&](tide::scope& inner) -> tide::task<> {
        inner.spawn(stubborn(ended));
        co_await inner.join();
      });
      ++ended;
    });
    co_await tide::yield();
    co_await tide::yield();
    scope.cancel();
    co_await scope.join();
  });
  EXPECT_EQ(ended, 2);
}

TEST(Scope, AHundredThousandTasks) {
  int ended = 0;
  run_here([&](tide::scope& scope) -> tide::task<> {
    for (int i = 0; i < 1'000; ++i) {
      for (int k = 0; k < 100; ++k) {
        scope.spawn([&ended]() -> tide::task<> {
          ++ended;
          co_return;
        });
      }
      co_await scope.join();
    }
  });
  EXPECT_EQ(ended, 100'000);
}

/// Stops whoever copies it, in the midst of a spawn, until it may go on.
struct copied_slowly {
  std::latch* reached;
  std::latch* go_on;
  copied_slowly(std::latch& at, std::latch& until) : reached(&at), go_on(&until) {}
  copied_slowly(const copied_slowly& other) : reached(other.reached), go_on(other.go_on) {
    reached->count_down();
    go_on->wait();
  }
  copied_slowly(copied_slowly&&) = default;
  copied_slowly& operator=(copied_slowly&&) = delete;
  ~copied_slowly() = default;
};

// With a lock that all executors share, the second one would never come to its end.
TEST(Scope, SpawnsWhileAnotherExecutorIsInTheMidstOfASpawn) {
  std::latch reached(1);
  std::latch go_on(1);
  std::thread other([&] {
    run_here([&](tide::scope& scope) -> tide::task<> {
      const copied_slowly argument(reached, go_on);
      scope.spawn([](copied_slowly) -> tide::task<> { co_return; }, argument);
      co_await scope.join();
    });
  });
  reached.wait();
  int done = 0;
  run_here([&](tide::scope& scope) -> tide::task<> {
    for (int i = 0; i < 1000; ++i) scope.spawn([&done]() -> tide::task<> { co_return static_cast<void>(++done); });
    for (int i = 0; i < 1000; ++i) {
      scope.node().home().handle().spawn([&done]() -> tide::task<> { co_return static_cast<void>(++done); });
    }
    while (done < 2000) co_await tide::yield();
  });
  EXPECT_EQ(done, 2000);
  go_on.count_down();
  other.join();
}

}  // namespace
