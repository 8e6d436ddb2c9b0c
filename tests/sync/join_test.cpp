// The moment between a look that found nothing and joining the line, by hand: what came in between is found by who joins,
// for nobody will wake it. Two threads meet there too seldom to test it with them.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <limits>
#include <optional>
#include <thread>

#include <tide/sync/detail/line_operation.hpp>
#include <tide/sync/detail/spsc_ring.hpp>

#include "support/sanitizers.hpp"

namespace {

using namespace tide::detail;

class counting_parker final : public parker {
 public:
  std::atomic<int> woken{0};
  void unpark() noexcept override { ++woken; }
};

struct take_one {
  bool take(std::uint32_t& value) noexcept { return value > 0 && (--value, true); }
};

template <class Word>
void expect_joining_takes() {
  wait_line<Word> line(0);
  take_one policy;
  counting_parker how;
  policy_request<take_one> first(policy, how);
  EXPECT_FALSE(line.try_take(policy));
  line.change([](std::uint32_t value) { return value + 1; });
  EXPECT_FALSE(line.join(first)) << "it has taken";
  EXPECT_EQ(line.value(), 0U);
  EXPECT_EQ(how.woken, 0);
  // And nobody overtakes one who stands in line.
  policy_request<take_one> second(policy, how);
  policy_request<take_one> third(policy, how);
  EXPECT_TRUE(line.join(second));
  EXPECT_TRUE(line.join(third));
  line.change([](std::uint32_t value) { return value + 1; });
  EXPECT_EQ(how.woken, 1);
  EXPECT_FALSE(line.try_take(policy));
  EXPECT_FALSE(line.leave(second)) << "let go already";
  EXPECT_TRUE(line.leave(third));
  EXPECT_EQ(line.value(), 0U);
}

TEST(Joining, ALineTakesWhatCameMeanwhile) {
  expect_joining_takes<control_word>();
  expect_joining_takes<plain_word>();
}

constexpr std::size_t near_wrap = std::numeric_limits<std::size_t>::max() - 3;

TEST(Joining, AReceiverFindsTheValueThatCameMeanwhile) {
  spsc_ring<int> ring(2, near_wrap);
  counting_parker how;
  std::optional<int> got;
  int value = 1;
  for (int round = 0; round < 6; ++round) {
    EXPECT_FALSE(ring.try_pop(got));
    EXPECT_TRUE(ring.try_push(value));
    EXPECT_FALSE(ring.receiver_joins(how));
    EXPECT_TRUE(ring.try_pop(got));
  }
  EXPECT_EQ(how.woken, 0);
  EXPECT_TRUE(ring.receiver_joins(how));
  EXPECT_TRUE(ring.try_push(value));
  EXPECT_EQ(how.woken, 1);
  EXPECT_FALSE(ring.receiver_leaves()) << "woken already";
  EXPECT_TRUE(ring.try_pop(got));
  EXPECT_TRUE(ring.receiver_joins(how));
  EXPECT_TRUE(ring.receiver_leaves());
  ring.sender_goes();
  EXPECT_FALSE(ring.receiver_joins(how)) << "nothing will come";
  EXPECT_EQ(how.woken, 1);
}

TEST(Joining, ASenderFindsTheRoomThatCameMeanwhile) {
  spsc_ring<int> ring(1, near_wrap);
  counting_parker how;
  std::optional<int> got;
  int value = 1;
  for (int round = 0; round < 6; ++round) {
    EXPECT_TRUE(ring.try_push(value));
    EXPECT_FALSE(ring.try_push(value));
    EXPECT_TRUE(ring.try_pop(got));
    EXPECT_FALSE(ring.sender_joins(how));
  }
  EXPECT_TRUE(ring.try_push(value));
  EXPECT_TRUE(ring.sender_joins(how));
  EXPECT_EQ(how.woken, 0);
  EXPECT_TRUE(ring.try_pop(got));
  EXPECT_EQ(how.woken, 1);
  EXPECT_TRUE(ring.try_push(value));
  EXPECT_TRUE(ring.sender_joins(how));
  ring.receiver_goes();
  EXPECT_EQ(how.woken, 2);
  EXPECT_FALSE(ring.sender_joins(how)) << "nobody will receive";
}

/// A large ring's receiver says only now and then how far it is. A sender that found it full has then been told often
/// enough.
TEST(Joining, ASenderOfALargeRingIsWokenBeforeTheReceiverFindsItEmpty) {
  for (const std::size_t capacity : {8U, 9U, 64U, 100U, 1'000U}) {
    spsc_ring<int> ring(capacity, near_wrap);
    counting_parker how;
    std::optional<int> got;
    int value = 1;
    std::size_t inside = 0;
    for (int round = 0; round < 50; ++round) {
      while (ring.try_push(value)) ++inside;
      EXPECT_GE(inside, capacity);
      EXPECT_TRUE(ring.sender_joins(how));
      const int before = how.woken;
      std::size_t taken = 0;
      for (; how.woken == before && ring.try_pop(got); ++taken) --inside;
      EXPECT_EQ(how.woken, before + 1);
      EXPECT_LE(taken, capacity);
      for (auto more = static_cast<std::size_t>(round) % (capacity / 4); more > 0 && ring.try_pop(got); --more) --inside;
    }
  }
}

constexpr int meetings = support::sanitized ? 10'000 : 50'000;

void wait_until(const std::atomic<int>& what, int is) {
  for (int looks = 0; what != is; ++looks) {
    if (looks > 1'000) std::this_thread::yield();  // there may be one processor only
  }
}

/// Some nanoseconds, so that the two meet in every way.
void dawdle(int steps) {
  static const std::atomic<int> idle{0};
  for (int i = 0; i < steps; ++i) (void)idle.load();
}

/// `move` here and `join` there, at the same time; `again` makes it as it was. Join says whether it waits: then it must have
/// been woken by the move.
template <class Move, class Join, class Again>
void meet_often(const counting_parker& how, Move move, Join join, Again again) {
  std::atomic<int> begun{0};
  std::atomic<int> moved{0};
  std::thread mover([&] {
    for (int i = 1; i <= meetings; ++i) {
      wait_until(begun, i);
      dawdle(i % 61);
      move();
      moved = i;
    }
  });
  int expected = 0;
  int lost = 0;
  for (int i = 1; i <= meetings; ++i) {
    begun = i;
    dawdle(i % 1'021);
    const bool waits = join();
    wait_until(moved, i);
    if (waits && how.woken == expected) {
      ++lost;
    } else if (waits) {
      ++expected;
    }
    again();
  }
  mover.join();
  EXPECT_EQ(lost, 0) << "wakes of " << meetings;
  EXPECT_EQ(how.woken, expected);
}

TEST(Joining, WhereAReceiverMeetsASenderOneSeesTheOther) {
  spsc_ring<int> ring(1, near_wrap);
  counting_parker how;
  meet_often(
      how,
      [&] {
        int value = 1;
        EXPECT_TRUE(ring.try_push(value));
      },
      [&] { return ring.receiver_joins(how); },
      [&] {
        (void)ring.receiver_leaves();
        std::optional<int> got;
        EXPECT_TRUE(ring.try_pop(got));
      });
}

TEST(Joining, WhereASenderMeetsAReceiverOneSeesTheOther) {
  spsc_ring<int> ring(1, near_wrap);
  counting_parker how;
  int value = 1;
  EXPECT_TRUE(ring.try_push(value));
  meet_often(
      how,
      [&] {
        std::optional<int> got;
        EXPECT_TRUE(ring.try_pop(got));
      },
      [&] { return ring.sender_joins(how); },
      [&] {
        (void)ring.sender_leaves();
        EXPECT_TRUE(ring.try_push(value));
      });
}

}  // namespace
