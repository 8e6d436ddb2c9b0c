#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <optional>
#include <vector>

#include <tide/runtime/run.hpp>
#include <tide/runtime/time.hpp>
#include <tide/sync/local.hpp>

namespace {

using namespace std::chrono_literals;
using tide::local::condition;
using tide::local::mutex;

constexpr auto never = 1h;

tide::task<> note(condition& changed, std::vector<int>& order, int number) {
  EXPECT_TRUE(co_await changed.wait());
  order.push_back(number);
}

/// Lets everything that can run do so.
tide::task<> settle() {
  for (int turns = 0; turns < 5; ++turns) co_await tide::yield();
}

TEST(LocalCondition, NotifyWakesAllWhoWaitInOrderAndNobodyElse) {
  tide::run([](tide::scope& scope) -> tide::task<> {
    condition changed;
    std::vector<int> order;
    for (int i = 0; i < 3; ++i) scope.spawn(note, std::ref(changed), std::ref(order), i);
    co_await settle();
    EXPECT_TRUE(order.empty());
    changed.notify_all();
    scope.spawn(note, std::ref(changed), std::ref(order), 3);  // comes too late for this change
    co_await settle();
    EXPECT_EQ(order, (std::vector{0, 1, 2}));
    changed.notify_all();
    co_await scope.join();
    EXPECT_EQ(order.back(), 3);
  });
}

TEST(LocalCondition, CancelAndTimeoutEndTheWaitAndLeaveTheOthersInLine) {
  tide::run([](tide::scope& scope) -> tide::task<> {
    condition changed;
    std::vector<int> order;
    auto late = co_await tide::timeout(1ms, changed.wait());
    EXPECT_FALSE(late);
    EXPECT_EQ(late.error(), tide::errc::timed_out);
    scope.spawn(note, std::ref(changed), std::ref(order), 1);
    co_await tide::with_scope([&](tide::scope& inner) -> tide::task<> {
      inner.spawn([](condition& c) -> tide::task<> { EXPECT_EQ((co_await c.wait()).error(), tide::errc::canceled); },
                  std::ref(changed));
      co_await settle();
    });
    changed.notify_all();
    co_await scope.join();
    EXPECT_EQ(order, std::vector{1});
  });
}

TEST(LocalCondition, WaitInACancelledScopeDoesNotWait) {
  tide::run([](tide::scope& scope) -> tide::task<> {
    condition changed;
    scope.cancel();
    auto waited = co_await changed.wait();
    EXPECT_FALSE(waited);
  });
}

tide::task<> hold(mutex& m, std::vector<int>& order, int number, int turns) {
  auto turn = co_await m.lock();
  EXPECT_TRUE(turn);
  order.push_back(number);
  for (int i = 0; i < turns; ++i) co_await tide::yield();
  order.push_back(number);
}

TEST(LocalMutex, OneAtATimeFirstComeFirstServed) {
  tide::run([](tide::scope& scope) -> tide::task<> {
    mutex m;
    std::vector<int> order;
    for (int i = 0; i < 4; ++i) scope.spawn(hold, std::ref(m), std::ref(order), i, 3);
    co_await scope.join();
    EXPECT_EQ(order, (std::vector{0, 0, 1, 1, 2, 2, 3, 3}));
  });
}

TEST(LocalMutex, CancelledWaiterLeavesTheLineAndTheLockGoesOn) {
  tide::run([](tide::scope& scope) -> tide::task<> {
    mutex m;
    std::vector<int> order;
    std::optional<tide::result<mutex::guard>> held(co_await m.lock());
    auto late = co_await tide::timeout(1ms, m.lock());
    EXPECT_FALSE(late);
    scope.spawn(hold, std::ref(m), std::ref(order), 1, 0);
    co_await settle();
    EXPECT_TRUE(order.empty());
    held.reset();
    co_await scope.join();
    EXPECT_EQ(order, (std::vector{1, 1}));
  });
}

TEST(LocalMutex, LockThatWasHandedOverWhileItWasCancelledIsNotLost) {
  tide::run([](tide::scope& scope) -> tide::task<> {
    mutex m;
    std::optional<tide::result<mutex::guard>> held(co_await m.lock());
    co_await tide::with_scope([&](tide::scope& inner) -> tide::task<> {
      inner.spawn(
          [](mutex& of) -> tide::task<> {
            auto turn = co_await of.lock();
            EXPECT_TRUE(turn);  // the release came first
          },
          std::ref(m));
      co_await settle();
      held.reset();    // hands over
      inner.cancel();  // in the same turn
    });
    auto again = co_await tide::timeout(never, m.lock());
    EXPECT_TRUE(again);
    (void)scope;
  });
}

}  // namespace
