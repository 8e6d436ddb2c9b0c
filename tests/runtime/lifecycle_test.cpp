#include <gtest/gtest.h>

#include <csignal>

#include <atomic>
#include <functional>
#include <future>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

#include <tide/runtime/blocking.hpp>
#include <tide/runtime/on.hpp>
#include <tide/runtime/signal.hpp>

#include "support/event.hpp"
#include "support/process.hpp"
#include "support/run.hpp"
#include "support/sanitizers.hpp"
#include "support/witness.hpp"

namespace {

using namespace std::chrono_literals;
using support::make_executor;
using support::run_here;

tide::task<> wait_for_ever(support::witness) { (void)co_await tide::sleep(10h); }

tide::task<int> add(int a, int b) { co_return a + b; }

/// Until `there` has looked at its ring again, and has heard of every message it had sent: each turn runs what was posted
/// and then looks. One would do, were the ring never unkind.
void let_look_around(const tide::executor_handle& there) {
  for (int turns = 0; turns < 64; ++turns) {
    std::promise<void> turned;
    auto heard = turned.get_future();
    EXPECT_TRUE(there.post([turned = std::move(turned)] mutable { turned.set_value(); }));
    heard.wait();
  }
}

TEST(ExecutorLife, TheDescriptorOfAnEndedOneIsFreeOnceTheLastSenderHasLookedAround) {
  auto sender = make_executor();
  if (!sender->ring().available().msg_ring) GTEST_SKIP() << "no messages between rings here";
  support::event over;
  std::thread sender_thread([&] { sender->run([&](tide::scope&) -> tide::task<> { co_await over; }); });
  const auto there = sender->handle();
  let_look_around(there);
  const auto descriptors = support::open_descriptors();
  std::latch ended(1);
  auto target = make_executor();
  support::event woken;
  EXPECT_TRUE(there.post([&, to = target->handle()] {
    while (sender->count().messages == 0) EXPECT_TRUE(to.post([] {}));  // the first that finds it parked is a message
    EXPECT_TRUE(to.post([&] { woken.set(); }));
    ended.wait();  // with the answer unread
  }));
  target->run([&](tide::scope&) -> tide::task<> { co_await woken; });
  target.reset();
  EXPECT_EQ(support::open_descriptors(), descriptors + 1) << "a message might still reach whoever has that number next";
  ended.count_down();
  let_look_around(there);
  EXPECT_EQ(support::open_descriptors(), descriptors);
  (void)there.post([&] { over.set(); });
  sender_thread.join();
}

TEST(ExecutorLife, TenThousandRoundsLeaveNothing) {
  auto other = make_executor();  // lives all the while; woken by the others, and wakes them
  support::event over;
  std::thread other_thread([&] { other->run([&](tide::scope&) -> tide::task<> { co_await over; }); });
  const auto there = other->handle();
  const auto round = [&](int number) {
    auto executor = make_executor({.ring = {.entries = 16}});
    auto handle = executor->handle();
    executor->run([&](tide::scope& scope) -> tide::task<> {
      for (int i = 0; i < 5; ++i) scope.spawn(wait_for_ever({}));  // pending when main leaves
      executor->detach(wait_for_ever, support::witness());
      EXPECT_TRUE(handle.spawn(wait_for_ever, support::witness()));
      if (number % 10 == 0) scope.spawn([]() -> tide::task<> { (void)co_await tide::blocking([] {}); });
      (void)handle.post([witness = support::witness()] {});
      (void)there.post([handle] { (void)handle.post([witness = support::witness()] {}); });  // may come when all is over
      if (number % 2 == 0) {
        EXPECT_EQ((co_await tide::on(there, add, 1, 2)).value(), 3);
      }
      if (number % 3 == 0) co_await tide::yield();
      if (number % 3 == 1) scope.cancel();
      (void)co_await tide::timeout(1us, tide::sleep(10h));
    });
  };
  constexpr int rounds = support::sanitized ? 200 : 10'000;
  for (int i = 0; i < 100; ++i) round(i);  // what is allocated once
  let_look_around(there);                  // or the last round's descriptor would be counted here and be gone at the end
  const auto descriptors = support::open_descriptors();
  const auto memory = support::resident_bytes();
  for (int i = 0; i < rounds; ++i) round(i);
  (void)there.post([&] { over.set(); });
  other_thread.join();
  EXPECT_EQ(support::open_descriptors(), descriptors);
  EXPECT_EQ(support::witness::alive(), 0);
  if (support::sanitized) return;  // whose quarantine keeps what was freed
  EXPECT_LT(support::resident_bytes(), memory + (1U << 20U));
}

TEST(ExecutorLife, NeverRun) {
  const auto descriptors = support::open_descriptors();
  make_executor().reset();
  EXPECT_EQ(support::open_descriptors(), descriptors);
}

TEST(ExecutorLife, RunsAgainOnTheSameThread) {
  auto executor = make_executor();
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(executor->run([&](tide::scope& scope) -> tide::task<int> {
      scope.spawn(wait_for_ever({}));
      EXPECT_TRUE(co_await tide::sleep(1us));
      EXPECT_EQ((co_await tide::blocking([] { return 5; })).value(), 5);
      co_return i;
    }),
              i);
    EXPECT_EQ(support::witness::alive(), 0);
  }
}

TEST(ExecutorLife, DoesNotRunOnASecondThread) {
  auto executor = make_executor();
  const auto nothing = [](tide::scope&) -> tide::task<> { co_return; };
  executor->run(nothing);
  std::thread([&] { EXPECT_THROW(executor->run(nothing), std::system_error); }).join();
}

TEST(ExecutorLife, MadeHereRunThereDestroyedHere) {
  run_here([](tide::scope&) -> tide::task<> {
    auto other = make_executor();
    std::thread([&] {
      EXPECT_EQ(tide::executor::current(), nullptr);
      other->run([&](tide::scope&) -> tide::task<> {
        EXPECT_EQ(tide::executor::current(), other.get());
        co_return;
      });
      EXPECT_EQ(tide::executor::current(), nullptr);
    }).join();
    other.reset();
    EXPECT_TRUE(co_await tide::sleep(1ms)) << "our ring was not harmed";
  });
}

TEST(ExecutorServices, OneOfEachUntilTheLastTaskHasEnded) {
  struct service final : tide::executor_service {
    explicit service(tide::executor&) {}
    ~service() override { EXPECT_EQ(support::witness::alive(), 0) << "a task outlived what it uses"; }
    support::event touched;
  };
  auto executor = make_executor();
  executor->run([&](tide::scope& scope) -> tide::task<> {
    EXPECT_EQ(executor->used<service>(), nullptr);
    auto& one = executor->use<service>();
    EXPECT_EQ(&one, &executor->use<service>());
    EXPECT_EQ(&one, executor->used<service>());
    scope.spawn(wait_for_ever({}));
    executor->root().spawn(wait_for_ever({}));
    co_await tide::yield();
  });
  EXPECT_EQ(executor->used<service>(), nullptr);
}

TEST(Blocking, ValuesErrorsAndExceptions) {
  run_here([](tide::scope&) -> tide::task<> {
    const auto home = std::this_thread::get_id();
    EXPECT_NE((co_await tide::blocking([] { return std::this_thread::get_id(); })).value(), home);
    EXPECT_TRUE(co_await tide::blocking([] {}));
    EXPECT_EQ(*(co_await tide::blocking([] { return std::make_unique<int>(3); })).value(), 3);
    const auto refused = co_await tide::blocking([]() -> tide::result<int> { return tide::fail(tide::errc::malformed); });
    EXPECT_EQ(refused.error(), tide::errc::malformed);
    for (int i = 0; i < 20; ++i) {  // more often than there are threads: they survive it
      bool caught = false;
      try {
        (void)co_await tide::blocking([]() -> int { throw std::runtime_error("there"); });
      } catch (const std::runtime_error&) {
        caught = true;
      }
      EXPECT_TRUE(caught);
    }
  });
}

TEST(Blocking, MoreCallsThanTheQueueHolds) {
  std::atomic<int> ran{0};
  run_here([&](tide::scope& scope) -> tide::task<> {
    for (int i = 0; i < 3'000; ++i) {
      scope.spawn([&]() -> tide::task<> { EXPECT_TRUE(co_await tide::blocking([&] { ++ran; })); });
    }
    co_await scope.join();
  });
  EXPECT_EQ(ran, 3'000);
}

TEST(Blocking, CancelLetsTheAwaiterGoAndTheCallFinish) {
  std::atomic<bool> begun{false};
  std::atomic<bool> go{false};
  std::atomic<bool> finished{false};
  run_here([&](tide::scope&) -> tide::task<> {
    const auto given = co_await tide::timeout(1ms, tide::blocking([&, witness = support::witness()] {
                                                begun = true;
                                                begun.notify_all();
                                                go.wait(false);
                                                finished = true;
                                                return support::witness();
                                              }));
    EXPECT_EQ(given.error(), tide::errc::timed_out);
    EXPECT_FALSE(finished);
    begun.wait(false);  // a call that has not begun is dropped at the end, this one must not be
    go = true;
    go.notify_all();
  });
  EXPECT_TRUE(finished) << "the end of the executor waits for calls that have begun";
  EXPECT_EQ(support::witness::alive(), 0);
}

TEST(Blocking, BeforeAndInACancelledScopeNothingIsCalled) {
  run_here([](tide::scope& scope) -> tide::task<> {
    scope.cancel();
    scope.spawn(
        []() -> tide::task<> { EXPECT_EQ((co_await tide::blocking([] { ADD_FAILURE(); })).error(), tide::errc::canceled); });
    co_await scope.join();
  });
}

TEST(Signals, ComeAsValues) {
  auto set = tide::signal_set::create({SIGUSR1, SIGUSR2}).value();
  run_here([&](tide::scope&) -> tide::task<> {
    EXPECT_EQ((co_await tide::timeout(1ms, set.next())).error(), tide::errc::timed_out);
    (void)::raise(SIGUSR1);
    EXPECT_EQ(co_await set.next(), SIGUSR1);
    (void)::raise(SIGUSR2);
    EXPECT_EQ(co_await tide::timeout(1h, set.next()), SIGUSR2);
  });
  EXPECT_FALSE(tide::signal_set::create({-5}));
}

TEST(Signals, WakeAParkedExecutor) {
  auto set = tide::signal_set::create({SIGUSR1}).value();
  const auto here = ::pthread_self();
  std::thread sender;
  run_here([&](tide::scope& scope) -> tide::task<> {
    scope.spawn([&]() -> tide::task<> {
      co_await tide::yield();
      sender = std::thread([here] { ::pthread_kill(here, SIGUSR1); });
    });
    EXPECT_EQ(co_await set.next(), SIGUSR1);
    co_await scope.join();
  });
  sender.join();
}

}  // namespace
