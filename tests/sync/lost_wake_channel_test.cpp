// The wakes of channels, one side asleep at each (lost_wake.hpp says how).
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <tide/sync/broadcast.hpp>
#include <tide/sync/channel.hpp>
#include <tide/sync/oneshot.hpp>
#include <tide/sync/spsc.hpp>
#include <tide/sync/watch.hpp>

#include "sync/lost_wake.hpp"

namespace {

constexpr int rounds = sync_test::lost_wake_rounds;

/// A ball goes to and fro: receivers wait.
struct channel_game {
  static constexpr auto name = "Channel";
  std::array<tide::channel<int>, 2> to{tide::channel<int>(1), tide::channel<int>(1)};
  channel_game() { EXPECT_TRUE(to[0].try_send(0)); }
  tide::task<> task(std::size_t me) {
    for (int i = 0; i < rounds; ++i) {
      EXPECT_TRUE(co_await to[me].receive());
      EXPECT_TRUE(co_await to[1 - me].send(i));
    }
  }
  void thread(std::size_t me) {
    for (int i = 0; i < rounds; ++i) {
      EXPECT_TRUE(to[me].receive_blocking());
      EXPECT_TRUE(to[1 - me].send_blocking(int{i}));
    }
  }
};

/// From hand to hand and back: senders wait too, for there is no room at all.
struct rendezvous_game {
  static constexpr auto name = "Rendezvous";
  std::array<tide::channel<int>, 2> to{tide::channel<int>(0), tide::channel<int>(0)};
  tide::task<> task(std::size_t me) {
    for (int i = 0; i < rounds; ++i) {
      if (me == 1) {
        EXPECT_TRUE(co_await to[0].receive());
      }
      EXPECT_TRUE(co_await to[me].send(i));
      if (me == 0) {
        EXPECT_TRUE(co_await to[1].receive());
      }
    }
  }
  void thread(std::size_t me) {
    for (int i = 0; i < rounds; ++i) {
      if (me == 1) {
        EXPECT_TRUE(to[0].receive_blocking());
      }
      EXPECT_TRUE(to[me].send_blocking(int{i}));
      if (me == 0) {
        EXPECT_TRUE(to[1].receive_blocking());
      }
    }
  }
};

struct spsc_game {
  static constexpr auto name = "Spsc";
  std::array<tide::spsc<int>::ends, 2> to{tide::spsc<int>::create(1), tide::spsc<int>::create(1)};
  spsc_game() { EXPECT_TRUE(to[0].sender.try_send(0)); }
  tide::task<> task(std::size_t me) {
    for (int i = 0; i < rounds; ++i) {
      EXPECT_TRUE(co_await to[me].receiver.receive());
      EXPECT_TRUE(co_await to[1 - me].sender.send(i));
    }
  }
  void thread(std::size_t me) {
    for (int i = 0; i < rounds; ++i) {
      EXPECT_TRUE(to[me].receiver.receive_blocking());
      EXPECT_TRUE(to[1 - me].sender.send_blocking(int{i}));
    }
  }
};

/// Room for one and two sent a round: the sender waits for room, the receiver for values.
struct spsc_full_game {
  static constexpr auto name = "SpscFull";
  tide::spsc<int>::ends way = tide::spsc<int>::create(1);
  tide::task<> task(std::size_t me) {
    for (int i = 0; i < 2 * rounds; ++i) {
      if (me == 0) {
        EXPECT_TRUE(co_await way.sender.send(i));
      }
      if (me == 1) {
        EXPECT_TRUE(co_await way.receiver.receive());
      }
    }
  }
  void thread(std::size_t me) {
    for (int i = 0; i < 2 * rounds; ++i) {
      if (me == 0) {
        EXPECT_TRUE(way.sender.send_blocking(int{i}));
      }
      if (me == 1) {
        EXPECT_TRUE(way.receiver.receive_blocking());
      }
    }
  }
};

/// A oneshot for each move; every third is moved by its sender going without a word.
struct oneshot_game {
  static constexpr auto name = "Oneshot";
  using moves = std::vector<tide::oneshot<int>::ends>;
  moves all;
  oneshot_game() {
    for (int i = 0; i <= 2 * rounds; ++i) all.push_back(tide::oneshot<int>::create());
    move(0);
  }
  void move(std::size_t to) {
    if (to % 3 == 1) {
      all[to].sender = {};
    } else {
      EXPECT_TRUE(all[to].sender.send(1));
    }
  }
  tide::task<> task(std::size_t me) {
    for (std::size_t i = me; i < 2 * rounds; i += 2) {
      auto got = co_await all[i].receiver.receive();
      EXPECT_EQ(got.has_value(), i % 3 != 1);
      move(i + 1);
    }
  }
  void thread(std::size_t me) {
    for (std::size_t i = me; i < 2 * rounds; i += 2) {
      auto got = all[i].receiver.receive_blocking();
      EXPECT_EQ(got.has_value(), i % 3 != 1);
      move(i + 1);
    }
  }
};

struct watch_game {
  static constexpr auto name = "Watch";
  std::array<tide::watch<int>, 2> turn{tide::watch<int>(0), tide::watch<int>(0)};
  std::array<tide::watch<int>::follower, 2> readers{turn[0].follow(), turn[1].follow()};
  watch_game() { turn[0].set(1); }
  tide::task<> task(std::size_t me) {
    for (int i = 1; i <= rounds; ++i) {
      auto seen = co_await readers[me].next();
      EXPECT_EQ(seen.value_or(0), i);
      next(me, i);
    }
  }
  void thread(std::size_t me) {
    for (int i = 1; i <= rounds; ++i) {
      auto seen = readers[me].next_blocking();
      EXPECT_EQ(seen.value_or(0), i);
      next(me, i);
    }
  }
  void next(std::size_t me, int i) { turn[1 - me].set(me == 0 ? i : i + 1); }
};

struct broadcast_game {
  static constexpr auto name = "Broadcast";
  std::array<tide::broadcast<int>, 2> to{tide::broadcast<int>(2), tide::broadcast<int>(2)};
  std::array<tide::broadcast<int>::listener, 2> listeners{to[0].listen(), to[1].listen()};
  broadcast_game() { EXPECT_TRUE(to[0].send(0)); }
  tide::task<> task(std::size_t me) {
    for (int i = 0; i < rounds; ++i) {
      EXPECT_TRUE(co_await listeners[me].receive());
      EXPECT_TRUE(to[1 - me].send(i));
    }
  }
  void thread(std::size_t me) {
    for (int i = 0; i < rounds; ++i) {
      EXPECT_TRUE(listeners[me].receive_blocking());
      EXPECT_TRUE(to[1 - me].send(i));
    }
  }
};

template <class T>
class LostWakeChannel : public testing::Test {};
using games =
    testing::Types<channel_game, rendezvous_game, spsc_game, spsc_full_game, oneshot_game, watch_game, broadcast_game>;
TYPED_TEST_SUITE(LostWakeChannel, games, sync_test::case_names);

TYPED_TEST(LostWakeChannel, BetweenTwoExecutors) { sync_test::between_two_executors<TypeParam>(); }
TYPED_TEST(LostWakeChannel, BetweenAnExecutorAndAThread) { sync_test::between_an_executor_and_a_thread<TypeParam>(0); }
TYPED_TEST(LostWakeChannel, BetweenAThreadAndAnExecutor) { sync_test::between_an_executor_and_a_thread<TypeParam>(1); }
TYPED_TEST(LostWakeChannel, BetweenTwoThreads) { sync_test::between_two_threads<TypeParam>(); }
TYPED_TEST(LostWakeChannel, BetweenTwoCoroutinesOfOneExecutor) {
  sync_test::between_two_coroutines_of_one_executor<TypeParam>();
}

}  // namespace
