#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <random>

#include <tide/runtime/detail/share_scheduler.hpp>

namespace {

using tide::detail::share_scheduler;

struct entity : tide::detail::share_entity {
  explicit entity(unsigned shares, bool urgent = false) {
    set_shares(shares);
    urgent_ = urgent;
  }
  std::uint64_t ran = 0;
};

entity* run_next(share_scheduler& on, std::uint64_t ticks, bool goes_on = true) {
  auto* chosen = static_cast<entity*>(on.next());
  chosen->ran += ticks;
  on.ran(*chosen, ticks, goes_on);
  return chosen;
}

TEST(ShareScheduler, TimeFollowsShares) {
  share_scheduler scheduler(0);
  std::array<entity, 4> all{entity(1), entity(10), entity(100), entity(1000)};
  for (entity& each : all) scheduler.wake(each);
  std::mt19937 random(1);
  std::uint64_t total = 0;
  while (total < 200'000'000) {
    const std::uint64_t ticks = 1 + random() % 2'000;
    run_next(scheduler, ticks);
    total += ticks;
  }
  for (const entity& each : all) {
    const double share = static_cast<double>(each.ran) / static_cast<double>(total);
    EXPECT_NEAR(share, each.shares() / 1111.0, 0.02 * each.shares() / 1111.0) << each.shares();
  }
}

TEST(ShareScheduler, SharesThatAreOutOfRangeAreTheNearest) {
  EXPECT_EQ(entity(0).shares(), 1u);
  EXPECT_EQ(entity(5'000'000).shares(), 1000u);
}

TEST(ShareScheduler, WhatWasNotUsedIsNotSavedUp) {
  share_scheduler scheduler(0);
  entity busy(100);
  entity sleeper(100);
  scheduler.wake(busy);
  scheduler.wake(sleeper);
  run_next(scheduler, 1'000, false);
  run_next(scheduler, 1'000);
  entity& awake = busy.queued() ? busy : sleeper;
  entity& asleep = busy.queued() ? sleeper : busy;
  for (int i = 0; i < 1'000'000; ++i) run_next(scheduler, 1'000'000);  // hours
  const auto before = awake.ran;
  scheduler.wake(asleep);
  for (int i = 0; i < 100; ++i) run_next(scheduler, 1'000'000);
  EXPECT_NEAR(static_cast<double>(awake.ran - before), 50e6, 1.1e6);
}

TEST(ShareScheduler, ThereIsNoEdgeInTime) {
  share_scheduler scheduler(0);
  entity one(1);
  entity two(2);
  scheduler.wake(one);
  scheduler.wake(two);
  constexpr std::uint64_t years = 1ULL << 60U;
  for (int i = 0; i < 300; ++i) run_next(scheduler, years / 16);
  one.ran = two.ran = 0;
  for (int i = 0; i < 300; ++i) run_next(scheduler, 1ULL << 40U);
  EXPECT_NEAR(static_cast<double>(two.ran) / static_cast<double>(one.ran), 2, 0.05);
}

TEST(ShareScheduler, TheLatencyClassComesFirst) {
  share_scheduler scheduler(10'000);
  entity batch(1000);
  entity urgent(1, true);
  scheduler.wake(batch);
  EXPECT_EQ(run_next(scheduler, 5'000), &batch);
  for (int i = 0; i < 100; ++i) {
    scheduler.wake(urgent);
    EXPECT_EQ(run_next(scheduler, 1, false), &urgent);
    EXPECT_EQ(run_next(scheduler, 100'000), &batch);
  }
}

TEST(ShareScheduler, AndDoesNotStarveTheOthers) {
  share_scheduler scheduler(10'000);
  entity batch(100);
  entity urgent(100, true);
  scheduler.wake(batch);
  scheduler.wake(urgent);
  for (int i = 0; i < 10'000; ++i) run_next(scheduler, 100);
  EXPECT_NEAR(static_cast<double>(urgent.ran) / static_cast<double>(batch.ran), 1, 0.05);
  EXPECT_GE(urgent.ran, batch.ran + 9'000) << "its lead";
}

TEST(ShareScheduler, OneThatGoesIsForgotten) {
  share_scheduler scheduler(0);
  entity stays(1);
  {
    entity goes(1000);
    scheduler.wake(stays);
    scheduler.wake(goes);
    EXPECT_FALSE(scheduler.only(stays));
    scheduler.forget(goes);
    scheduler.forget(goes);
  }
  EXPECT_TRUE(scheduler.only(stays));
  EXPECT_EQ(run_next(scheduler, 1, false), &stays);
  EXPECT_EQ(scheduler.next(), nullptr);
  EXPECT_TRUE(scheduler.idle());
}

}  // namespace
