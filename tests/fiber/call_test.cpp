// What a fiber gives to who calls or joins it, and what it is given by what it awaits.
#include <gtest/gtest.h>

#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <tide/runtime/blocking.hpp>
#include <tide/runtime/fiber.hpp>

#include "support/event.hpp"
#include "support/run.hpp"
#include "support/sanitizers.hpp"
#include "support/witness.hpp"

namespace {

using namespace std::chrono_literals;
using support::run_here;
namespace fiber = tide::fiber;

tide::task<int> later(int value) {
  co_await tide::yield();
  co_return value;
}

/// Waits in the middle of plain functions.
int sum_of_later(int depth) { return depth == 0 ? 0 : fiber::await(later(depth)) + sum_of_later(depth - 1); }

TEST(FiberCall, GivesTheValueOfAFunctionThatWaitsDeepDown) {
  EXPECT_EQ(run_here([](tide::scope&) -> tide::task<int> { co_return co_await fiber::call(sum_of_later, 10); }), 55);
}

TEST(FiberCall, ValuesThatCanOnlyMove) {
  auto got = run_here([](tide::scope&) -> tide::task<std::unique_ptr<int>> {
    auto given = std::make_unique<int>(20);
    co_return co_await fiber::call(
        [](std::unique_ptr<int> value) {
          *value += fiber::await(later(22));
          return value;
        },
        std::move(given));
  });
  EXPECT_EQ(*got, 42);
}

TEST(FiberCall, KeepsCallableAndArgumentsUntilItEnds) {
  run_here([](tide::scope&) -> tide::task<> {
    int changed = 0;
    co_await fiber::call(
        [here = support::witness()](const std::string& text, int& number, const support::witness&) {
          fiber::yield();
          EXPECT_EQ(text, "a text too long to stand inside of a string");
          EXPECT_GE(support::witness::alive(), 2);
          number = 7;
        },
        "a text too long to stand inside of a string", std::ref(changed), support::witness());
    EXPECT_EQ(changed, 7);
    EXPECT_EQ(support::witness::alive(), 0);
  });
}

TEST(FiberCall, ATaskThatNobodyBeginsFreesWhatItHolds) {
  {
    auto never = fiber::call([](const support::witness&) { ADD_FAILURE() << "nobody awaited it"; }, support::witness());
    EXPECT_EQ(support::witness::alive(), 1);
  }
  EXPECT_EQ(support::witness::alive(), 0);
}

TEST(FiberCall, ExceptionsTravelToTheJoiner) {
  run_here([](tide::scope&) -> tide::task<> {
    const auto fails = [](const char* text) -> int {
      const support::witness here;
      fiber::yield();
      throw std::runtime_error(text);
    };
    std::string heard;
    try {
      (void)co_await fiber::call(fails, "from a fiber");
    } catch (const std::runtime_error& error) {
      heard = error.what();
    }
    EXPECT_EQ(heard, "from a fiber");
    EXPECT_EQ(support::witness::alive(), 0);
    heard = co_await fiber::call([fails] {
      try {
        return std::to_string(fiber::await(fiber::call(fails, "from one below")));
      } catch (const std::runtime_error& error) {
        return std::string(error.what());
      }
    });
    EXPECT_EQ(heard, "from one below");
  });
}

TEST(FiberCall, AnExceptionOfASpawnedFiberCancelsItsScope) {
  const auto main = [](tide::scope&) -> tide::task<> {
    co_await tide::with_scope([](tide::scope& scope) -> tide::task<> {
      fiber::spawn(scope, [] { EXPECT_EQ(fiber::await(tide::sleep(10h)).error(), tide::errc::canceled); });
      fiber::spawn(scope, [] { throw std::runtime_error("one of two"); });
      co_await scope.join();
    });
  };
  EXPECT_THROW(run_here(main), std::runtime_error);
}

TEST(FiberCall, WaitsInsideACatchBlock) {
  const auto name = [](int number) {
    try {
      throw number;
    } catch (int) {
      for (int i = 0; i < 3; ++i) fiber::yield();
      try {
        throw;  // what this fiber caught, whatever the others caught meanwhile
      } catch (int again) {
        EXPECT_EQ(again, number);
      }
      EXPECT_EQ(std::uncaught_exceptions(), 0);
    }
    EXPECT_EQ(std::current_exception(), nullptr);
  };
  run_here([&](tide::scope& scope) -> tide::task<> {
    for (int i = 0; i < 3; ++i) fiber::spawn(scope, name, i);
    co_await scope.join();
    EXPECT_EQ(std::current_exception(), nullptr);
  });
}

TEST(FiberCall, WaitsWhileAnExceptionUnwindsIt) {
  struct waits_at_its_end {
    ~waits_at_its_end() {
      fiber::yield();
      EXPECT_EQ(std::uncaught_exceptions(), 1);
    }
  };
  run_here([](tide::scope& scope) -> tide::task<> {
    fiber::spawn(scope, [] {
      try {
        const waits_at_its_end here;
        throw 1;
      } catch (int) {
        EXPECT_EQ(std::uncaught_exceptions(), 0);
      }
    });
    fiber::spawn(scope, [] {
      EXPECT_EQ(std::uncaught_exceptions(), 0) << "of another fiber";
      fiber::yield();
    });
    co_await tide::yield();
    EXPECT_EQ(std::uncaught_exceptions(), 0);
    co_await scope.join();
  });
}

TEST(FiberCall, FibersAndCoroutinesTakeTurns) {
  std::string order;
  const auto step = [&](char name) {
    for (int i = 0; i < 3; ++i) {
      order += name;
      fiber::yield();
    }
  };
  run_here([&](tide::scope& scope) -> tide::task<> {
    fiber::spawn(scope, step, 'a');
    fiber::spawn(scope, step, 'b');
    scope.spawn(
        [](std::string& said) -> tide::task<> {
          for (int i = 0; i < 3; ++i) {
            said += '-';
            co_await tide::yield();
          }
        },
        std::ref(order));
    co_await scope.join();
  });
  EXPECT_EQ(order, "ab-ab-ab-");
}

TEST(FiberCall, AFiberAwaitsWhatCoroutinesAwait) {
  run_here([](tide::scope& scope) -> tide::task<> {
    support::event opened;
    const auto here = std::this_thread::get_id();
    fiber::spawn(scope, [&] {
      EXPECT_TRUE(fiber::active());
      EXPECT_TRUE(fiber::await(tide::sleep(1us)));
      EXPECT_EQ(fiber::await(tide::timeout(1us, tide::sleep(10h))).error(), tide::errc::timed_out);
      EXPECT_NE(fiber::await(tide::blocking([] { return std::this_thread::get_id(); })).value(), here);
      fiber::await(tide::with_scope([](tide::scope& inside) {
        return fiber::call([&inside] {
          for (int i = 0; i < 3; ++i) fiber::spawn(inside, fiber::yield);
          fiber::await(inside.join());
        });
      }));
      EXPECT_EQ(std::this_thread::get_id(), here);
      fiber::await(opened);
    });
    co_await tide::sleep(1us);
    opened.set();
    co_await scope.join();
    EXPECT_FALSE(fiber::active());
  });
}

struct refuses {
  bool ready;
  [[nodiscard]] bool await_ready() const noexcept { return ready; }
  void await_suspend(std::coroutine_handle<>) const { throw std::runtime_error("cannot begin"); }
  void await_resume() const { throw std::runtime_error("cannot end"); }
};

TEST(FiberCall, WhatAnAwaitableThrowsComesOutOfAwait) {
  run_here([](tide::scope&) -> tide::task<> {
    co_await fiber::call([] {
      EXPECT_THROW(fiber::await(refuses{false}), std::runtime_error);
      EXPECT_THROW(fiber::await(refuses{true}), std::runtime_error);
      fiber::yield();
    });
  });
}

TEST(FiberCall, AwaitOutsideOfAFiberIsAnError) {
  EXPECT_THROW(fiber::yield(), std::logic_error);
  run_here([](tide::scope&) -> tide::task<> {
    co_await fiber::call(fiber::yield);
    EXPECT_THROW(fiber::yield(), std::logic_error);
  });
}

// Each call continues the caller; if that grew the thread's stack, so many would overflow it.
TEST(FiberCall, AMillionCallsThatNeverWait) {
  constexpr int rounds = support::sanitized ? 20'000 : 1'000'000;
  EXPECT_EQ(run_here([](tide::scope&) -> tide::task<int> {
              int sum = 0;
              for (int i = 0; i < rounds; ++i) sum += co_await fiber::call([] { return 1; });
              co_return sum;
            }),
            rounds);
  EXPECT_EQ(run_here([](tide::scope&) -> tide::task<int> {
              co_return co_await fiber::call([] {
                int sum = 0;
                for (int i = 0; i < rounds; ++i) sum += fiber::await(fiber::call([] { return 1; }));
                return sum;
              });
            }),
            rounds);
}

}  // namespace
