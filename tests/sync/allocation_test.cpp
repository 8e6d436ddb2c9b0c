// What runs all the time allocates nothing: neither where nobody waits nor where somebody does.
#include <gtest/gtest.h>

#include <functional>

#include <tide/sync/broadcast.hpp>
#include <tide/sync/channel.hpp>
#include <tide/sync/condition.hpp>
#include <tide/sync/event.hpp>
#include <tide/sync/latch.hpp>
#include <tide/sync/local.hpp>
#include <tide/sync/rwlock.hpp>
#include <tide/sync/spsc.hpp>
#include <tide/sync/watch.hpp>

#include "support/allocations.hpp"
#include "support/run.hpp"
#include "sync/together.hpp"

namespace {

using support::allocations;
using support::run_here;
using sync_test::together;

constexpr int rounds = 1'000;

/// Runs it once to warm up what is kept for reuse (coroutine frames, the run queue), then counts.
template <class Work>
void expect_no_allocation(Work work) {
  if constexpr (!support::counts_allocations) GTEST_SKIP() << "counted without sanitizers";
  run_here([&](tide::scope& scope) -> tide::task<> {
    co_await work(scope);
    const allocations counted;
    co_await work(scope);
    EXPECT_EQ(counted.so_far(), 0U);
  });
}

TEST(SyncAllocations, NoneWhereNobodyWaits) {
  tide::mutex m;
  tide::semaphore permits(2);
  tide::rwlock table;
  tide::event ready(true);
  tide::gate door;
  tide::channel<int> numbers(4);
  tide::local::channel<int> here(4);
  auto ends = tide::spsc<int>::create(4);
  tide::watch<int> current(0);
  tide::broadcast<int> news(4);
  expect_no_allocation([&](tide::scope&) -> tide::task<> {
    for (int i = 0; i < rounds; ++i) {
      auto turn = co_await m.lock();
      auto permit = co_await permits.acquire();
      auto reading = co_await table.read();
      (void)co_await ready.wait();
      auto inside = door.enter();
      (void)co_await numbers.send(i);
      (void)co_await numbers.receive();
      (void)co_await here.send(i);
      (void)co_await here.receive();
      (void)co_await ends.sender.send(i);
      (void)co_await ends.receiver.receive();
      current.set(i);
      (void)news.send(i);
    }
  });
}

template <class Channel>
tide::task<> take(Channel& from, int count) {
  for (int i = 0; i < count; ++i) (void)co_await from.receive();
}

TEST(SyncAllocations, NoneWhereOneCoroutineWaitsForAnother) {
  tide::local::channel<int> here(1);
  tide::channel<int> numbers(1);
  tide::event ready;
  tide::mutex m;
  tide::condition changed;
  expect_no_allocation([&](tide::scope& scope) -> tide::task<> {
    scope.spawn(take<tide::local::channel<int>>, std::ref(here), rounds);
    scope.spawn(take<tide::channel<int>>, std::ref(numbers), rounds);
    for (int i = 0; i < rounds; ++i) {
      (void)co_await here.send(i);
      (void)co_await numbers.send(i);
    }
    scope.spawn([](tide::event& on) -> tide::task<> { (void)co_await on.wait(); }, std::ref(ready));
    scope.spawn(
        [](tide::mutex& lock, tide::condition& on) -> tide::task<> {
          auto turn = co_await lock.lock();
          (void)co_await on.wait(*turn);
        },
        std::ref(m), std::ref(changed));
    co_await tide::yield();
    co_await tide::yield();
    ready.set();
    ready.reset();
    changed.notify_all();
    co_await scope.join();
  });
}

TEST(SyncAllocations, NoneWhereAnotherExecutorIsWoken) {
  if constexpr (!support::counts_allocations) GTEST_SKIP() << "counted without sanitizers";
  tide::semaphore there(0);
  tide::semaphore back(0);
  auto ends = tide::spsc<int>::create(1);
  together all;
  const auto steps = [&](int count) -> tide::task<> {
    for (int i = 0; i < count; ++i) {
      there.release();
      auto answer = co_await back.acquire();
      answer->consume();
      (void)co_await ends.sender.send(i);
    }
  };
  all.executor([&](tide::scope&) -> tide::task<> {
    co_await steps(10);
    const allocations counted;
    co_await steps(rounds);
    EXPECT_EQ(counted.so_far(), 0U);
  });
  all.executor([&](tide::scope&) -> tide::task<> {
    for (int i = 0; i < rounds + 10; ++i) {
      auto asked = co_await there.acquire();
      asked->consume();
      back.release();
      (void)co_await ends.receiver.receive();
    }
  });
}

}  // namespace
