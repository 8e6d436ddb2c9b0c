#include <gtest/gtest.h>

#include <cstdint>

#include <tide/runtime/deadline_queue.hpp>

#include "support/run.hpp"

namespace {

using namespace std::chrono_literals;
using time_point = tide::clock::time_point;

/// A machine that does 100,000 units a second for whoever has all of it, and another queue that always wants some.
struct machine {
  tide::deadline_control control;
  time_point now{1h};
  double others = 100;  // their shares
  double part = 0;      // of a unit
  unsigned most_shares = 0;

  /// Runs for `time`, reporting to `work`.
  void run(tide::deadline_work& work, std::chrono::milliseconds time) {
    for (const auto end = now + time; now < end && work.left() > 0; now += 10ms) {
      const unsigned shares = control.shares_at(now);
      if (shares > most_shares) most_shares = shares;
      part += 1'000 * shares / (shares + others);
      const auto whole = static_cast<std::uint64_t>(part);
      part -= static_cast<double>(whole);
      work.progress(whole);
    }
  }
};

TEST(DeadlineQueue, WorkIsDoneInTimeAndNoSoonerThanNeeded) {
  for (const std::uint64_t units : {10'000U, 100'000U, 300'000U, 700'000U}) {
    machine one;
    tide::deadline_work work(one.control, units, one.now + 10s);
    const auto begun = one.now;
    one.run(work, 10s);
    EXPECT_EQ(work.left(), 0u) << units;
    EXPECT_GE(one.now - begun, 8s) << units << ": as a burst";
  }
}

TEST(DeadlineQueue, ItFollowsWhatOthersTake) {
  machine one;
  tide::deadline_work work(one.control, 200'000, one.now + 10s);
  one.run(work, 3s);
  const auto left = work.left();
  EXPECT_LT(left, 160'000u);
  EXPECT_GT(left, 120'000u);
  one.others = 300;  // somebody else wakes up
  one.run(work, 4s);
  one.others = 10;
  one.run(work, 3s);
  EXPECT_EQ(work.left(), 0u);
}

TEST(DeadlineQueue, TwoWorksBothCount) {
  machine one;
  tide::deadline_work near(one.control, 100'000, one.now + 5s);
  tide::deadline_work far(one.control, 100'000, one.now + 50s);
  one.run(near, 5s);
  EXPECT_EQ(near.left(), 0u);
  one.run(far, 45s);
  EXPECT_EQ(far.left(), 0u);
}

TEST(DeadlineQueue, TooLateIsAsFastAsCanBeAndNothingToDoIsLeast) {
  machine one;
  {
    tide::deadline_work late(one.control, 1'000'000, one.now - 1s);
    one.run(late, 200ms);
    EXPECT_EQ(one.control.shares_at(one.now += 10ms), tide::task_queue::most_shares);
    EXPECT_GT(late.left(), 0u);
    late.progress(10'000'000);
    EXPECT_EQ(late.left(), 0u) << "more than there is counts as all";
    EXPECT_EQ(one.control.shares_at(one.now += 10ms), tide::task_queue::least_shares);
  }
  tide::deadline_work stuck(one.control, 10, one.now + 1h);
  unsigned before = one.control.shares_at(one.now += 10ms);
  for (int i = 0; i < 3; ++i) {
    const unsigned now = one.control.shares_at(one.now += 10ms);
    EXPECT_EQ(now, before * 2) << "no progress at all";
    before = now;
  }
}

TEST(DeadlineQueue, OnAnExecutor) {
  support::run_here([](tide::scope& scope) -> tide::task<> {
    auto& here = *tide::executor::current();
    for (int round = 0; round < 3; ++round) {
      tide::deadline_queue background(here, "background", 1ms);
      EXPECT_EQ(background.queue().name(), "background");
      tide::deadline_work job(background, 1'000, tide::clock::now() + 5ms);
      scope.spawn_into(background.queue(), [&]() -> tide::task<> {
        while (job.left() > 0) {
          job.progress(1);
          co_await tide::yield();
        }
      });
      co_await scope.join();
      EXPECT_EQ(job.left(), 0u);
      EXPECT_GE(background.queue().shares(), 1u);
    }
  });
}

}  // namespace
