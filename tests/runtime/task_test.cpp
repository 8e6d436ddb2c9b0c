#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

#include "support/allocations.hpp"
#include "support/run.hpp"
#include "support/sanitizers.hpp"
#include "support/witness.hpp"

namespace {

using namespace std::chrono_literals;
using support::run_here;

tide::task<int> give(int value) { co_return value; }
tide::task<int> fail_with(const char* text) {
  throw std::runtime_error(text);
  co_return 0;
}

TEST(Task, Values) {
  EXPECT_EQ(run_here([](tide::scope&) -> tide::task<int> { co_return co_await give(20) + co_await give(22); }), 42);
}

TEST(Task, ResultsThatCanOnlyMove) {
  const auto make = [](int value) -> tide::task<std::unique_ptr<int>> { co_return std::make_unique<int>(value); };
  auto got = run_here([&](tide::scope&) -> tide::task<std::unique_ptr<int>> { co_return co_await make(7); });
  EXPECT_EQ(*got, 7);
}

TEST(Task, Exceptions) {
  run_here([](tide::scope&) -> tide::task<> {
    std::string heard;
    try {
      co_await fail_with("thrown below");
    } catch (const std::runtime_error& error) {
      heard = error.what();
    }
    EXPECT_EQ(heard, "thrown below");
  });
  EXPECT_THROW(run_here([](tide::scope&) -> tide::task<int> { co_return co_await fail_with("out of run"); }),
               std::runtime_error);
}

TEST(Task, IsLazyAndOwnsItsFrame) {
  bool begun = false;
  {
    auto never = [](bool& flag, support::witness) -> tide::task<> {
      flag = true;
      co_return;
    }(begun, {});
    EXPECT_EQ(support::witness::alive(), 1);
    auto moved = std::move(never);
    EXPECT_EQ(support::witness::alive(), 1);
  }
  EXPECT_FALSE(begun);
  EXPECT_EQ(support::witness::alive(), 0);
}

TEST(Task, AFrameEndsWithItsExpression) {
  run_here([](tide::scope&) -> tide::task<> {
    const auto hold = [](support::witness) -> tide::task<int> { co_return 1; };
    EXPECT_EQ(co_await hold({}), 1);
    EXPECT_EQ(support::witness::alive(), 0);
  });
}

struct stack_range {
  void look() {
    const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    low = std::min(low, here);
    high = std::max(high, here);
  }
  std::uintptr_t low = UINTPTR_MAX;
  std::uintptr_t high = 0;
};

TEST(Task, MillionsThatEndAtOnceTakeNoStack) {
  constexpr int many = support::sanitized ? 500'000 : 2'000'000;
  stack_range range;
  const auto look = [&](int value) -> tide::task<int> {
    range.look();
    co_return value;
  };
  const auto total = run_here([&](tide::scope&) -> tide::task<std::int64_t> {
    std::int64_t sum = 0;
    for (int i = 0; i < many; ++i) sum += co_await look(1);
    co_return sum;
  });
  EXPECT_EQ(total, many);
  EXPECT_LT(range.high - range.low, 16u * 1024);
}

TEST(Task, ChainsOfCalls) {
  struct chain {
    static tide::task<int> down(int depth) {
      if (depth == 0) co_return 0;
      co_return 1 + co_await down(depth - 1);
    }
  };
  EXPECT_EQ(run_here([](tide::scope&) -> tide::task<int> { co_return co_await chain::down(10'000); }), 10'000);
}

TEST(Task, YieldLetsOthersRunFirst) {
  run_here([](tide::scope& scope) -> tide::task<> {
    std::string order;
    for (const char name : {'a', 'b'}) {
      scope.spawn([&order, name]() -> tide::task<> {
        for (int i = 0; i < 3; ++i) {
          order += name;
          co_await tide::yield();
        }
      });
    }
    co_await scope.join();
    EXPECT_EQ(order, "ababab");
  });
}

TEST(Task, CallsSleepsAndYieldsAllocateNothing) {
  if (!support::counts_allocations) GTEST_SKIP() << "not counted under a sanitizer";
  const auto some = [](tide::scope& scope) -> tide::task<> {
    for (int i = 0; i < 100; ++i) {
      co_await give(i);
      co_await tide::yield();
      (void)co_await tide::sleep(1us);
      (void)co_await tide::timeout(1h, tide::sleep(1us));
      scope.spawn([]() -> tide::task<> { co_return; });
      co_await scope.join();
    }
  };
  run_here([&](tide::scope& scope) -> tide::task<> {
    co_await some(scope);
    const support::allocations counted;
    co_await some(scope);
    EXPECT_EQ(counted.so_far(), 0u);
  });
}

}  // namespace
