// What executors cost, in things that can be counted: system calls, memory, messages.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "support/event.hpp"
#include "support/process.hpp"
#include "support/run.hpp"
#include "support/sanitizers.hpp"

namespace {

using support::make_executor;

TEST(ExecutorCost, ARoundTripBetweenTwoTakesTwoEntersASideAtMost) {
  if (support::unkind_seed() != 0) GTEST_SKIP() << "counts what a kind kernel needs";
  constexpr std::uint64_t rounds = 1'000;
  constexpr std::uint64_t around = 50;  // to begin and to end
  auto here = make_executor();
  auto there = make_executor();
  const auto to_here = here->handle();
  const auto to_there = there->handle();
  support::event done;
  support::event done_there;
  std::uint64_t count = 0;
  std::function<void()> go;
  const std::function<void()> back = [&] {
    if (++count < rounds) {
      (void)to_there.post(go);
    } else {
      done.set();
      (void)to_there.post([&] { done_there.set(); });
    }
  };
  go = [&] { (void)to_here.post(back); };
  std::thread other([&] { there->run([&](tide::scope&) -> tide::task<> { co_await done_there; }); });
  here->run([&](tide::scope&) -> tide::task<> {
    (void)to_there.post(go);
    co_await done;
  });
  other.join();
  EXPECT_LE(here->ring().count().enters, 2 * rounds + around);
  EXPECT_LE(there->ring().count().enters, 2 * rounds + around);
}

TEST(ExecutorCost, AWakeOfOneThatIsAwakeMakesNoCall) {
  std::atomic<bool> awake{false};
  std::atomic<int> heard{0};
  constexpr int posts = 1'000;
  auto there = make_executor();
  const auto handle = there->handle();
  std::thread other([&] {
    there->run([&](tide::scope&) -> tide::task<> {
      awake = true;
      while (heard < posts) co_await tide::yield();
    });
  });
  auto here = make_executor();
  here->run([&](tide::scope&) -> tide::task<> {
    while (!awake) std::this_thread::yield();
    const auto before = here->ring().count();
    for (int i = 0; i < posts; ++i) EXPECT_TRUE(handle.post([&] { ++heard; }));
    const auto after = here->ring().count();
    EXPECT_EQ(after.enters, before.enters);
    EXPECT_EQ(after.submitted, before.submitted);
    co_return;
  });
  other.join();
  EXPECT_EQ(here->count().messages, 0u);
}

TEST(ExecutorCost, AMillionWakersOfOneTask) {
  constexpr std::size_t many = 1'000'000;
  std::vector<tide::executor_handle> wakers;
  {
    auto executor = make_executor();
    wakers.assign(many, executor->handle());
    std::size_t woken = 0;
    support::event all_called;
    std::thread other([&] {
      for (std::size_t i = 0; i < many; ++i) {
        wakers[i].wake();
        if (i % 100 == 0) (void)wakers[i].post([&] { ++woken; });
      }
      (void)wakers.back().post([&] { all_called.set(); });
    });
    executor->run([&](tide::scope&) -> tide::task<> { co_await all_called; });
    other.join();
    EXPECT_EQ(woken, many / 100);
  }
  for (const auto& each : wakers) each.wake();
  EXPECT_FALSE(wakers.front().post([] {}));
}

TEST(ExecutorCost, AnIdleOneTakesLessThanTwoMegabytes) {
  if (support::sanitized) GTEST_SKIP() << "whose memory is the sanitizer's";
  const auto memory = support::resident_bytes();
  constexpr std::size_t several = 8;
  std::vector<std::unique_ptr<tide::executor>> idle;
  for (std::size_t i = 0; i < several; ++i) {
    idle.push_back(make_executor());
    idle.back()->run([](tide::scope& scope) -> tide::task<> {
      scope.spawn([]() -> tide::task<> { co_await tide::yield(); });
      co_await scope.join();
    });
  }
  EXPECT_LT(support::resident_bytes(), memory + several * (std::size_t{2} << 20U));
}

template <std::size_t Bytes>
tide::task<std::size_t> large_frame(int depth) {
  std::array<std::byte, Bytes> kept{};
  kept.back() = std::byte{1};
  if (depth > 0) co_return Bytes + co_await large_frame<Bytes>(depth - 1);
  co_await tide::yield();
  co_return Bytes* static_cast<std::size_t>(kept.back());
}

TEST(ExecutorCost, FramesOfAnySizeLiveTogether) {
  support::run_here([](tide::scope&) -> tide::task<> {
    for (int round = 0; round < 3; ++round) {
      EXPECT_EQ(co_await large_frame<1>(20), 21u);
      EXPECT_EQ(co_await large_frame<2'000>(20), 42'000u);
      EXPECT_EQ(co_await large_frame<100'000>(20), 2'100'000u);
      EXPECT_EQ(co_await large_frame<3'000'000>(2), 9'000'000u);
    }
  });
}

}  // namespace
