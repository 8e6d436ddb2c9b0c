// Three executors and two threads at once on one primitive, with random deadlines and cancels: nobody is where another is,
// and nothing is lost at the end.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>

#include <tide/runtime/time.hpp>
#include <tide/sync/condition.hpp>
#include <tide/sync/event.hpp>
#include <tide/sync/rwlock.hpp>
#include <tide/sync/semaphore.hpp>

#include "support/sanitizers.hpp"
#include "sync/together.hpp"

namespace {

using namespace std::chrono_literals;
using sync_test::together;

constexpr int executors = 3;
constexpr int threads = 2;
constexpr int tasks = 6;  // an executor
constexpr int rounds = support::sanitized ? 150 : 600;

std::chrono::nanoseconds brief(std::mt19937& random) { return std::chrono::nanoseconds(random() % 20'000); }

/// A storm has task_round(random) and thread_round(random).
template <class Storm>
tide::task<> one_task(Storm& storm, unsigned seed) {
  std::mt19937 random(seed);
  for (int i = 0; i < rounds; ++i) {
    co_await storm.task_round(random);
    if (random() % 8 == 0) co_await tide::yield();
  }
}

/// One scope a round; its tasks are cancelled at some moment by its owner.
template <class Storm>
tide::task<> cancelled_tasks(Storm& storm, unsigned seed) {
  std::mt19937 random(seed);
  for (int i = 0; i < rounds / 4; ++i) {
    co_await tide::with_scope([&](tide::scope& inner) -> tide::task<> {
      for (int k = 0; k < 3; ++k) {
        inner.spawn(
            [](Storm& of, unsigned from) -> tide::task<> {
              std::mt19937 own(from);
              co_await of.task_round(own);
            },
            std::ref(storm), random());
      }
      for (auto turns = random() % 4; turns > 0; --turns) co_await tide::yield();
    });
  }
}

template <class Storm>
void rage(Storm& storm) {
  together all;
  for (int e = 0; e < executors; ++e) {
    all.executor([&storm, e](tide::scope& scope) -> tide::task<> {
      for (int t = 0; t < tasks; ++t) scope.spawn(one_task<Storm>, std::ref(storm), static_cast<unsigned>(100 * e + t));
      scope.spawn(cancelled_tasks<Storm>, std::ref(storm), static_cast<unsigned>(e));
      co_await scope.join();
    });
  }
  for (int t = 0; t < threads; ++t) {
    all.thread([&storm, t] {
      std::mt19937 random(static_cast<unsigned>(1'000 + t));
      for (int i = 0; i < rounds; ++i) storm.thread_round(random);
    });
  }
}

struct mutex_storm {
  tide::mutex m;
  std::uint64_t guarded = 0;  // not atomic: the lock orders it
  std::atomic<std::uint64_t> entered{0};
  void inside(tide::result<tide::mutex::guard>& turn) {
    if (!turn) return;
    ++guarded;
    ++entered;
  }
  tide::task<> task_round(std::mt19937& random) {
    const auto limit = brief(random);
    if (random() % 2 == 0) {
      auto turn = co_await tide::timeout(limit, m.lock());
      inside(turn);
      if (turn && random() % 4 == 0) co_await tide::yield();
    } else {
      auto turn = co_await m.lock();
      inside(turn);
    }
  }
  void thread_round(std::mt19937& random) {
    auto turn = m.lock_blocking(tide::clock::now() + brief(random));
    inside(turn);
  }
};

TEST(Storm, MutexIsExclusiveAndFreeAtTheEnd) {
  mutex_storm storm;
  rage(storm);
  EXPECT_EQ(storm.guarded, storm.entered);
  EXPECT_TRUE(storm.m.try_lock());
}

struct semaphore_storm {
  static constexpr std::uint32_t total = 4;
  tide::semaphore permits{total};
  std::atomic<std::uint32_t> out{0};
  void inside(tide::result<tide::semaphore::permit>& permit) {
    if (!permit) return;
    EXPECT_LE(out += permit->count(), total);
    out -= permit->count();
  }
  tide::task<> task_round(std::mt19937& random) {
    const auto limit = brief(random);
    const auto count = 1 + static_cast<std::uint32_t>(random() % total);
    if (random() % 2 == 0) {
      auto permit = co_await tide::timeout(limit, permits.acquire(count));
      inside(permit);
    } else {
      auto permit = co_await permits.acquire(count);
      if (permit && random() % 2 == 0) co_await tide::yield();
      inside(permit);
    }
  }
  void thread_round(std::mt19937& random) {
    const auto count = 1 + static_cast<std::uint32_t>(random() % total);
    auto permit = permits.acquire_blocking(count, tide::clock::now() + brief(random));
    inside(permit);
  }
};

TEST(Storm, SemaphoreKeepsItsPermits) {
  semaphore_storm storm;
  rage(storm);
  EXPECT_EQ(storm.permits.available(), semaphore_storm::total);
}

struct rwlock_storm {
  tide::rwlock lock;
  std::uint64_t guarded = 0;  // not atomic: the lock orders it
  std::atomic<std::uint64_t> written{0};
  void wrote(tide::result<tide::rwlock::write_guard>& turn) {
    if (!turn) return;
    ++guarded;
    ++written;
  }
  void read(tide::result<tide::rwlock::read_guard>& turn) {
    if (!turn) return;
    EXPECT_EQ(guarded, written);
  }
  tide::task<> task_round(std::mt19937& random) {
    const auto limit = brief(random);
    if (random() % 4 == 0) {
      auto turn = co_await tide::timeout(limit, lock.write());
      wrote(turn);
    } else {
      auto turn = co_await tide::timeout(limit, lock.read());
      read(turn);
      if (random() % 4 == 0) co_await tide::yield();
    }
  }
  void thread_round(std::mt19937& random) {
    if (random() % 4 == 0) {
      auto turn = lock.write_blocking(tide::clock::now() + brief(random));
      wrote(turn);
    } else {
      auto turn = lock.read_blocking(tide::clock::now() + brief(random));
      read(turn);
    }
  }
};

TEST(Storm, RwlockKeepsReadersAndWritersApartAndIsFreeAtTheEnd) {
  rwlock_storm storm;
  rage(storm);
  EXPECT_EQ(storm.guarded, storm.written);
  EXPECT_TRUE(storm.lock.try_write());
}

/// Waits on a condition never miss: each round either sees a new number or gives up by its own deadline.
struct condition_storm {
  tide::mutex m;
  tide::condition changed;
  std::uint64_t number = 0;
  void step() {
    ++number;
    changed.notify_one();
  }
  tide::task<> task_round(std::mt19937& random) {
    const auto limit = brief(random);
    auto turn = co_await m.lock();
    if (!turn) co_return;
    if (random() % 2 == 0) co_return step();
    (void)co_await tide::timeout(limit, changed.wait(*turn));
    EXPECT_EQ(turn->owner(), &m);
  }
  void thread_round(std::mt19937& random) {
    auto turn = m.lock_blocking();
    if (random() % 2 == 0) return step();
    (void)changed.wait_blocking(*turn, tide::clock::now() + brief(random));
    EXPECT_EQ(turn->owner(), &m);
  }
};

TEST(Storm, ConditionAlwaysGivesTheLockBack) {
  condition_storm storm;
  rage(storm);
  EXPECT_TRUE(storm.m.try_lock());
}

/// Whoever is let go may destroy what it waited for at once.
TEST(Storm, AnEventMayGoAsSoonAsItsWaiterHasBeenLetGo) {
  for (int i = 0; i < rounds; ++i) {
    auto ready = std::make_unique<tide::event>();
    together all;
    all.thread([on = ready.get()] { on->set(); });
    EXPECT_TRUE(ready->wait_blocking());
    ready.reset();
  }
}

}  // namespace
