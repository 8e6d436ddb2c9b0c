// The ring's own book-keeping (slots, generations, the line, cancels) against a backend that is as unkind as it likes.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <tide/base/bytes.hpp>

#include "ring/probe.hpp"
#include "ring/simulated_backend.hpp"
#include "support/sanitizers.hpp"

namespace {

using tide::ring::request;

struct simulated {
  simulated(std::uint64_t seed, const simulated_backend::unkindness& how) {
    auto made = std::make_unique<simulated_backend>(seed, how);
    behind = made.get();
    ring = std::make_unique<tide::ring::ring>(std::move(made));
  }
  simulated_backend* behind;
  std::unique_ptr<tide::ring::ring> ring;
};

/// May be started again and again; knows whether it may be told anything.
class walker final : public tide::ring::operation {
 public:
  void start(tide::ring::ring& on, const request& what) {
    ++started;
    waiting = true;
    on.start(*this, what);
  }
  void complete(tide::ring::completion said) noexcept override {
    strangers += waiting ? 0 : 1;
    waiting = false;
    ++ended;
    result = said.result;
  }
  std::size_t started = 0;
  std::size_t ended = 0;
  std::size_t strangers = 0;
  std::int32_t result = 0;
  bool waiting = false;
};

TEST(RingSimulated, AFullQueueIsALineAndNotAnError) {
  simulated world(1, {.room = 8});
  std::vector<probe> all(10'000);
  for (probe& each : all) world.ring->start(each, request::nop());
  EXPECT_EQ(world.ring->count().backlogged, all.size() - 8);
  wait_for(*world.ring, [&] { return world.ring->in_flight() == 0; });
  for (const probe& each : all) ASSERT_EQ(each.heard.size(), 1u);
  EXPECT_EQ(world.ring->count().submitted, all.size());
}

/// A kernel that is short of memory, busy or interrupted takes nothing, or takes it later.
TEST(RingSimulated, ARefusedSubmissionLosesNothingAndDoublesNothing) {
  simulated world(3, {.room = 8, .refused = 60});
  std::vector<probe> all(2'000);
  for (probe& each : all) world.ring->start(each, request::nop());
  wait_for(*world.ring, [&] { return world.ring->in_flight() == 0; });
  for (const probe& each : all) ASSERT_EQ(each.heard.size(), 1u);
  EXPECT_EQ(world.ring->count().submitted, all.size());
  EXPECT_EQ(world.ring->count().stale, 0u);
  EXPECT_GT(world.ring->count().refused, 100u);
}

TEST(RingSimulated, IsNotAtRestWhileTheKernelHasNotTakenADetachedRequest) {
  constexpr std::size_t requests = 20;
  simulated world(1, {.refused = 60});
  for (std::size_t i = 0; i < requests; ++i) {
    world.ring->start_detached(request::nop());
    while (!world.ring->at_rest()) world.ring->submit();
  }
  EXPECT_GT(world.ring->count().refused, 0u);
  EXPECT_EQ(world.ring->count().enters, world.ring->count().refused + requests);
}

TEST(RingSimulated, CancelInTheLineNeverReachesTheKernel) {
  simulated world(1, {.room = 1});
  probe first;
  probe second;
  probe third;
  world.ring->start(first, request::nop());
  world.ring->start(second, request::nop());
  world.ring->start(third, request::nop());
  world.ring->cancel(second);
  world.ring->cancel(second);
  EXPECT_TRUE(second.heard.empty()) << "a completion never comes from inside cancel";
  wait_for(*world.ring, [&] { return world.ring->in_flight() == 0; });
  EXPECT_EQ(second.result(), -ECANCELED);
  EXPECT_EQ(second.heard.size(), 1u);
  EXPECT_EQ(first.result(), 0);
  EXPECT_EQ(third.result(), 0);
  EXPECT_EQ(world.ring->count().submitted, 2u);
}

TEST(RingSimulated, ASlotThatWasCancelledInTheLineMayBeUsedAtOnce) {
  simulated world(1, {.room = 1});
  probe first;
  probe second;
  world.ring->start(first, request::nop());
  world.ring->start(second, request::nop());
  world.ring->cancel(second);
  world.ring->reap();  // tells `second`, whose request is still in the line
  ASSERT_TRUE(second.ended());
  probe stranger;
  world.ring->start(stranger, request::nop());
  wait_for(*world.ring, [&] { return world.ring->in_flight() == 0; });
  EXPECT_EQ(second.heard.size(), 1u);
  EXPECT_EQ(stranger.heard.size(), 1u);
  EXPECT_EQ(stranger.result(), 0);
  EXPECT_EQ(world.ring->count().submitted, 2u);
}

TEST(RingSimulated, ManyCancelsInALongLineTakeOneStepEach) {
  simulated world(1, {.room = 1});
  std::vector<probe> all(50'000);
  for (probe& each : all) world.ring->start(each, request::nop());
  for (probe& each : all) world.ring->cancel(each);
  wait_for(*world.ring, [&] { return world.ring->in_flight() == 0; });
  for (const probe& each : all) ASSERT_EQ(each.heard.size(), 1u);
  EXPECT_LE(world.ring->count().submitted, 2u);
}

TEST(RingSimulated, ALateDuplicateNeverReachesAStranger) {
  simulated world(7, {.room = 8, .duplicated = 100});
  for (int i = 0; i < 1'000; ++i) {
    probe op;  // each takes the slot of the one before
    world.ring->start(op, request::nop());
    wait_for(*world.ring, [&] { return op.ended(); });
    ASSERT_EQ(op.heard.size(), 1u);
  }
  world.ring->submit();
  world.ring->reap();
  EXPECT_EQ(world.ring->count().stale, world.behind->duplicates());
  EXPECT_GT(world.ring->count().stale, 900u);
}

TEST(RingSimulated, BytesArriveInOrderWhateverTheKernelDoes) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    simulated world(seed,
                    {.room = 2, .short_result = 50, .interrupted = 20, .late = 30, .duplicated = 5, .reordered = true});
    const auto [a, b] = world.behind->make_pair();
    std::string sent;
    for (int i = 0; i < 1'000; ++i) sent += static_cast<char>('a' + (i * 7 + static_cast<int>(seed)) % 26);
    std::string got;
    std::array<std::byte, 32> into{};
    std::size_t done = 0;
    walker send;
    walker receive;
    while (true) {
      if (!send.in_flight()) {
        done += static_cast<std::size_t>(std::max(std::exchange(send.result, 0), 0));
        if (done < sent.size()) send.start(*world.ring, request::send(a, tide::bytes_of(sent).subspan(done), true));
      }
      if (!receive.in_flight()) {
        got += tide::text_of(std::span(into).first(static_cast<std::size_t>(std::max(receive.result, 0))));
        if (got.size() == sent.size()) break;
        receive.start(*world.ring, request::receive(b, into));
      }
      world.ring->submit_and_wait(tide::ring::ring::forever);
      world.ring->reap();
      ASSERT_FALSE(world.behind->stuck()) << "seed " << seed << ": " << got.size() << " of " << done << " bytes";
    }
    EXPECT_EQ(got, sent) << "seed " << seed;
    wait_for(*world.ring, [&] { return world.ring->in_flight() == 0; });
  }
}

/// A million steps of start, cancel, submit and reap on 64 operations that share 16 pairs.
TEST(RingSimulated, AMillionRandomSteps) {
  constexpr std::size_t steps = support::sanitized ? 50'000 : 250'000;
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    simulated world(seed, {.room = 5,
                           .refused = 10,
                           .short_result = 30,
                           .interrupted = 10,
                           .late = 40,
                           .cancel_misses = 30,
                           .duplicated = 10,
                           .reordered = true});
    std::mt19937_64 random(seed);
    const auto below = [&](std::size_t limit) { return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random); };
    std::vector<walker> all(64);
    std::vector<std::array<std::byte, 16>> memory(all.size());
    std::vector<std::pair<int, int>> pairs;
    for (int i = 0; i < 16; ++i) pairs.push_back(world.behind->make_pair());
    for (std::size_t step = 0; step < steps; ++step) {
      const std::size_t which = below(all.size());
      walker& op = all[which];
      if (!op.in_flight()) {
        ASSERT_EQ(op.started, op.ended) << "seed " << seed << " step " << step;
        const auto& pair = pairs[below(pairs.size())];
        const auto bytes = std::span(memory[which]).first(1 + below(16));
        switch (below(3)) {
          case 0: op.start(*world.ring, request::nop()); break;
          case 1: op.start(*world.ring, request::send(pair.first, bytes, false)); break;
          default: op.start(*world.ring, request::receive(pair.second, bytes)); break;
        }
      } else if (below(2) == 0) {
        world.ring->cancel(op);
      }
      if (below(4) == 0) world.ring->submit();
      if (below(4) == 0) world.ring->reap();
    }
    for (walker& each : all) world.ring->cancel(each);
    wait_for(*world.ring, [&] { return world.ring->in_flight() == 0 || world.behind->stuck(); });
    EXPECT_FALSE(world.behind->stuck()) << "seed " << seed;
    std::size_t started = 0;
    for (const walker& each : all) {
      EXPECT_EQ(each.started, each.ended);
      EXPECT_EQ(each.strangers, 0u);
      started += each.started;
    }
    EXPECT_GT(started, steps / 16);
    for (int i = 0; i < 3; ++i) {  // the last duplicates
      world.ring->submit();
      world.ring->reap();
    }
    EXPECT_GT(world.ring->count().stale, 0u);
    EXPECT_LE(world.ring->count().stale, world.behind->duplicates());
  }
}

}  // namespace
