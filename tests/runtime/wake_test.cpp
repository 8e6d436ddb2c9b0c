// Executors that wake each other: through the rings, by the futex word, by an eventfd, whatever the kernel is said to lack.
// No timer is armed anywhere: a wake that got lost would stop the test for good.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>

#include "support/event.hpp"
#include "support/process.hpp"
#include "support/run.hpp"
#include "support/sanitizers.hpp"
#include "support/witness.hpp"

namespace {

using support::make_executor;

struct mask {
  const char* name;
  tide::ring::features without;
};

class Wake : public testing::TestWithParam<mask> {
 protected:
  static tide::executor::options options() { return {.ring = {.without = GetParam().without}}; }
};
INSTANTIATE_TEST_SUITE_P(Without, Wake,
                         testing::Values(mask{"Nothing", {}}, mask{"Messages", {.msg_ring = true}},
                                         mask{"MessagesAndFutex", {.msg_ring = true, .futex = true}},
                                         mask{"Futex", {.futex = true}}, mask{"DeferredWork", {.defer_taskrun = true}},
                                         mask{"AllOfThem",
                                              {.defer_taskrun = true,
                                               .no_sqarray = true,
                                               .registered_ring = true,
                                               .msg_ring = true,
                                               .futex = true,
                                               .bind_listen = true}},
                                         mask{"RegisteredRing", {.registered_ring = true}},
                                         mask{"NoSqArray", {.no_sqarray = true}}),
                         [](const auto& each) { return each.param.name; });

TEST_P(Wake, TwoExecutorsEachFindingTheOtherParkedOrParking) {
  constexpr int rounds = support::sanitized ? 1'000 : 5'000;
  auto first = make_executor(options());
  auto second = make_executor(options());
  auto to_first = first->handle();
  auto to_second = second->handle();
  support::event first_done;
  support::event second_done;
  int count = 0;
  std::function<void()> there;
  const std::function<void()> back = [&] {
    if (++count == rounds) {
      first_done.set();
      (void)to_second.post([&] { second_done.set(); });
    } else {
      (void)to_second.post(there);
    }
  };
  there = [&] { (void)to_first.post(back); };
  std::thread other([&] { second->run([&](tide::scope&) -> tide::task<> { co_await second_done; }); });
  first->run([&](tide::scope&) -> tide::task<> {
    (void)to_second.post(there);
    co_await first_done;
  });
  other.join();
  EXPECT_EQ(count, rounds);
  EXPECT_EQ(first->ring().count().stale + second->ring().count().stale, 0u);
  const bool by_message = first->ring().available().msg_ring;
  EXPECT_EQ(by_message, !GetParam().without.msg_ring);
  EXPECT_EQ(first->count().messages != 0, by_message);
}

TEST_P(Wake, IsOnItsWayWhenTheCallReturns) {
  auto target = make_executor(options());
  auto handle = target->handle();
  support::event called;
  std::thread other([&] { target->run([&](tide::scope&) -> tide::task<> { co_await called; }); });
  make_executor(options())->run([&](tide::scope&) -> tide::task<> {
    EXPECT_TRUE(handle.post([&] { called.set(); }));
    other.join();  // blocks this thread and its ring
    co_return;
  });
}

TEST_P(Wake, WhileTheOtherEndsAndItsDescriptorIsUsedAgain) {
  const auto descriptors = support::open_descriptors();
  {
    constexpr int rounds = support::sanitized ? 50 : 300;
    std::atomic<bool> over{false};
    std::atomic<std::shared_ptr<tide::executor_handle>> target;
    std::thread caller([&] {
      make_executor(options())->run([&](tide::scope&) -> tide::task<> {
        while (!over) {
          if (const auto known = target.load()) (void)known->post([witness = support::witness()] {});
          co_await tide::yield();
        }
      });
    });
    for (int round = 0; round < rounds; ++round) {
      auto executor = make_executor(options());
      target = std::make_shared<tide::executor_handle>(executor->handle());
      executor->run([](tide::scope&) -> tide::task<> { EXPECT_TRUE(co_await tide::sleep(std::chrono::microseconds(50))); });
    }
    over = true;
    caller.join();
  }
  EXPECT_EQ(support::open_descriptors(), descriptors);
  EXPECT_EQ(support::witness::alive(), 0);
}

}  // namespace
