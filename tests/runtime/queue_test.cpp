// Task queues on an executor whose tasks' time is counted by hand: each turn of a task takes what the test says.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include <tide/runtime/combine.hpp>
#include <tide/runtime/io_operation.hpp>
#include <tide/runtime/on.hpp>

#include "support/event.hpp"
#include "support/run.hpp"

namespace {

using namespace std::chrono_literals;
using support::make_executor;

std::uint64_t now_ns = 0;  // one thread

tide::executor::options by_hand() {
  return {.task_clock = []() noexcept { return now_ns; }};
}
void pass(std::chrono::nanoseconds time) { now_ns += static_cast<std::uint64_t>(time.count()); }

struct nop : tide::io_operation {
  nop() : io_operation(tide::ring::request::nop()) {}
  int await_resume() const noexcept { return result_code(); }
};

/// Takes `time` at each turn, as long as turns are left for all.
tide::task<> busy(std::chrono::nanoseconds time, int& turns, int& left) {
  while (left > 0) {
    --left;
    pass(time);
    ++turns;
    co_await tide::yield();
  }
}

/// How many turns tasks in queues of these shares get until all have had `total`.
std::vector<int> turns_by_shares(const std::vector<unsigned>& shares, int total, std::chrono::nanoseconds time) {
  std::vector<int> turns(shares.size());
  auto executor = make_executor(by_hand());
  executor->run([&](tide::scope& scope) -> tide::task<> {
    for (std::size_t i = 0; i < shares.size(); ++i) {
      auto& queue = executor->make_queue({.name = std::to_string(i), .shares = shares[i]});
      for (int k = 0; k < 3; ++k) scope.spawn_into(queue, busy(time, turns[i], total));
    }
    co_await scope.join();
  });
  return turns;
}

TEST(TaskQueue, TimeFollowsShares) {
  const auto turns = turns_by_shares({100, 300}, 40'000, 20us);
  EXPECT_NEAR(static_cast<double>(turns[1]) / turns[0], 3, 0.15);
  const auto extreme = turns_by_shares({1, 1000}, 50'000, 300us);
  EXPECT_NEAR(extreme[0], 50, 10);
}

TEST(TaskQueue, TenWithEqualSharesGetEqualTurns) {
  for (const int each : turns_by_shares(std::vector<unsigned>(10, 100), 100'000, 30us)) EXPECT_NEAR(each, 10'000, 500);
}

TEST(TaskQueue, FirstInFirstOutInside) {
  auto executor = make_executor(by_hand());
  executor->run([&](tide::scope& scope) -> tide::task<> {
    auto& queue = executor->make_queue({.name = "one"});
    executor->make_queue({.name = "other"});
    std::string order;
    for (const char name : {'a', 'b', 'c'}) {
      scope.spawn_into(queue, [&order, name]() -> tide::task<> {
        for (int i = 0; i < 3; ++i) {
          order += name;
          pass(200us);
          co_await tide::yield();
        }
      });
    }
    co_await scope.join();
    EXPECT_EQ(order, "abcabcabc");
  });
}

tide::task<> expect_in(tide::task_queue& queue, const char* after) {
  EXPECT_EQ(&tide::executor::current()->current_queue(), &queue) << after;
  co_return;
}

TEST(TaskQueue, WhatATaskCallsSpawnsAndAwaitsStaysInItsQueue) {
  auto executor = make_executor({});
  executor->run([&](tide::scope& scope) -> tide::task<> {
    auto& queue = executor->make_queue({.name = "one"});
    auto& other = executor->make_queue({.name = "other"});
    scope.spawn_into(queue, [&]() -> tide::task<> {
      co_await expect_in(queue, "the spawn");
      EXPECT_TRUE(co_await tide::sleep(1us));
      co_await expect_in(queue, "a sleep");
      EXPECT_EQ(co_await nop(), 0);
      co_await expect_in(queue, "an operation");
      EXPECT_EQ((co_await tide::timeout(1us, tide::sleep(1h))).error(), tide::errc::timed_out);
      co_await expect_in(queue, "a timeout");
      co_await tide::all(expect_in(queue, "in all"), expect_in(queue, "in all"));
      co_await tide::shield(expect_in(queue, "in a shield"));
      EXPECT_TRUE(co_await tide::on(executor->handle(), [&] { return expect_in(executor->default_queue(), "on"); }));
      co_await expect_in(queue, "a call by on");
      co_await expect_in(queue, "all");
      co_await tide::with_scope([&](tide::scope& inner) -> tide::task<> {
        inner.spawn(expect_in(queue, "an inner spawn"));
        auto there = inner.spawn_joinable_into(other, [&]() -> tide::task<int> {
          co_await expect_in(other, "a spawn elsewhere");
          co_await tide::yield();
          co_await expect_in(other, "a yield elsewhere");
          co_return 4;
        });
        EXPECT_EQ((co_await there).value(), 4);
        co_await expect_in(queue, "a join");
        co_await inner.join();
        co_await expect_in(queue, "a join of all");
      });
      co_await expect_in(queue, "a scope");
    });
    co_await scope.join();
    co_await expect_in(executor->default_queue(), "main");
  });
}

TEST(TaskQueue, CancelReachesTheTasksOfAScopeInEveryQueue) {
  auto executor = make_executor({});
  executor->run([&](tide::scope& scope) -> tide::task<> {
    std::array<tide::task_queue*, 3> queues{};
    for (auto*& each : queues) each = &executor->make_queue({});
    int ended = 0;
    for (int i = 0; i < 30; ++i) {
      scope.spawn_into(*queues[static_cast<std::size_t>(i) % 3], [&]() -> tide::task<> {
        EXPECT_EQ((co_await tide::sleep(1h)).error(), tide::errc::canceled);
        ++ended;
      });
    }
    for (int i = 0; i < 10; ++i) co_await tide::yield();
    for (auto* each : queues) EXPECT_EQ(each->tasks(), 10u);
    scope.cancel();
    co_await scope.join();
    EXPECT_EQ(ended, 30);
  });
}

TEST(TaskQueue, DynamicSharesAreAskedPeriodicallyAndCount) {
  auto executor = make_executor(by_hand());
  executor->run([&](tide::scope& scope) -> tide::task<> {
    unsigned wanted = 50;
    int asked = 0;
    std::array<int, 2> turns{};
    int left = 0;
    auto& moves = executor->make_queue({.name = "moves",
                                        .adjust =
                                            [&] {
                                              ++asked;
                                              return wanted;
                                            },
                                        .adjust_every = 10ms});
    auto& stays = executor->make_queue({.name = "stays", .shares = 100});
    const auto run = [&](int total) -> tide::task<> {
      turns = {};
      left = total;
      scope.spawn_into(moves, busy(20us, turns[0], left));
      scope.spawn_into(stays, busy(20us, turns[1], left));
      co_await scope.join();
    };
    co_await run(10'000);  // 200 ms
    EXPECT_NEAR(static_cast<double>(turns[1]) / turns[0], 2, 0.2);
    EXPECT_GE(asked, 18);
    EXPECT_LE(asked, 21);
    wanted = 400;
    co_await run(1'000);  // the new shares have arrived
    co_await run(10'000);
    EXPECT_NEAR(static_cast<double>(turns[0]) / turns[1], 4, 0.4);
    EXPECT_EQ(moves.shares(), 400u);
  });
}

TEST(TaskQueue, AnExceptionOfTheOneWhoIsAskedIsReportedAndTheSharesStay) {
  int reported = 0;
  auto wanted = by_hand();
  wanted.on_exception = [&](const std::exception_ptr&) { ++reported; };
  auto executor = make_executor(wanted);
  executor->run([&](tide::scope& scope) -> tide::task<> {
    auto& queue = executor->make_queue({.name = "throws",
                                        .shares = 70,
                                        .adjust = []() -> unsigned { throw std::runtime_error("no shares"); },
                                        .adjust_every = 1ms});
    scope.spawn_into(queue, []() -> tide::task<> {
      for (int i = 0; i < 10; ++i) {
        pass(500us);
        co_await tide::yield();
      }
    });
    co_await scope.join();
    EXPECT_EQ(queue.shares(), 70u);
    EXPECT_FALSE(scope.cancelled());
  });
  EXPECT_GE(reported, 4);
}

TEST(TaskQueue, TheLatencyClassIsLookedAtFirst) {
  auto executor = make_executor(by_hand());
  executor->run([&](tide::scope& scope) -> tide::task<> {
    auto& batch = executor->make_queue({.name = "batch", .shares = 1000});
    auto& control = executor->make_queue({.name = "control", .shares = 1, .latency = 500us});
    support::event called;
    int turns = 0;
    int waited = -1;
    scope.spawn_into(control, [&]() -> tide::task<> {
      co_await called;
      waited = turns;
    });
    for (int i = 0; i < 100; ++i) co_await tide::yield();  // it waits
    for (int k = 0; k < 50; ++k) {
      scope.spawn_into(batch, [&]() -> tide::task<> {
        for (int i = 0; i < 20; ++i) {
          if (turns == 333 && !called.await_ready()) {
            called.set();
            EXPECT_TRUE(tide::need_preempt()) << "somebody of the latency class waits";
            turns = 0;
          }
          ++turns;
          pass(1us);
          co_await tide::yield();
        }
      });
    }
    co_await scope.join();
    EXPECT_EQ(waited, 1);
  });
}

/// A completion that is there while ten thousand tasks can run.
void expect_prompt_completion(bool several_queues, std::chrono::nanoseconds most) {
  auto executor = make_executor(by_hand());
  executor->run([&](tide::scope& scope) -> tide::task<> {
    int turns = 0;
    int left = std::numeric_limits<int>::max();
    auto* queue = &executor->default_queue();
    if (several_queues) {
      queue = &executor->make_queue({.name = "many"});
      executor->make_queue({.name = "idle"});
    }
    for (int i = 0; i < 10'000; ++i) scope.spawn_into(*queue, busy(20us, turns, left));
    for (int i = 0; i < 3; ++i) co_await tide::yield();  // all have begun, and are known to take their time
    for (int i = 0; i < 20; ++i) {
      const auto began = now_ns;
      EXPECT_EQ(co_await nop(), 0);
      EXPECT_LE(now_ns - began, static_cast<std::uint64_t>(most.count()));
    }
    left = 0;
    co_await scope.join();
  });
}

TEST(TaskQueue, CompletionsAreLookedAtEveryMillisecondWhateverRuns) {
  if (support::unkind_seed() != 0) GTEST_SKIP() << "its completions come late";
  expect_prompt_completion(false, 2ms);  // until the request is handed over, and until its completion is seen
  expect_prompt_completion(true, 3ms);   // and its own queue's turn
}

TEST(TaskQueue, NeedPreemptOnceTheQuantumIsUsedUp) {
  auto executor = make_executor(by_hand());
  EXPECT_FALSE(tide::need_preempt()) << "outside of an executor";
  executor->run([&](tide::scope& scope) -> tide::task<> {
    EXPECT_FALSE(tide::need_preempt());
    pass(999us);
    EXPECT_FALSE(tide::need_preempt());
    pass(1us);
    EXPECT_TRUE(tide::need_preempt());
    co_await tide::yield();
    EXPECT_FALSE(tide::need_preempt());
    EXPECT_EQ(co_await nop(), 0);
    EXPECT_FALSE(tide::need_preempt()) << "after a completion too";
    pass(1ms);
    EXPECT_TRUE(tide::need_preempt());
    int others = 0;
    const auto other = [&]() -> tide::task<> {
      ++others;
      co_return;
    };
    scope.spawn(other);
    co_await tide::yield_if_needed();
    EXPECT_EQ(others, 1);
    scope.spawn(other);
    co_await tide::yield_if_needed();
    EXPECT_EQ(others, 1) << "there was no need";
  });
}

TEST(TaskQueue, TurnsBetweenQueuesMakeNoCallAndArmNoTimer) {
  auto executor = make_executor(by_hand());
  executor->run([&](tide::scope& scope) -> tide::task<> {
    int left = 10'000;
    std::array<int, 2> turns{};
    scope.spawn_into(executor->make_queue({.name = "one"}), busy(20us, turns[0], left));
    scope.spawn_into(executor->make_queue({.name = "other", .latency = 100us}), busy(20us, turns[1], left));
    const auto before = executor->ring().count();
    co_await scope.join();
    const auto after = executor->ring().count();
    EXPECT_EQ(after.enters, before.enters);
    EXPECT_EQ(after.submitted, before.submitted);
  });
}

TEST(TaskQueue, GoesOnceItIsEmpty) {
  auto executor = make_executor({});
  executor->run([&](tide::scope& scope) -> tide::task<> {
    EXPECT_EQ(executor->remove_queue(executor->default_queue()).error(), std::errc::invalid_argument);
    for (int round = 0; round < 3; ++round) {
      auto& queue = executor->make_queue({.name = "passing"});
      EXPECT_EQ(queue.name(), "passing");
      scope.spawn_into(queue, []() -> tide::task<> { EXPECT_TRUE(co_await tide::sleep(1us)); });
      EXPECT_EQ(executor->remove_queue(queue).error(), std::errc::device_or_resource_busy);
      co_await tide::with_scope([&](tide::scope& inner) -> tide::task<> {
        inner.spawn_into(queue, []() -> tide::task<> { co_await tide::yield(); });
        co_await inner.join();
      });
      co_await scope.join();
      EXPECT_TRUE(executor->remove_queue(queue));
      EXPECT_EQ(co_await nop(), 0);
      EXPECT_TRUE(co_await tide::sleep(1us)) << "alone again";
    }
  });
}

TEST(TaskQueue, Statistics) {
  auto executor = make_executor(by_hand());
  executor->run([&](tide::scope& scope) -> tide::task<> {
    pass(5ms);
    EXPECT_EQ(executor->default_queue().statistics().run_time, 5ms) << "alone";
    auto& queue = executor->make_queue({.name = "counted"});
    pass(2ms);
    int sleeping = 0;
    for (int i = 0; i < 3; ++i) {
      scope.spawn_into(queue, [&]() -> tide::task<> {
        pass(1ms);
        co_await tide::yield();
        pass(1ms);
        EXPECT_EQ(co_await nop(), 0);
        ++sleeping;
        (void)co_await tide::sleep(1h);
      });
    }
    while (sleeping < 3) EXPECT_TRUE(co_await tide::sleep(10us));
    EXPECT_EQ(queue.tasks(), 3u);
    EXPECT_EQ(executor->count().tasks, 4u) << "and main";
    scope.cancel();
    co_await scope.join();
    const auto counted = queue.statistics();
    EXPECT_EQ(counted.run_time, 6ms);
    EXPECT_EQ(counted.spawned, 3u);
    EXPECT_EQ(counted.turns, tide::detail::tail_calls ? 12u : 15u);
    EXPECT_EQ(counted.io_operations, 3u);
    EXPECT_EQ(counted.io_bytes, 0u);
    EXPECT_EQ(queue.tasks(), 0u);
    EXPECT_EQ(executor->default_queue().statistics().run_time, 7ms);
    EXPECT_GE(executor->count().run_time, 13ms);
    EXPECT_GT(executor->count().turns, 2u);
  });
}

TEST(TaskQueue, ExceptionsReachTheirJoinerFromAnyQueue) {
  auto executor = make_executor({});
  executor->run([&](tide::scope& scope) -> tide::task<> {
    int others = 0;
    for (int i = 0; i < 5; ++i) {
      auto& queue = executor->make_queue({.name = std::to_string(i)});
      scope.spawn_into(queue, [&]() -> tide::task<> { others += co_await tide::sleep(100us) ? 1 : 0; });
      auto throws = scope.spawn_joinable_into(
          queue,
          [](int number) -> tide::task<> {
            EXPECT_EQ(co_await nop(), 0);
            throw std::out_of_range(std::to_string(number));
          },
          i);
      std::string heard;
      try {
        (void)co_await throws;
      } catch (const std::out_of_range& error) {
        heard = error.what();
      }
      EXPECT_EQ(heard, std::to_string(i));
    }
    co_await scope.join();
    EXPECT_EQ(others, 5);
  });
}

}  // namespace
