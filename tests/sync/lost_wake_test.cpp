// The wakes of everything that waits in a line, one side asleep at each (lost_wake.hpp says how).
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include <tide/sync/condition.hpp>
#include <tide/sync/event.hpp>
#include <tide/sync/gate.hpp>
#include <tide/sync/latch.hpp>
#include <tide/sync/rwlock.hpp>
#include <tide/sync/semaphore.hpp>

#include "sync/lost_wake.hpp"

namespace {

constexpr int rounds = sync_test::lost_wake_rounds;

struct event_game {
  static constexpr auto name = "Event";
  std::array<tide::event, 2> turn{tide::event(true), tide::event(false)};
  tide::task<> task(std::size_t me) {
    for (int i = 0; i < rounds; ++i) {
      EXPECT_TRUE(co_await turn[me].wait());
      next(me);
    }
  }
  void thread(std::size_t me) {
    for (int i = 0; i < rounds; ++i) {
      EXPECT_TRUE(turn[me].wait_blocking());
      next(me);
    }
  }
  void next(std::size_t me) {
    turn[me].reset();
    turn[1 - me].set();
  }
};

struct semaphore_game {
  static constexpr auto name = "Semaphore";
  std::array<tide::semaphore, 2> turn{tide::semaphore(1), tide::semaphore(0)};
  tide::task<> task(std::size_t me) {
    for (int i = 0; i < rounds; ++i) next(me, co_await turn[me].acquire());
  }
  void thread(std::size_t me) {
    for (int i = 0; i < rounds; ++i) next(me, turn[me].acquire_blocking());
  }
  void next(std::size_t me, tide::result<tide::semaphore::permit> permit) {
    EXPECT_TRUE(permit);
    permit->consume();
    turn[1 - me].release();
  }
};

/// The lock itself goes back and forth, handed over by who leaves: each holds one of two locks and waits for the other's.
struct mutex_game {
  static constexpr auto name = "MutexAndCondition";
  tide::mutex m;
  tide::condition changed;
  std::size_t turn = 0;
  tide::task<> task(std::size_t me) {
    for (int i = 0; i < rounds; ++i) {
      auto held = co_await m.lock();
      while (turn != me) {
        const auto notified = co_await changed.wait(*held);
        EXPECT_TRUE(notified);
      }
      next(me);
    }
  }
  void thread(std::size_t me) {
    for (int i = 0; i < rounds; ++i) {
      auto held = m.lock_blocking();
      while (turn != me) EXPECT_TRUE(changed.wait_blocking(*held));
      next(me);
    }
  }
  void next(std::size_t me) {
    turn = 1 - me;
    if (me == 0) {
      changed.notify_one();
    } else {
      changed.notify_all();
    }
  }
};

/// A latch for each move.
struct latch_game {
  static constexpr auto name = "Latch";
  std::vector<std::unique_ptr<tide::latch>> moves = made();
  static std::vector<std::unique_ptr<tide::latch>> made() {
    std::vector<std::unique_ptr<tide::latch>> all;
    for (int i = 0; i <= 2 * rounds; ++i) all.push_back(std::make_unique<tide::latch>(i == 0 ? 0U : 1U));
    return all;
  }
  tide::task<> task(std::size_t me) {
    for (std::size_t i = me; i < 2 * rounds; i += 2) {
      EXPECT_TRUE(co_await moves[i]->wait());
      moves[i + 1]->count_down();
    }
  }
  void thread(std::size_t me) {
    for (std::size_t i = me; i < 2 * rounds; i += 2) {
      EXPECT_TRUE(moves[i]->wait_blocking());
      moves[i + 1]->count_down();
    }
  }
};

/// A gate for each move: the other side is inside and leaves to let this one go.
struct gate_game {
  static constexpr auto name = "Gate";
  struct move {
    tide::gate door;
    tide::gate::pass inside;
  };
  std::vector<std::unique_ptr<move>> moves = made();
  static std::vector<std::unique_ptr<move>> made() {
    std::vector<std::unique_ptr<move>> all;
    for (int i = 0; i <= 2 * rounds; ++i) {
      all.push_back(std::make_unique<move>());
      if (i > 0) all.back()->inside = std::move(*all.back()->door.enter());
    }
    return all;
  }
  tide::task<> task(std::size_t me) {
    for (std::size_t i = me; i < 2 * rounds; i += 2) {
      EXPECT_TRUE(co_await moves[i]->door.close());
      moves[i + 1]->inside.leave();
    }
  }
  void thread(std::size_t me) {
    for (std::size_t i = me; i < 2 * rounds; i += 2) {
      EXPECT_TRUE(moves[i]->door.close_blocking());
      moves[i + 1]->inside.leave();
    }
  }
};

/// A lock for each move, which the other side holds: for writing where this side reads, for reading where it writes.
struct rwlock_game {
  static constexpr auto name = "Rwlock";
  struct move {
    tide::rwlock lock;
    tide::rwlock::read_guard reading;
    tide::rwlock::write_guard writing;
    void leave() {
      reading.unlock();
      writing.unlock();
    }
  };
  std::vector<std::unique_ptr<move>> moves = made();
  static std::vector<std::unique_ptr<move>> made() {
    std::vector<std::unique_ptr<move>> all;
    for (int i = 0; i <= 2 * rounds; ++i) {
      move& one = *all.emplace_back(std::make_unique<move>());
      if (i > 0 && i % 2 == 0) one.reading = std::move(*one.lock.try_read());
      if (i > 0 && i % 2 == 1) one.writing = std::move(*one.lock.try_write());
    }
    return all;
  }
  tide::task<> task(std::size_t me) {
    for (std::size_t i = me; i < 2 * rounds; i += 2) {
      if (me == 0) {
        EXPECT_TRUE(co_await moves[i]->lock.write());
      } else {
        EXPECT_TRUE(co_await moves[i]->lock.read());
      }
      moves[i + 1]->leave();
    }
  }
  void thread(std::size_t me) {
    for (std::size_t i = me; i < 2 * rounds; i += 2) {
      if (me == 0) {
        EXPECT_TRUE(moves[i]->lock.write_blocking());
      } else {
        EXPECT_TRUE(moves[i]->lock.read_blocking());
      }
      moves[i + 1]->leave();
    }
  }
};

template <class T>
class LostWake : public testing::Test {};
using games = testing::Types<event_game, semaphore_game, mutex_game, latch_game, gate_game, rwlock_game>;
TYPED_TEST_SUITE(LostWake, games, sync_test::case_names);

TYPED_TEST(LostWake, BetweenTwoExecutors) { sync_test::between_two_executors<TypeParam>(); }
TYPED_TEST(LostWake, BetweenAnExecutorAndAThread) { sync_test::between_an_executor_and_a_thread<TypeParam>(0); }
TYPED_TEST(LostWake, BetweenAThreadAndAnExecutor) { sync_test::between_an_executor_and_a_thread<TypeParam>(1); }
TYPED_TEST(LostWake, BetweenTwoThreads) { sync_test::between_two_threads<TypeParam>(); }
TYPED_TEST(LostWake, BetweenTwoCoroutinesOfOneExecutor) { sync_test::between_two_coroutines_of_one_executor<TypeParam>(); }

}  // namespace
