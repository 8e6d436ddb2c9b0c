#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "support/allocations.hpp"
#include "support/event.hpp"
#include "support/run.hpp"
#include "support/sanitizers.hpp"
#include "support/witness.hpp"

namespace {

using namespace std::chrono_literals;
using support::make_executor;
using support::run_here;

struct wake_way {
  const char* name;
  tide::ring::features without;
};

/// With the futex operation and with the eventfd that stands for it below Linux 6.7. No timer is armed anywhere: a wake that
/// got lost would stop the test for good.
class Post : public testing::TestWithParam<wake_way> {
 protected:
  tide::executor::options options() const {
    tide::executor::options wanted;
    wanted.ring.without = GetParam().without;
    return wanted;
  }
};
INSTANTIATE_TEST_SUITE_P(By, Post,
                         testing::Values(wake_way{"Futex", {}}, wake_way{"Eventfd", {.futex = true}},
                                         wake_way{"EventfdPlainRing", {.defer_taskrun = true, .futex = true}}),
                         [](const auto& each) { return each.param.name; });

TEST_P(Post, AHundredThousandFromFourThreadsWhileParked) {
  constexpr int threads = 4;
  constexpr int each = 25'000;
  auto executor = make_executor(options());
  auto handle = executor->handle();
  std::vector<std::thread> posters;
  int ran = 0;
  support::event all;
  executor->run([&](tide::scope&) -> tide::task<> {
    for (int i = 0; i < threads; ++i) {
      posters.emplace_back([&, i] {
        for (int k = 0; k < each; ++k) {
          EXPECT_TRUE(handle.post([&] {
            if (++ran == threads * each) all.set();
          }));
          if ((k + i) % 64 == 0) std::this_thread::yield();
        }
      });
    }
    co_await all;
  });
  for (std::thread& poster : posters) poster.join();
  EXPECT_EQ(ran, threads * each);
}

TEST_P(Post, OneAtATimeEachFindsTheExecutorParkedOrParking) {
  constexpr int rounds = support::sanitized ? 3'000 : 10'000;
  auto executor = make_executor(options());
  auto handle = executor->handle();
  std::atomic<int> answered{0};
  support::event done;
  std::thread poster;
  executor->run([&](tide::scope&) -> tide::task<> {
    poster = std::thread([&] {
      for (int i = 1; i <= rounds; ++i) {
        EXPECT_TRUE(handle.post([&, i] {
          answered = i;
          answered.notify_one();
          if (i == rounds) done.set();
        }));
        for (int seen = answered; seen != i; seen = answered) answered.wait(seen);
      }
    });
    co_await done;
  });
  poster.join();
  EXPECT_EQ(answered, rounds);
}

TEST_P(Post, EachThreadsWorkRunsInItsOrder) {
  auto executor = make_executor(options());
  auto handle = executor->handle();
  std::vector<int> last(3, -1);
  int left = 3 * 2'000;
  support::event done;
  std::vector<std::thread> posters;
  executor->run([&](tide::scope&) -> tide::task<> {
    for (std::size_t who = 0; who < 3; ++who) {
      posters.emplace_back([&, who] {
        for (int i = 0; i < 2'000; ++i) {
          (void)handle.post([&, who, i] {
            EXPECT_EQ(last[who], i - 1);
            last[who] = i;
            if (--left == 0) done.set();
          });
        }
      });
    }
    co_await done;
  });
  for (std::thread& poster : posters) poster.join();
}

TEST(PostLife, BeforeTheRun) {
  auto executor = make_executor();
  support::event posted;
  EXPECT_TRUE(executor->handle().post([&] { posted.set(); }));
  executor->run([&](tide::scope&) -> tide::task<> { co_await posted; });
}

/// Leaves itself in the mailbox again and again, as a waiter that is woken over and over does.
class repeated_entry final : public tide::detail::mailbox_entry {
 public:
  support::event* all = nullptr;
  int runs = 0;
  int wanted = 0;
  int drops = 0;
  std::atomic<int> seen{0};

 private:
  void run() override {
    if (++runs == wanted) all->set();
    seen = runs;
    seen.notify_one();
  }
  void dropped() noexcept override { ++drops; }
};

TEST_P(Post, AnEntryIsLeftWithoutAnAllocationAndRunsOnceAPost) {
  auto executor = make_executor(options());
  auto handle = executor->handle();
  support::event all;
  repeated_entry entry;
  entry.all = &all;
  entry.wanted = support::sanitized ? 1'000 : 5'000;
  std::thread poster;
  executor->run([&](tide::scope&) -> tide::task<> {
    poster = std::thread([&] {
      const support::allocations counted;
      for (int i = 1; i <= entry.wanted; ++i) {
        EXPECT_TRUE(handle.post(entry));
        for (int seen = entry.seen; seen != i; seen = entry.seen) entry.seen.wait(seen);
      }
      EXPECT_EQ(counted.so_far(), 0u);
    });
    co_await all;
  });
  poster.join();
  EXPECT_EQ(entry.runs, entry.wanted);
  EXPECT_EQ(entry.drops, 0);
}

TEST(PostLife, AnEntryThatNeverRanIsToldAndOneTooLateIsNotTouched) {
  auto executor = make_executor();
  auto handle = executor->handle();
  repeated_entry early;
  EXPECT_TRUE(handle.post(early));
  executor.reset();
  EXPECT_EQ(early.runs, 0);
  EXPECT_EQ(early.drops, 1);
  repeated_entry late;
  EXPECT_FALSE(handle.post(late));
  EXPECT_EQ(late.drops, 0);
}

TEST(PostLife, FromItsOwnThread) {
  auto executor = make_executor();
  executor->run([&](tide::scope&) -> tide::task<> {
    support::event posted;
    EXPECT_TRUE(executor->handle().post([&] { posted.set(); }));
    co_await posted;
  });
}

TEST(PostLife, ToAnExecutorThatHasEnded) {
  auto executor = make_executor();
  auto handle = executor->handle();
  executor->run([](tide::scope&) -> tide::task<> { co_return; });
  executor.reset();
  EXPECT_FALSE(handle.post([witness = support::witness()] { ADD_FAILURE(); }));
  EXPECT_EQ(support::witness::alive(), 0);
  handle.wake();
  const auto copy = handle;
  EXPECT_FALSE(copy.post([] {}));
}

TEST(PostLife, WhatNeverRanIsDropped) {
  auto executor = make_executor();
  EXPECT_TRUE(executor->handle().post([witness = support::witness()] { ADD_FAILURE(); }));
  EXPECT_EQ(support::witness::alive(), 1);
  executor.reset();
  EXPECT_EQ(support::witness::alive(), 0);
}

TEST(PostLife, WhileTheExecutorEnds) {
  for (int round = 0; round < 50; ++round) {
    auto executor = make_executor();
    auto handle = executor->handle();
    std::atomic<bool> begun{false};
    std::thread poster([&] {
      while (handle.post([witness = support::witness()] {})) begun = true;
    });
    while (!begun) std::this_thread::yield();
    executor->run([](tide::scope&) -> tide::task<> { co_await tide::yield(); });
    executor.reset();
    poster.join();
    ASSERT_EQ(support::witness::alive(), 0);
  }
}

TEST(PostLife, WorkMayUseTheRootScope) {
  auto executor = make_executor();
  bool ran = false;
  executor->run([&](tide::scope&) -> tide::task<> {
    support::event done;
    (void)executor->handle().post([&] {
      executor->root().spawn(
          [](bool& flag, support::event& set) -> tide::task<> {
            co_await tide::yield();
            flag = true;
            set.set();
          },
          std::ref(ran), std::ref(done));
    });
    co_await done;
  });
  EXPECT_TRUE(ran);
}

}  // namespace
