// channel and local::channel: order, closing, what happens to a value that cannot be sent; and random steps against a model.
#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include <tide/runtime/time.hpp>
#include <tide/sync/channel.hpp>

#include "support/run.hpp"
#include "support/sanitizers.hpp"
#include "support/witness.hpp"
#include "sync/together.hpp"

namespace {

using namespace std::chrono_literals;
using support::run_here;
using sync_test::settle;

struct shared_channels {
  static constexpr auto name = "Shared";
  template <class T>
  using of = tide::channel<T>;
};
struct local_channels {
  static constexpr auto name = "Local";
  template <class T>
  using of = tide::local::channel<T>;
};
template <class T>
class Channels : public testing::Test {};
using kinds = testing::Types<shared_channels, local_channels>;
TYPED_TEST_SUITE(Channels, kinds, sync_test::case_names);

void expect_error(const auto& outcome, tide::errc error) {
  EXPECT_FALSE(outcome);
  EXPECT_EQ(outcome.error_or(std::error_code()), error);
}

template <class Channel>
tide::task<> send_all(Channel& to, int first, int last) {
  for (int i = first; i <= last; ++i) EXPECT_TRUE(co_await to.send(i));
}

template <class Channel>
tide::task<> receive_one(Channel& from, std::vector<int>& got) {
  auto value = co_await from.receive();
  if (value) got.push_back(*value);
}

TYPED_TEST(Channels, ValuesComeInOrderThroughEveryCapacity) {
  for (const std::size_t capacity : {0U, 1U, 2U, 3U, 64U}) {
    run_here([&](tide::scope& scope) -> tide::task<> {
      typename TypeParam::template of<int> numbers(capacity);
      scope.spawn(send_all<typename TypeParam::template of<int>>, std::ref(numbers), 1, 100);
      for (int i = 1; i <= 100; ++i) {
        auto next = co_await numbers.receive();
        EXPECT_EQ(next.value_or(0), i);
      }
      co_await scope.join();
      EXPECT_EQ(numbers.size(), 0U);
    });
  }
}

TYPED_TEST(Channels, AFullOneMakesTheSenderWaitForRoom) {
  run_here([](tide::scope& scope) -> tide::task<> {
    typename TypeParam::template of<int> numbers(2);
    scope.spawn(send_all<typename TypeParam::template of<int>>, std::ref(numbers), 1, 4);
    co_await settle();
    EXPECT_EQ(numbers.size(), 2U);
    EXPECT_FALSE(numbers.try_send(9));
    EXPECT_EQ(numbers.try_receive(), 1);
    EXPECT_EQ(numbers.size(), 2U);  // the waiting sender's value is in before anybody can overtake
    EXPECT_FALSE(numbers.try_send(9));
    for (int i = 2; i <= 4; ++i) {
      auto next = co_await numbers.receive();
      EXPECT_EQ(next.value_or(0), i);
    }
    EXPECT_EQ(numbers.try_receive(), std::nullopt);
    EXPECT_TRUE(numbers.try_send(9));
    EXPECT_EQ(numbers.capacity(), 2U);
  });
}

TYPED_TEST(Channels, ReceiversAreServedInTheOrderTheyCame) {
  run_here([](tide::scope& scope) -> tide::task<> {
    using channel = typename TypeParam::template of<int>;
    channel numbers(4);
    std::vector<int> first;
    std::vector<int> second;
    scope.spawn(receive_one<channel>, std::ref(numbers), std::ref(first));
    scope.spawn(receive_one<channel>, std::ref(numbers), std::ref(second));
    co_await settle();
    EXPECT_TRUE(numbers.try_send(1));
    EXPECT_EQ(numbers.try_receive(), std::nullopt);  // it is the first one's already
    EXPECT_TRUE(numbers.try_send(2));
    co_await scope.join();
    EXPECT_EQ(first, std::vector{1});
    EXPECT_EQ(second, std::vector{2});
  });
}

TYPED_TEST(Channels, CloseTellsWhoWaitsAndLeavesWhatIsInside) {
  run_here([](tide::scope& scope) -> tide::task<> {
    using channel = typename TypeParam::template of<int>;
    channel full(1);
    EXPECT_TRUE(full.try_send(1));
    scope.spawn([](channel& to) -> tide::task<> { expect_error(co_await to.send(2), tide::errc::closed); }, std::ref(full));
    channel empty(1);
    scope.spawn([](channel& from) -> tide::task<> { expect_error(co_await from.receive(), tide::errc::closed); },
                std::ref(empty));
    co_await settle();
    full.close();
    empty.close();
    co_await scope.join();
    expect_error(co_await full.send(3), tide::errc::closed);
    EXPECT_FALSE(full.try_send(3));
    auto left = co_await full.receive();
    EXPECT_EQ(left.value_or(0), 1);
    expect_error(co_await full.receive(), tide::errc::closed);
    full.close();
  });
}

TYPED_TEST(Channels, AValueThatIsNotSentStaysWithItsLender) {
  run_here([](tide::scope& scope) -> tide::task<> {
    typename TypeParam::template of<std::unique_ptr<int>> boxes(1);
    auto mine = std::make_unique<int>(7);
    EXPECT_TRUE(boxes.try_send(std::make_unique<int>(1)));
    expect_error(co_await tide::timeout(1ms, boxes.send_from(mine)), tide::errc::timed_out);
    EXPECT_FALSE(boxes.try_send(std::move(mine)));
    boxes.close();
    expect_error(co_await boxes.send_from(mine), tide::errc::closed);
    EXPECT_TRUE(mine != nullptr && *mine == 7);
    (void)scope;
  });
}

TYPED_TEST(Channels, AValueHandedOverWhileItsReceiverIsCancelledIsNotLost) {
  run_here([](tide::scope& scope) -> tide::task<> {
    using channel = typename TypeParam::template of<int>;
    channel numbers(1);
    std::vector<int> got;
    co_await tide::with_scope([&](tide::scope& inner) -> tide::task<> {
      inner.spawn(receive_one<channel>, std::ref(numbers), std::ref(got));
      co_await settle();
      EXPECT_TRUE(numbers.try_send(1));  // hands over
      inner.cancel();                    // in the same turn
    });
    EXPECT_EQ(got, std::vector{1});
    (void)scope;
  });
}

TYPED_TEST(Channels, WhatNobodyReceivesGoesWithTheChannel) {
  const int before = support::witness::alive();
  {
    typename TypeParam::template of<support::witness> kept(5);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(kept.try_send(support::witness()));
    EXPECT_EQ(support::witness::alive(), before + 3);
    EXPECT_TRUE(kept.try_receive());
  }
  EXPECT_EQ(support::witness::alive(), before);
}

/// Random sends, receives and cancels; the model is what was sent and not yet received, oldest first.
template <class Channel>
struct random_rig {
  explicit random_rig(unsigned seed, std::size_t room) : random(seed), capacity(room), subject(room) {}

  struct client {
    int number = 0;
    std::optional<tide::cancel_node> node;
  };
  static tide::task<> run_send(random_rig& all, client& who) { co_await send_below(all, who).under(*who.node); }
  static tide::task<> send_below(random_rig& all, client& who) {
    if (co_await all.subject.send(who.number)) all.sent.push_back(who.number);
  }
  static tide::task<> run_receive(random_rig& all, client& who) { co_await receive_below(all, who).under(*who.node); }
  static tide::task<> receive_below(random_rig& all, client& who) {
    auto value = co_await all.subject.receive();
    if (value) all.got.emplace_back(who.number, *value);
  }

  void come(tide::scope& scope, bool sends) {
    client& who = clients.emplace_back();
    who.number = next++;
    who.node.emplace(scope.node());
    (sends ? senders : receivers).push_back(&who);
    scope.spawn(sends ? &run_send : &run_receive, std::ref(*this), std::ref(who));
  }
  void cancel_one(bool sender) {
    auto& line = sender ? senders : receivers;
    if (line.empty()) return;
    const auto at = line.begin() + static_cast<std::ptrdiff_t>(random() % line.size());
    (*at)->node->request();
    line.erase(at);
  }
  void advance_model() {
    for (bool moved = true; moved;) {
      moved = false;
      if (!senders.empty() && inside.size() < capacity) {
        inside.push_back(senders.front()->number);
        expected_sent.push_back(senders.front()->number);
        senders.pop_front();
        moved = true;
      }
      if (!receivers.empty() && capacity == 0 && !senders.empty()) {
        expected_sent.push_back(senders.front()->number);
        expected_got.emplace_back(receivers.front()->number, senders.front()->number);
        senders.pop_front();
        receivers.pop_front();
        moved = true;
      }
      if (!receivers.empty() && !inside.empty()) {
        expected_got.emplace_back(receivers.front()->number, inside.front());
        inside.pop_front();
        receivers.pop_front();
        moved = true;
      }
    }
  }

  std::mt19937 random;
  std::size_t capacity;
  Channel subject;
  std::deque<client> clients;
  std::deque<client*> senders;
  std::deque<client*> receivers;
  std::deque<int> inside;
  int next = 1;
  std::vector<int> sent;
  std::vector<int> expected_sent;
  std::vector<std::pair<int, int>> got;
  std::vector<std::pair<int, int>> expected_got;
};

TYPED_TEST(Channels, RandomSendsReceivesAndCancelsFollowTheModel) {
  using channel = typename TypeParam::template of<int>;
  for (unsigned seed = 1; seed <= (support::sanitized ? 10 : 60); ++seed) {
    run_here([seed](tide::scope& scope) -> tide::task<> {
      random_rig<channel> all(seed, seed % 4);
      for (int step = 0; step < 150; ++step) {
        const auto what = all.random() % 10;
        if (what < 8) all.come(scope, what < 4);
        if (what >= 8) all.cancel_one(what == 8);
        all.advance_model();
        co_await settle();
        EXPECT_EQ(all.got, all.expected_got) << "seed " << seed << " step " << step;
        EXPECT_EQ(all.sent.size(), all.expected_sent.size()) << "seed " << seed << " step " << step;
        if (all.got != all.expected_got) co_return;
      }
      all.subject.close();
      co_await scope.join();
      EXPECT_EQ(all.subject.size(), all.inside.size());
    });
  }
}

}  // namespace
