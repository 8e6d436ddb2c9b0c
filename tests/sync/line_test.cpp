// Each primitive by itself, on one executor: who goes when, what a cancel leaves behind.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <tide/runtime/run.hpp>
#include <tide/runtime/time.hpp>
#include <tide/sync/condition.hpp>
#include <tide/sync/latch.hpp>
#include <tide/sync/local.hpp>
#include <tide/sync/rwlock.hpp>

#include "sync/together.hpp"

namespace {

using namespace std::chrono_literals;
using sync_test::settle;

struct shared_and_local {
  template <class>
  static std::string GetName(int index) {
    return index == 0 ? "Shared" : "Local";
  }
};

template <class T>
class Events : public testing::Test {};
using event_types = testing::Types<tide::event, tide::local::event>;
TYPED_TEST_SUITE(Events, event_types, shared_and_local);

template <class T>
class Semaphores : public testing::Test {};
using semaphore_types = testing::Types<tide::semaphore, tide::local::semaphore>;
TYPED_TEST_SUITE(Semaphores, semaphore_types, shared_and_local);

template <class T>
class Gates : public testing::Test {};
using gate_types = testing::Types<tide::gate, tide::local::gate>;
TYPED_TEST_SUITE(Gates, gate_types, shared_and_local);

void expect_error(const auto& outcome, tide::errc error) {
  EXPECT_FALSE(outcome);
  EXPECT_EQ(outcome.error_or(std::error_code()), error);
}

template <class Waitable>
tide::task<> note(Waitable& on, std::vector<int>& order, int number) {
  EXPECT_TRUE(co_await on.wait());
  order.push_back(number);
}

TYPED_TEST(Events, SetLetsGoAllInOrderAndAllWhoComeBeforeTheReset) {
  tide::run([](tide::scope& scope) -> tide::task<> {
    TypeParam ready;
    std::vector<int> order;
    for (int i = 0; i < 3; ++i) scope.spawn(note<TypeParam>, std::ref(ready), std::ref(order), i);
    co_await settle();
    EXPECT_TRUE(order.empty());
    ready.set();
    EXPECT_TRUE(ready.is_set());
    EXPECT_TRUE(co_await ready.wait());
    co_await scope.join();
    EXPECT_EQ(order, (std::vector{0, 1, 2}));
    ready.reset();
    expect_error(co_await tide::timeout(1ms, ready.wait()), tide::errc::timed_out);
    ready.set();
    EXPECT_TRUE(co_await ready.wait());
  });
}

TYPED_TEST(Events, ACancelEndsOneWaitAndNoOther) {
  tide::run([](tide::scope& scope) -> tide::task<> {
    TypeParam ready;
    std::vector<int> order;
    scope.spawn(note<TypeParam>, std::ref(ready), std::ref(order), 1);
    co_await tide::with_scope([&](tide::scope& inner) -> tide::task<> {
      inner.spawn([](TypeParam& on) -> tide::task<> { expect_error(co_await on.wait(), tide::errc::canceled); },
                  std::ref(ready));
      co_await settle();
    });
    ready.set();
    co_await scope.join();
    EXPECT_EQ(order, std::vector{1});
  });
}

/// Takes permits, notes it and keeps them until it is told to give them back.
template <class Semaphore>
tide::task<> keep(Semaphore& of, std::uint32_t count, std::vector<std::uint32_t>& order, tide::local::event& back) {
  auto permit = co_await of.acquire(count);
  if (!permit) co_return;
  order.push_back(count);
  (void)co_await back.wait();
}

TYPED_TEST(Semaphores, NobodyOvertakesWhoWantsMany) {
  tide::run([](tide::scope& scope) -> tide::task<> {
    TypeParam permits(3);
    std::vector<std::uint32_t> order;
    tide::local::event back;
    for (const std::uint32_t count : {2U, 3U, 1U}) {
      scope.spawn(keep<TypeParam>, std::ref(permits), count, std::ref(order), std::ref(back));
    }
    co_await settle();
    EXPECT_EQ(order, (std::vector{2U}));  // one is left, and goes to nobody
    EXPECT_FALSE(permits.try_acquire());
    permits.release(2);
    co_await settle();
    EXPECT_EQ(order, (std::vector{2U, 3U}));
    back.set();
    co_await scope.join();
    EXPECT_EQ(order, (std::vector{2U, 3U, 1U}));
    EXPECT_EQ(permits.available(), 5U);
  });
}

TYPED_TEST(Semaphores, WhenTheFirstInLineGivesUpThoseBehindTakeWhatItHeldUp) {
  tide::run([](tide::scope& scope) -> tide::task<> {
    TypeParam permits(1);
    std::vector<std::uint32_t> order;
    tide::local::event back;
    co_await tide::with_scope([&](tide::scope& inner) -> tide::task<> {
      inner.spawn(keep<TypeParam>, std::ref(permits), 2U, std::ref(order), std::ref(back));
      co_await settle();
      scope.spawn(keep<TypeParam>, std::ref(permits), 1U, std::ref(order), std::ref(back));
      co_await settle();
      EXPECT_TRUE(order.empty());
    });
    co_await settle();
    EXPECT_EQ(order, (std::vector{1U}));
    back.set();
    co_await scope.join();
    EXPECT_EQ(permits.available(), 1U);
  });
}

TYPED_TEST(Semaphores, CloseTellsThoseInLineAndThoseWhoCome) {
  tide::run([](tide::scope& scope) -> tide::task<> {
    TypeParam permits(1);
    auto held = co_await permits.acquire();
    scope.spawn([](TypeParam& of) -> tide::task<> { expect_error(co_await of.acquire(), tide::errc::closed); },
                std::ref(permits));
    co_await settle();
    permits.close();
    co_await scope.join();
    held->release();
    expect_error(co_await permits.acquire(), tide::errc::closed);
    EXPECT_FALSE(permits.try_acquire());
  });
}

TYPED_TEST(Semaphores, MorePermitsThanThereCanBeAreRefused) {
  EXPECT_THROW(TypeParam(TypeParam::most + 1), std::length_error);
  TypeParam full(TypeParam::most);
  EXPECT_THROW(full.release(), std::length_error);
  EXPECT_EQ(full.available(), TypeParam::most);
}

TYPED_TEST(Semaphores, PermitsMoveAndCanBeUsedUp) {
  TypeParam permits(2);
  auto first = permits.try_acquire();
  auto moved = std::move(*first);
  first.reset();
  EXPECT_EQ(permits.available(), 1U);
  moved = typename TypeParam::permit();
  EXPECT_EQ(permits.available(), 2U);
  permits.try_acquire()->consume();
  EXPECT_EQ(permits.available(), 1U);
  static_assert(!std::is_copy_constructible_v<typename TypeParam::permit>);
}

TYPED_TEST(Gates, CloseWaitsForWhoIsInsideAndLetsNobodyIn) {
  tide::run([](tide::scope& scope) -> tide::task<> {
    TypeParam door;
    auto first = door.enter();
    auto second = door.enter();
    EXPECT_EQ(door.inside(), 2U);
    bool closed = false;
    scope.spawn(
        [](TypeParam& of, bool& flag) -> tide::task<> {
          EXPECT_TRUE(co_await of.close());
          flag = true;
        },
        std::ref(door), std::ref(closed));
    co_await settle();
    EXPECT_EQ(door.enter().error(), tide::errc::closed);
    first->leave();
    co_await settle();
    EXPECT_FALSE(closed);
    expect_error(co_await tide::timeout(1ms, door.close()), tide::errc::timed_out);
    second->leave();
    co_await scope.join();
    EXPECT_TRUE(closed);
    EXPECT_TRUE(co_await door.close());
  });
}

TEST(Latch, WaitsForTheLastAndNeverBelowZero) {
  tide::run([](tide::scope& scope) -> tide::task<> {
    tide::latch done(3);
    std::vector<int> order;
    for (int i = 0; i < 2; ++i) scope.spawn(note<tide::latch>, std::ref(done), std::ref(order), i);
    co_await settle();
    done.count_down(2);
    co_await settle();
    EXPECT_TRUE(order.empty());
    EXPECT_TRUE(co_await done.arrive_and_wait());
    co_await scope.join();
    EXPECT_EQ(order, (std::vector{0, 1}));
    done.count_down(7);
    EXPECT_TRUE(done.is_done());
  });
}

TEST(Rwlock, ReadersTogetherAWriterAloneAndReadersBehindItWait) {
  tide::run([](tide::scope& scope) -> tide::task<> {
    tide::rwlock table;
    auto one = co_await table.read();
    auto two = table.try_read();
    EXPECT_TRUE(two);
    EXPECT_FALSE(table.try_write());
    std::vector<int> order;
    scope.spawn(
        [](tide::rwlock& of, std::vector<int>& seen) -> tide::task<> {
          auto writing = co_await of.write();
          seen.push_back(1);
          co_await settle();
        },
        std::ref(table), std::ref(order));
    co_await settle();
    EXPECT_FALSE(table.try_read());  // behind the writer
    scope.spawn(
        [](tide::rwlock& of, std::vector<int>& seen) -> tide::task<> {
          auto reading = co_await of.read();
          seen.push_back(2);
        },
        std::ref(table), std::ref(order));
    one->unlock();
    co_await settle();
    EXPECT_TRUE(order.empty());
    two->unlock();
    co_await scope.join();
    EXPECT_EQ(order, (std::vector{1, 2}));
  });
}

TEST(Rwlock, AWriterThatGivesUpLetsTheReadersBehindItIn) {
  tide::run([](tide::scope& scope) -> tide::task<> {
    tide::rwlock table;
    auto reading = co_await table.read();
    bool read = false;
    co_await tide::with_scope([&](tide::scope& inner) -> tide::task<> {
      inner.spawn([](tide::rwlock& of) -> tide::task<> { EXPECT_FALSE(co_await of.write()); }, std::ref(table));
      co_await settle();
      scope.spawn(
          [](tide::rwlock& of, bool& flag) -> tide::task<> {
            auto also = co_await of.read();
            flag = true;
          },
          std::ref(table), std::ref(read));
      co_await settle();
      EXPECT_FALSE(read);
    });
    co_await scope.join();
    EXPECT_TRUE(read);
  });
}

TEST(Condition, WaitLetsTheLockGoAndHasItAgainAfterwardsAlsoWhenCancelled) {
  tide::run([](tide::scope& scope) -> tide::task<> {
    tide::mutex m;
    tide::condition changed;
    int value = 0;
    scope.spawn(
        [](tide::mutex& lock, tide::condition& on, int& seen) -> tide::task<> {
          auto turn = co_await lock.lock();
          while (seen == 0) EXPECT_TRUE(co_await on.wait(*turn));
          EXPECT_EQ(turn->owner(), &lock);
          seen = 2;
        },
        std::ref(m), std::ref(changed), std::ref(value));
    co_await settle();
    {
      auto turn = co_await m.lock();
      expect_error(co_await tide::timeout(1ms, changed.wait(*turn)), tide::errc::timed_out);
      EXPECT_EQ(turn->owner(), &m);
      EXPECT_FALSE(m.try_lock());
      value = 1;
      changed.notify_one();
      co_await settle();
      EXPECT_EQ(value, 1);  // it wants the lock first
    }
    co_await scope.join();
    EXPECT_EQ(value, 2);
  });
}

TEST(Mutex, TryLockAndMovedGuards) {
  tide::mutex m;
  auto first = m.try_lock();
  EXPECT_TRUE(first);
  EXPECT_FALSE(m.try_lock());
  tide::mutex::guard moved = std::move(*first);
  first.reset();
  EXPECT_FALSE(m.try_lock());
  moved.unlock();
  moved = *m.try_lock();
  EXPECT_EQ(moved.owner(), &m);
  static_assert(!std::is_copy_constructible_v<tide::mutex::guard>);
}

TEST(Blocking, EachFormGivesUpAtItsDeadline) {
  const auto past = tide::clock::now();
  tide::event never;
  EXPECT_EQ(never.wait_blocking(past).error(), tide::errc::timed_out);
  tide::latch open(1);
  EXPECT_EQ(open.wait_blocking(past).error(), tide::errc::timed_out);
  tide::mutex m;
  auto held = m.lock_blocking();
  EXPECT_EQ(m.lock_blocking(past + 1ms).error(), tide::errc::timed_out);
  tide::condition changed;
  EXPECT_EQ(changed.wait_blocking(*held, past).error(), tide::errc::timed_out);
  EXPECT_EQ(held->owner(), &m);
  tide::semaphore permits(1);
  EXPECT_EQ(permits.acquire_blocking(2, past).error(), tide::errc::timed_out);
  EXPECT_TRUE(permits.acquire_blocking());
  tide::rwlock table;
  auto reading = table.read_blocking();
  EXPECT_EQ(table.write_blocking(past).error(), tide::errc::timed_out);
  EXPECT_TRUE(table.read_blocking(past));  // the writer has left the line
  tide::gate door;
  auto inside = door.enter();
  EXPECT_EQ(door.close_blocking(past).error(), tide::errc::timed_out);
}

}  // namespace
