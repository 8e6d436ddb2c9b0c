// watch and broadcast: what followers see, miss and are told.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <vector>

#include <tide/runtime/time.hpp>
#include <tide/sync/broadcast.hpp>
#include <tide/sync/watch.hpp>

#include "support/run.hpp"
#include "support/sanitizers.hpp"
#include "sync/together.hpp"

namespace {

using namespace std::chrono_literals;
using support::run_here;
using sync_test::settle;
using sync_test::together;

void expect_error(const auto& outcome, tide::errc error) {
  EXPECT_FALSE(outcome);
  EXPECT_EQ(outcome.error_or(std::error_code()), error);
}

TEST(Watch, AFollowerSeesTheLatestOnceAndSkipsWhatCameBetween) {
  run_here([](tide::scope&) -> tide::task<> {
    tide::watch<int> current(1);
    auto follower = current.follow();
    EXPECT_EQ(current.get(), 1);
    expect_error(co_await tide::timeout(1ms, follower.next()), tide::errc::timed_out);
    current.set(2);
    current.set(3);
    auto seen = co_await follower.next();
    EXPECT_EQ(seen.value_or(0), 3);
    expect_error(follower.next_blocking(tide::clock::now()), tide::errc::timed_out);
    current.set(4);
    EXPECT_EQ(follower.get(), 4);
    expect_error(co_await tide::timeout(1ms, follower.next()), tide::errc::timed_out);
  });
}

TEST(Watch, CloseComesAfterWhatWasNotSeen) {
  run_here([](tide::scope& scope) -> tide::task<> {
    tide::watch<int> current(1);
    auto behind = current.follow();
    auto waiting = current.follow();
    current.set(2);
    EXPECT_EQ(waiting.get(), 2);
    scope.spawn([](tide::watch<int>::follower& of) -> tide::task<> { expect_error(co_await of.next(), tide::errc::closed); },
                std::ref(waiting));
    co_await settle();
    current.close();
    co_await scope.join();
    auto seen = co_await behind.next();
    EXPECT_EQ(seen.value_or(0), 2);
    expect_error(co_await behind.next(), tide::errc::closed);
  });
}

TEST(Broadcast, EveryListenerHearsEverythingFromWhenItCame) {
  run_here([](tide::scope&) -> tide::task<> {
    tide::broadcast<int> numbers(4);
    auto early = numbers.listen();
    EXPECT_TRUE(numbers.send(1));
    auto late = numbers.listen();
    EXPECT_TRUE(numbers.send(2));
    for (const int expected : {1, 2}) {
      auto heard = co_await early.receive();
      EXPECT_EQ(heard.value_or(0), expected);
    }
    auto heard = co_await late.receive();
    EXPECT_EQ(heard.value_or(0), 2);
    expect_error(co_await tide::timeout(1ms, late.receive()), tide::errc::timed_out);
    expect_error(late.receive_blocking(tide::clock::now()), tide::errc::timed_out);
    numbers.close();
    expect_error(co_await late.receive(), tide::errc::closed);
    expect_error(numbers.send(3), tide::errc::closed);
  });
}

TEST(Broadcast, WhoFallsBehindIsToldOnceHowMuchAndGoesOn) {
  run_here([](tide::scope&) -> tide::task<> {
    tide::broadcast<int> numbers(3);
    auto slow = numbers.listen();
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(numbers.send(i));
    numbers.close();
    expect_error(co_await slow.receive(), tide::errc::limit_exceeded);
    EXPECT_EQ(slow.lost(), 7U);
    for (const int expected : {7, 8, 9}) {
      auto heard = co_await slow.receive();
      EXPECT_EQ(heard.value_or(0), expected);
    }
    expect_error(co_await slow.receive(), tide::errc::closed);
  });
}

/// Two threads send; two executors and a thread listen. Each listener accounts for every value: heard in order, or lost.
TEST(Broadcast, EachListenerAccountsForEveryValue) {
  constexpr int each = support::sanitized ? 2'000 : 10'000;
  tide::broadcast<int> numbers(64);
  std::vector<tide::broadcast<int>::listener> listeners;
  for (int i = 0; i < 3; ++i) listeners.push_back(numbers.listen());
  {
    together listening;
    const auto account = [](const tide::broadcast<int>::listener& by, std::uint64_t heard) {
      EXPECT_EQ(heard + by.lost(), 2U * each);
    };
    for (std::size_t i = 0; i < 2; ++i) {
      listening.executor([&, i](tide::scope&) -> tide::task<> {
        std::uint64_t heard = 0;
        while (true) {
          auto next = co_await listeners[i].receive();
          if (!next && next.error() == tide::errc::closed) break;
          if (next) ++heard;
        }
        account(listeners[i], heard);
      });
    }
    listening.thread([&] {
      std::uint64_t heard = 0;
      while (true) {
        auto next = listeners[2].receive_blocking();
        if (!next && next.error() == tide::errc::closed) break;
        if (next) ++heard;
      }
      account(listeners[2], heard);
    });
    together sending;
    for (int t = 0; t < 2; ++t) {
      sending.thread([&] {
        for (int i = 0; i < each; ++i) EXPECT_TRUE(numbers.send(i));
      });
    }
    sending.join();
    numbers.close();
  }
}

}  // namespace
