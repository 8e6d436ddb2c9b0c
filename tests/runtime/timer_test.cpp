#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <tide/runtime/alarm.hpp>
#include <tide/runtime/interval.hpp>

#include "support/run.hpp"
#include "support/sanitizers.hpp"
#include "support/witness.hpp"

namespace {

using namespace std::chrono_literals;
using support::run_here;
using time_point = tide::clock::time_point;

struct marked_timer final : tide::timer {
  void expired() noexcept override { fired->push_back(number); }
  std::size_t number = 0;
  std::vector<std::size_t>* fired = nullptr;
};

TEST(TimerSet, AMillionRandomStepsFollowASortedMap) {
  constexpr int steps = support::sanitized ? 100'000 : 1'000'000;
  constexpr std::size_t many = 500;
  std::mt19937_64 random(7);
  std::vector<std::size_t> fired;
  std::vector<marked_timer> timers(many);
  for (std::size_t i = 0; i < many; ++i) {
    timers[i].number = i;
    timers[i].fired = &fired;
  }
  tide::timer_set set;
  std::multimap<time_point, std::size_t> model;
  std::vector<std::multimap<time_point, std::size_t>::iterator> places(many, model.end());
  time_point now{};
  const auto deadline = [&] {
    switch (random() % 8) {
      case 0: return now - std::chrono::nanoseconds(random() % 1'000);  // past
      case 1: return time_point::max();
      case 2: return time_point::min();
      case 3: return now + std::chrono::hours(random() % 100);
      default: return now + std::chrono::nanoseconds(random() % 5'000);  // many are equal to others
    }
  };
  for (int step = 0; step < steps; ++step) {
    const std::size_t which = random() % many;
    if (random() % 4 != 0) {
      if (places[which] != model.end()) model.erase(places[which]);
      const auto at = deadline();
      places[which] = model.emplace(at, which);
      set.arm(timers[which], at);
    } else if (random() % 2 == 0) {
      if (places[which] != model.end()) model.erase(std::exchange(places[which], model.end()));
      set.disarm(timers[which]);
    } else {
      now += random() % 1'000 == 0 ? std::chrono::nanoseconds(72h) : std::chrono::nanoseconds(random() % 2'000);
      set.fire(now);
      time_point last = time_point::min();
      for (const std::size_t each : fired) {
        ASSERT_NE(places[each], model.end()) << "fired without being armed";
        ASSERT_LE(places[each]->first, now) << "early";
        ASSERT_GE(places[each]->first, last) << "out of order";
        last = places[each]->first;
        model.erase(std::exchange(places[each], model.end()));
      }
      fired.clear();
      ASSERT_TRUE(model.empty() || model.begin()->first > now) << "late";
    }
    ASSERT_EQ(timers[which].armed(), places[which] != model.end());
    ASSERT_EQ(set.next().has_value(), !model.empty());
    ASSERT_TRUE(model.empty() || *set.next() == model.begin()->first);
  }
  for (auto& each : timers) set.disarm(each);
}

TEST(Interval, BurstCatchesUpWithThePlan) {
  const time_point start{1h};
  tide::interval every(start, 10ms, tide::missed_tick::burst);
  EXPECT_EQ(every.taken(start + 35ms), 1u);
  EXPECT_EQ(every.deadline(), start + 10ms);
  EXPECT_EQ(every.taken(start + 35ms), 1u);
  EXPECT_EQ(every.deadline(), start + 20ms);
}

TEST(Interval, SkipLeavesOutWhatWasMissedAndKeepsThePlan) {
  const time_point start{1h};
  tide::interval every(start, 10ms, tide::missed_tick::skip);
  EXPECT_EQ(every.taken(start), 1u);
  EXPECT_EQ(every.deadline(), start + 10ms);
  EXPECT_EQ(every.taken(start + 45ms), 4u) << "those of 10, 20, 30 and 40 ms";
  EXPECT_EQ(every.deadline(), start + 50ms);
}

TEST(Interval, DelayBeginsThePlanAnew) {
  const time_point start{1h};
  tide::interval every(start, 10ms, tide::missed_tick::delay);
  EXPECT_EQ(every.taken(start + 35ms), 4u);
  EXPECT_EQ(every.deadline(), start + 45ms);
}

TEST(Interval, NoPeriodIsTooShortOrTooLong) {
  const time_point start{1h};
  tide::interval shortest(start, 0ns, tide::missed_tick::skip);
  EXPECT_EQ(shortest.taken(start + 1s), 1'000'000'001u);
  EXPECT_EQ(shortest.deadline(), start + 1s + 1ns);
  for (const auto policy : {tide::missed_tick::burst, tide::missed_tick::skip, tide::missed_tick::delay}) {
    tide::interval longest(start, tide::clock::duration::max(), policy);
    EXPECT_EQ(longest.taken(start + 1s), 1u);
    EXPECT_EQ(longest.deadline(), time_point::max());
  }
}

TEST(Interval, TicksUntilItIsCancelled) {
  run_here([](tide::scope& scope) -> tide::task<> {
    int ticks = 0;
    scope.spawn([&]() -> tide::task<> {
      tide::interval every(100us);
      auto due = every.deadline();
      while (const auto tick = co_await every.next()) {
        EXPECT_GE(tide::clock::now(), due) << "early";
        due = every.deadline();
        if (++ticks == 5) scope.cancel();
      }
      every.rearm(tide::clock::now() + 1h);
      EXPECT_EQ((co_await every.next()).error(), tide::errc::canceled);
    });
    co_await scope.join();
    EXPECT_EQ(ticks, 5);
  });
}

TEST(Alarm, CallsOnceAndNeverEarly) {
  run_here([](tide::scope& scope) -> tide::task<> {
    int calls = 0;
    const auto deadline = tide::clock::now() + 300us;
    tide::alarm one(scope, [&] {
      ++calls;
      EXPECT_GE(tide::clock::now(), deadline);
    });
    EXPECT_FALSE(one.armed());
    one.arm_at(deadline);
    EXPECT_TRUE(one.armed());
    EXPECT_TRUE(co_await tide::sleep_until(deadline + 300us));
    co_await scope.join();
    EXPECT_EQ(calls, 1);
    EXPECT_FALSE(one.armed());
    EXPECT_FALSE(one.cancel());
  });
}

TEST(Alarm, ArmingAgainMovesItAndCancelTakesItBack) {
  run_here([](tide::scope& scope) -> tide::task<> {
    std::string order;
    tide::alarm moved(scope, [&] { order += 'm'; });
    tide::alarm other(scope, [&] { order += 'o'; });
    tide::alarm never(scope, [&] { order += 'n'; });
    const auto now = tide::clock::now();
    moved.arm_at(now - 1s);
    never.arm_at(now - 1s);
    other.arm_at(now + 200us);
    moved.arm_at(now + 400us);
    EXPECT_TRUE(never.cancel());
    EXPECT_TRUE(co_await tide::sleep_until(now + 800us));
    co_await scope.join();
    EXPECT_EQ(order, "om");
  });
}

TEST(Alarm, RearmsItselfRunsInAQueueAndMayGoMeanwhile) {
  run_here([](tide::scope& scope) -> tide::task<> {
    auto* here = tide::executor::current();
    auto& queue = here->make_queue({.name = "alarms"});
    int calls = 0;
    std::unique_ptr<tide::alarm> again;
    again = std::make_unique<tide::alarm>(scope, queue, [&, witness = support::witness()]() -> tide::task<> {
      EXPECT_EQ(&here->current_queue(), &queue);
      if (++calls < 3) {
        again->arm(1us);
      } else {
        again.reset();
        co_await tide::yield();
        EXPECT_EQ(support::witness::alive(), 1) << "what runs stays";
      }
    });
    again->arm(1us);
    while (again) EXPECT_TRUE(co_await tide::sleep(10us));
    co_await scope.join();
    EXPECT_EQ(calls, 3);
    EXPECT_EQ(support::witness::alive(), 0);
  });
}

TEST(Alarm, WhatItThrowsGoesToTheScope) {
  run_here([](tide::scope&) -> tide::task<> {
    bool caught = false;
    try {
      co_await tide::with_scope([](tide::scope& scope) -> tide::task<> {
        tide::alarm loud(scope, [] { throw std::runtime_error("alarm"); });
        loud.arm(1us);
        (void)co_await tide::sleep(1h);
      });
    } catch (const std::runtime_error&) {
      caught = true;
    }
    EXPECT_TRUE(caught);
  });
}

TEST(Sleep, ZeroAndTheShortestNeverHang) {
  run_here([](tide::scope&) -> tide::task<> {
    for (int i = 0; i < (support::sanitized ? 500 : 5'000); ++i) {
      EXPECT_TRUE(co_await tide::sleep(0ns));
      EXPECT_TRUE(co_await tide::sleep(1ns));
      EXPECT_TRUE(co_await tide::sleep(1us));
    }
  });
}

}  // namespace
