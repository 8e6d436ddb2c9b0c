// spsc and oneshot: ends that cannot be copied, indices that wrap, values that are each dropped once.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>

#include <tide/runtime/time.hpp>
#include <tide/sync/oneshot.hpp>
#include <tide/sync/spsc.hpp>

#include "support/run.hpp"
#include "support/sanitizers.hpp"
#include "support/witness.hpp"
#include "sync/together.hpp"

namespace {

using namespace std::chrono_literals;
using support::run_here;
using support::witness;
using sync_test::settle;
using sync_test::together;
using numbers = tide::spsc<std::uint64_t>;

template <class End>
constexpr bool moves_only = std::is_nothrow_move_constructible_v<End> && std::is_nothrow_move_assignable_v<End> &&
                            !std::is_copy_constructible_v<End> && !std::is_copy_assignable_v<End>;
static_assert(moves_only<numbers::sender> && moves_only<numbers::receiver>);
static_assert(moves_only<tide::oneshot<int>::sender> && moves_only<tide::oneshot<int>::receiver>);

constexpr std::size_t near_wrap = std::numeric_limits<std::size_t>::max() - 3;

void expect_error(const auto& outcome, tide::errc error) {
  EXPECT_FALSE(outcome);
  EXPECT_EQ(outcome.error_or(std::error_code()), error);
}

TEST(Spsc, FullAndEmptyAreToldApartAlsoWhereTheIndicesWrap) {
  for (const std::size_t first : {std::size_t{0}, near_wrap}) {
    for (const std::size_t capacity : {1U, 2U, 3U, 7U}) {
      auto [sender, receiver] = numbers::create(capacity, first);
      std::uint64_t sent = 0;
      std::uint64_t received = 0;
      for (int round = 0; round < 5; ++round) {
        for (std::size_t i = 0; i < capacity; ++i) EXPECT_TRUE(sender.try_send(sent++));
        EXPECT_FALSE(sender.try_send(99));
        for (std::size_t i = 0; i < capacity; ++i) EXPECT_EQ(receiver.try_receive(), received++);
        EXPECT_EQ(receiver.try_receive(), std::nullopt);
      }
    }
  }
}

/// Of a large one the receiver tells the sender only now and then what it has taken; there is room for that.
TEST(Spsc, TheWholeCapacityIsThereHoweverMuchHasBeenTaken) {
  constexpr std::size_t capacity = 100;
  auto [sender, receiver] = numbers::create(capacity, near_wrap);
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  for (std::size_t taken = 0; taken <= capacity; ++taken) {
    while (sent - received < capacity) EXPECT_TRUE(sender.try_send(sent++));
    for (std::size_t i = 0; i < taken; ++i) EXPECT_EQ(receiver.try_receive(), received++);
  }
  while (sender.try_send(std::uint64_t{sent})) ++sent;
  EXPECT_LE(sent - received, capacity + capacity / 8);
}

tide::task<> send_sequence(numbers::sender to, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto sent = co_await to.send(i);
    EXPECT_TRUE(sent);
    if (!sent) co_return;
  }
}

tide::task<> expect_sequence(numbers::receiver from, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    auto next = co_await from.receive();
    if (next.value_or(~std::uint64_t{0}) != i) {
      ADD_FAILURE() << "expected " << i;
      co_return;
    }
  }
  expect_error(co_await from.receive(), tide::errc::closed);
}

/// A million; TIDE_SPSC_ITEMS asks for more.
std::uint64_t items() {
  if (const char* wanted = std::getenv("TIDE_SPSC_ITEMS")) return std::strtoull(wanted, nullptr, 10);
  return support::sanitized ? 200'000 : 1'000'000;
}

TEST(Spsc, AMillionInOrderBetweenTwoExecutorsFromNearTheWrap) {
  auto ends = numbers::create(256, near_wrap);
  together all;
  all.executor([&](tide::scope&) { return send_sequence(std::move(ends.sender), items()); });
  all.executor([&](tide::scope&) { return expect_sequence(std::move(ends.receiver), items()); });
}

TEST(Spsc, BetweenAThreadAndAnExecutorThroughARoomOfOne) {
  constexpr std::uint64_t count = support::sanitized ? 1'000 : 5'000;
  auto there = numbers::create(1, near_wrap);
  auto back = numbers::create(1, near_wrap);
  together all;
  all.executor([&](tide::scope& scope) -> tide::task<> {
    scope.spawn(send_sequence, std::move(there.sender), count);
    co_await expect_sequence(std::move(back.receiver), count);
    co_await scope.join();
  });
  for (std::uint64_t i = 0; i < count; ++i) {
    auto next = there.receiver.receive_blocking();
    EXPECT_EQ(next.value_or(~std::uint64_t{0}), i);
    EXPECT_TRUE(back.sender.send_blocking(std::uint64_t{i}));
  }
  expect_error(there.receiver.receive_blocking(), tide::errc::closed);
  back.sender = {};
}

TEST(Spsc, WhateverEndGoesFirstEachValueIsDroppedOnce) {
  const int before = witness::alive();
  for (const bool sender_first : {true, false}) {
    for (int inside = 0; inside <= 4; ++inside) {
      auto ends = tide::spsc<witness>::create(4, near_wrap);
      for (int i = 0; i < inside; ++i) EXPECT_TRUE(ends.sender.try_send(witness()));
      EXPECT_EQ(witness::alive(), before + inside);
      if (sender_first) {
        ends.sender = {};
        EXPECT_EQ(witness::alive(), before + inside);
        EXPECT_EQ(ends.receiver.try_receive().has_value(), inside > 0);
      } else {
        ends.receiver = {};
        EXPECT_EQ(witness::alive(), before);
        EXPECT_FALSE(ends.sender.try_send(witness()));
      }
      ends = {};
      EXPECT_EQ(witness::alive(), before);
    }
  }
}

TEST(Spsc, AnEndThatGoesWakesTheOtherThatWaits) {
  run_here([](tide::scope& scope) -> tide::task<> {
    auto empty = numbers::create(1);
    auto full = numbers::create(1);
    EXPECT_TRUE(full.sender.try_send(1));
    scope.spawn([](numbers::receiver& from) -> tide::task<> { expect_error(co_await from.receive(), tide::errc::closed); },
                std::ref(empty.receiver));
    scope.spawn([](numbers::sender& to) -> tide::task<> { expect_error(co_await to.send(2), tide::errc::closed); },
                std::ref(full.sender));
    co_await settle();
    empty.sender = {};
    full.receiver = {};
    co_await scope.join();
  });
}

TEST(Spsc, CancelAndTimeoutEndAWaitAndTheNextOneWorks) {
  run_here([](tide::scope&) -> tide::task<> {
    auto [sender, receiver] = tide::spsc<std::unique_ptr<int>>::create(1);
    expect_error(co_await tide::timeout(1ms, receiver.receive()), tide::errc::timed_out);
    expect_error(receiver.receive_blocking(tide::clock::now()), tide::errc::timed_out);
    EXPECT_TRUE(co_await sender.send(std::make_unique<int>(1)));
    auto mine = std::make_unique<int>(2);
    expect_error(co_await tide::timeout(1ms, sender.send_from(mine)), tide::errc::timed_out);
    expect_error(sender.send_blocking(std::move(mine), tide::clock::now()), tide::errc::timed_out);
    EXPECT_TRUE(mine);
    EXPECT_TRUE(co_await receiver.receive());
    EXPECT_TRUE(co_await sender.send_from(mine));
    auto second = co_await receiver.receive();
    EXPECT_EQ(**second, 2);
  });
}

TEST(Spsc, EmptyEndsAreClosed) {
  run_here([](tide::scope&) -> tide::task<> {
    numbers::sender sender;
    numbers::receiver receiver;
    expect_error(co_await sender.send(1), tide::errc::closed);
    expect_error(co_await receiver.receive(), tide::errc::closed);
    expect_error(sender.send_blocking(1), tide::errc::closed);
    expect_error(receiver.receive_blocking(), tide::errc::closed);
    EXPECT_FALSE(sender.try_send(1));
    EXPECT_FALSE(receiver.try_receive());
  });
}

/// The receiver gives up at random moments while values arrive: each comes, once.
TEST(Spsc, NothingIsLostWhereTimeoutsRaceWithArrivals) {
  constexpr std::uint64_t count = support::sanitized ? 2'000 : 10'000;
  auto ends = numbers::create(4);
  together all;
  all.executor([&](tide::scope&) { return send_sequence(std::move(ends.sender), count); });
  all.executor([&](tide::scope&) -> tide::task<> {
    auto receiver = std::move(ends.receiver);
    std::uint64_t expected = 0;
    for (unsigned turn = 0; expected < count; ++turn) {
      const auto limit = std::chrono::nanoseconds(turn % 7 * 1'000);
      auto next = co_await tide::timeout(limit, receiver.receive());
      if (!next) {
        EXPECT_EQ(next.error(), tide::errc::timed_out);
        continue;
      }
      EXPECT_EQ(*next, expected++);
    }
    expect_error(co_await receiver.receive(), tide::errc::closed);
  });
}

TEST(Oneshot, OneValueOrTheNewsThatThereWillBeNone) {
  run_here([](tide::scope& scope) -> tide::task<> {
    auto [sender, receiver] = tide::oneshot<std::unique_ptr<int>>::create();
    scope.spawn(
        [](tide::oneshot<std::unique_ptr<int>>::receiver from) -> tide::task<> {
          auto got = co_await from.receive();
          EXPECT_EQ(**got, 5);
          expect_error(co_await from.receive(), tide::errc::closed);
        },
        std::move(receiver));
    co_await settle();
    EXPECT_TRUE(sender.send(std::make_unique<int>(5)));
    auto again = std::make_unique<int>(6);
    expect_error(sender.send(std::move(again)), tide::errc::closed);
    EXPECT_TRUE(again);
    co_await scope.join();

    auto silent = tide::oneshot<int>::create();
    silent.sender = {};
    expect_error(co_await silent.receiver.receive(), tide::errc::closed);
    auto deaf = tide::oneshot<int>::create();
    deaf.receiver = {};
    expect_error(deaf.sender.send(1), tide::errc::closed);
  });
}

}  // namespace
