// An executor inside of a plain poll(2) loop, which stands for all the others (examples/guests).
#include <gtest/gtest.h>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>

#include <tide/runtime/blocking.hpp>
#include <tide/runtime/guest.hpp>
#include <tide/runtime/io_operation.hpp>
#include <tide/runtime/poll.hpp>
#include <tide/runtime/time.hpp>

#include "support/event.hpp"
#include "support/process.hpp"
#include "support/run.hpp"
#include "support/sanitizers.hpp"
#include "support/witness.hpp"

namespace {

using namespace std::chrono_literals;

template <class F>
std::unique_ptr<tide::guest> start(F main) {
  return tide::guest::start(std::move(main)).value();
}

/// The host: waits for the guest's descriptor and deadline, in turn with work of its own, until the guest has ended.
void host(tide::guest& guest, const std::function<void()>& own_work = [] {}) {
  while (guest.run_ready()) {
    own_work();
    pollfd watched{.fd = guest.descriptor(), .events = POLLIN, .revents = 0};
    ::poll(&watched, 1, guest.timeout_ms());
  }
}

TEST(Guest, RunsTimersAndDescriptorsInsideAnotherLoop) {
  std::array<int, 2> ends{-1, -1};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  const tide::descriptor here(ends[0]);
  const tide::descriptor there(ends[1]);
  int steps = 0;
  const auto guest = start([&](tide::scope&) -> tide::task<> {
    EXPECT_TRUE(co_await tide::sleep(1ms));
    ++steps;
    EXPECT_EQ((co_await tide::poll(here.get(), POLLIN)).value(), unsigned{POLLIN});
    ++steps;
    EXPECT_EQ((co_await tide::blocking([] { return 3; })).value(), 3);
    ++steps;
  });
  bool written = false;
  host(*guest, [&] {
    EXPECT_EQ(tide::executor::current(), nullptr) << "the host's code is not the guest's";
    if (steps == 1 && !std::exchange(written, true)) {
      EXPECT_EQ(::write(there.get(), "x", 1), 1);
    }
  });
  EXPECT_EQ(steps, 3);
  guest->rethrow();
}

TEST(Guest, NeverWaits) {
  const auto guest = start([](tide::scope&) -> tide::task<> { (void)co_await tide::sleep(10h); });
  for (int i = 0; i < 1'000; ++i) EXPECT_TRUE(guest->run_ready());  // would take hours
  const auto until = guest->next_deadline().value() - tide::clock::now();
  EXPECT_GT(until, 9h);
  EXPECT_LE(until, 10h);
  EXPECT_GT(guest->timeout_ms(), 9 * 3'600'000);
  guest->cancel();
  host(*guest);
  EXPECT_EQ(guest->timeout_ms(), -1);
}

TEST(Guest, GivesTheHostItsTurnHoweverMuchThereIsToDo) {
  bool enough = false;
  const auto guest = start([&](tide::scope&) -> tide::task<> {
    while (!enough) co_await tide::yield();
  });
  int turns = 0;
  host(*guest, [&] {
    EXPECT_EQ(guest->timeout_ms(), 0);
    enough = ++turns == 10;
  });
  EXPECT_EQ(turns, 10);
}

TEST(Guest, IsQuietWhenThereIsNothingToDo) {
  support::event open;
  const auto guest = start([&](tide::scope&) -> tide::task<> { co_await open; });
  EXPECT_TRUE(guest->run_ready());
  pollfd watched{.fd = guest->descriptor(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&watched, 1, 0), 0) << "or the host would spin";
  EXPECT_EQ(guest->next_deadline(), std::nullopt);
  guest->spawn(
      [](support::event& it) -> tide::task<> {
        it.set();
        co_return;
      },
      std::ref(open));
  EXPECT_EQ(::poll(&watched, 1, 10'000), 1) << "what the host spawns wakes it";
  host(*guest);
}

TEST(Guest, OtherThreadsWakeIt) {
  constexpr int rounds = support::sanitized ? 200 : 2'000;
  support::event all;
  int count = 0;
  std::atomic<int> seen{0};
  const auto guest = start([&](tide::scope&) -> tide::task<> { co_await all; });
  std::thread other([&, handle = guest->home().handle()] {
    for (int i = 0; i < rounds; ++i) {
      (void)handle.post([&] {
        seen = ++count;
        if (count == rounds) all.set();
      });
      while (seen.load() <= i) std::this_thread::yield();  // each finds a guest that is parked, or nearly so
    }
  });
  host(*guest);
  other.join();
  EXPECT_EQ(count, rounds);
}

// Executors wake each other by messages between their rings where the kernel has them.
TEST(Guest, AnotherExecutorWakesIt) {
  support::event all;
  int count = 0;
  const auto guest = start([&](tide::scope&) -> tide::task<> { co_await all; });
  std::thread other([&, handle = guest->home().handle()] {
    support::run_here([&](tide::scope&) -> tide::task<> {
      for (int i = 0; i < 100; ++i) {
        (void)handle.post([&] {
          if (++count == 100) all.set();
        });
        EXPECT_TRUE(co_await tide::sleep(10us));
      }
    });
  });
  host(*guest);
  other.join();
  EXPECT_EQ(count, 100);
}

TEST(Guest, ExceptionsAndWhatIsLeftBehind) {
  const auto guest = start([](tide::scope& scope) -> tide::task<> {
    scope.spawn([](support::witness) -> tide::task<> { (void)co_await tide::sleep(10h); }, support::witness());
    co_await tide::yield();
    throw std::runtime_error("of main");
  });
  host(*guest);
  EXPECT_EQ(support::witness::alive(), 0);
  EXPECT_THROW(guest->rethrow(), std::runtime_error);
  EXPECT_FALSE(guest->run_ready()) << "and stays so";
  const auto posted = start([](tide::scope&) -> tide::task<> { (void)co_await tide::sleep(10h); });
  (void)posted->home().handle().post([] { throw std::runtime_error("of posted work"); });
  host(*posted);
  EXPECT_THROW(posted->rethrow(), std::runtime_error);
}

TEST(Guest, TwoOnOneThread) {
  int sum = 0;
  const auto add = [&sum](tide::scope&) -> tide::task<> {
    for (int i = 0; i < 10; ++i) {
      EXPECT_TRUE(co_await tide::sleep(10us));
      ++sum;
    }
  };
  const auto first = start(add);
  const auto second = start(add);
  while (static_cast<int>(first->run_ready()) + static_cast<int>(second->run_ready()) > 0) {
    std::array<pollfd, 2> watched{{{.fd = first->descriptor(), .events = POLLIN, .revents = 0},
                                   {.fd = second->descriptor(), .events = POLLIN, .revents = 0}}};
    ::poll(watched.data(), 2, 1);
  }
  EXPECT_EQ(sum, 20);
}

TEST(Guest, DroppedInTheMiddleLeavesNothing) {
  const auto round = [](int turns) {
    const auto guest = start([](tide::scope& scope) -> tide::task<> {
      for (int i = 0; i < 3; ++i) {
        scope.spawn([](support::witness) -> tide::task<> { (void)co_await tide::sleep(10h); }, support::witness());
      }
      co_await tide::yield();
      (void)co_await tide::blocking([] {});
      (void)co_await tide::sleep(10h);
    });
    for (int i = 0; i < turns; ++i) EXPECT_TRUE(guest->run_ready());
  };
  round(1);
  const auto descriptors = support::open_descriptors();
  for (int i = 0; i < 100; ++i) round(i % 4);
  EXPECT_EQ(support::open_descriptors(), descriptors);
  EXPECT_EQ(support::witness::alive(), 0);
}

}  // namespace
