// Cancelling reaches what a fiber awaits, and a fiber ends before what owns it.
#include <gtest/gtest.h>

#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include <tide/runtime/fiber.hpp>
#include <tide/sync/local.hpp>

#include "support/process.hpp"
#include "support/run.hpp"
#include "support/sanitizers.hpp"
#include "support/witness.hpp"

namespace {

using namespace std::chrono_literals;
using support::make_executor;
using support::run_here;
namespace fiber = tide::fiber;

void sleep_for_ever(const support::witness&) {
  const support::witness on_the_stack;
  EXPECT_FALSE(fiber::cancelled());
  EXPECT_EQ(fiber::await(tide::sleep(10h)).error(), tide::errc::canceled);
  EXPECT_TRUE(fiber::cancelled());
}

TEST(FiberCancel, LeavingAScopeEndsItsFibers) {
  run_here([](tide::scope&) -> tide::task<> {
    co_await tide::with_scope([](tide::scope& scope) -> tide::task<> {
      for (int i = 0; i < 10; ++i) fiber::spawn(scope, sleep_for_ever, support::witness());
      co_await tide::sleep(1us);
      EXPECT_GE(support::witness::alive(), 20);
    });
    EXPECT_EQ(support::witness::alive(), 0);
  });
}

TEST(FiberCancel, TheRunsEndDrainsFibersOfTheRoot) {
  auto executor = make_executor();
  executor->run([&](tide::scope&) -> tide::task<> {
    fiber::spawn(executor->root(), sleep_for_ever, support::witness());
    co_await tide::yield();
  });
  EXPECT_EQ(support::witness::alive(), 0);
}

TEST(FiberCancel, AFiberOfACancelledScopeStillRuns) {
  bool ran = false;
  run_here([&](tide::scope&) -> tide::task<> {
    co_await tide::with_scope([&](tide::scope& scope) -> tide::task<> {
      scope.cancel();
      fiber::spawn(scope, [&] {
        EXPECT_TRUE(fiber::cancelled());
        EXPECT_EQ(fiber::await(tide::sleep(1us)).error(), tide::errc::canceled);
        fiber::yield();
        ran = true;
      });
      co_return;
    });
  });
  EXPECT_TRUE(ran);
}

TEST(FiberCancel, ATimeoutAroundAFiberReachesIt) {
  run_here([](tide::scope&) -> tide::task<> {
    auto slow = fiber::call([]() -> tide::result<int> {
      const support::witness here;
      if (auto slept = fiber::await(tide::sleep(10h)); !slept) return tide::fail(slept.error());
      return 1;
    });
    EXPECT_EQ((co_await tide::timeout(1us, std::move(slow))).error(), tide::errc::timed_out);
    EXPECT_EQ(support::witness::alive(), 0);
  });
}

TEST(FiberCancel, AMutexIsHandedFromFiberToCoroutine) {
  std::string order;
  run_here([&](tide::scope& scope) -> tide::task<> {
    tide::local::mutex turn;
    fiber::spawn(scope, [&] {
      const auto mine = fiber::await(turn.lock());
      order += 'a';
      fiber::yield();
      order += 'b';
    });
    scope.spawn(
        [](tide::local::mutex& wanted, std::string& said) -> tide::task<> {
          const auto mine = co_await wanted.lock();
          said += 'c';
        },
        std::ref(turn), std::ref(order));
    co_await scope.join();
  });
  EXPECT_EQ(order, "abc");
}

/// Moves who awaits it to another executor's thread.
struct move_to {
  tide::executor_handle there;
  [[nodiscard]] bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> self) const {
    (void)there.post([self] { self.resume(); });
  }
  void await_resume() const noexcept {}
};

// The other thread resumes a fiber at once: its stack must have been left before it was handed over.
TEST(FiberCancel, GoesOnOnAnotherThread) {
  constexpr int rounds = 2'000;
  auto other = make_executor();
  auto there = other->handle();
  auto here = make_executor();
  auto back = here->handle();
  tide::local::condition never;
  std::thread second([&] { other->run([&](tide::scope&) -> tide::task<> { (void)co_await tide::sleep(10h); }); });
  here->run([&](tide::scope& scope) -> tide::task<> {
    fiber::spawn(scope, [&] {
      const auto home = ::gettid();  // std::this_thread::get_id() may be computed once a function
      for (int i = 0; i < rounds; ++i) {
        fiber::await(move_to{there});
        EXPECT_NE(::gettid(), home);
        EXPECT_TRUE(fiber::active());
        fiber::await(move_to{back});
        EXPECT_EQ(::gettid(), home);
      }
    });
    co_await scope.join();
  });
  (void)there.post([&] { other->root().cancel(); });
  second.join();
}

TEST(FiberCancel, RoundsLeaveNothing) {
  const auto round = [] {
    run_here([](tide::scope& scope) -> tide::task<> {
      for (int i = 0; i < 5; ++i) fiber::spawn(scope, sleep_for_ever, support::witness());
      fiber::spawn(scope, {.stack_bytes = 20'000, .name = "small"}, [] { fiber::yield(); });
      co_await tide::yield();
    });
  };
  constexpr int rounds = support::sanitized ? 100 : 500;
  for (int i = 0; i < 50; ++i) round();
  const auto descriptors = support::open_descriptors();
  const auto memory = support::resident_bytes();
  for (int i = 0; i < rounds; ++i) round();
  EXPECT_EQ(support::open_descriptors(), descriptors);
  EXPECT_EQ(support::witness::alive(), 0);
  if (support::sanitized) return;  // whose quarantine keeps what was freed
  EXPECT_LT(support::resident_bytes(), memory + (4U << 20U));
}

}  // namespace
