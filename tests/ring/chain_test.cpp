// Chains: requests of which each waits for the success of the one before. Counterparts of liburing's link, submit-link-fail
// and linked-defer-close.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <random>
#include <string>
#include <vector>

#include <tide/base/bytes.hpp>
#include <tide/base/descriptor.hpp>
#include <tide/ring/ring.hpp>

#include "ring/probe.hpp"
#include "ring/simulated_backend.hpp"
#include "ring/sockets.hpp"
#include "support/sanitizers.hpp"

namespace {

using tide::ring::request;
using link = tide::ring::ring::link;

std::unique_ptr<tide::ring::ring> make_ring(unsigned entries = 64) {
  auto made = tide::ring::ring::create({.entries = entries}).value();
  EXPECT_TRUE(made->enable());
  return made;
}

/// A turn that does not wait.
void turn(tide::ring::ring& ring) {
  ring.submit_and_wait(0);
  ring.reap();
}

TEST(RingChain, TheSecondBeginsWhenTheFirstHasSucceededAndOnlyTheLastIsHeardOf) {
  auto ring = make_ring();
  const auto [ours, theirs] = socket_pair();
  std::array<std::byte, 8> into{};
  probe send;
  probe receive;
  const std::array links = {link{&send, request::send(ours.get(), tide::bytes_of("ask"), true)},
                            link{&receive, request::receive(ours.get(), into)}};
  ASSERT_TRUE(ring->start_chain(links));
  turn(*ring);
  char asked[8] = {};
  ASSERT_EQ(::recv(theirs.get(), asked, sizeof asked, MSG_DONTWAIT), 3);
  EXPECT_FALSE(receive.ended());
  ASSERT_EQ(::send(theirs.get(), "told", 4, 0), 4);
  const std::uint64_t enters = ring->count().enters;
  wait_for(*ring, [&] { return receive.ended(); });
  EXPECT_LE(ring->count().enters - enters, 1u);
  EXPECT_EQ(receive.result(), 4);
  EXPECT_TRUE(send.heard.empty());
  EXPECT_FALSE(send.in_flight());
  EXPECT_TRUE(ring->at_rest());
}

TEST(RingChain, AFailureIsToldToWhoFailedAndToTheLast) {
  auto ring = make_ring();
  const auto [ours, theirs] = socket_pair();
  ::shutdown(ours.get(), SHUT_WR);
  for (std::size_t failing = 0; failing < 3; ++failing) {
    std::array<probe, 4> all;
    std::vector<link> links;
    for (std::size_t i = 0; i < all.size(); ++i) {
      links.push_back({&all[i], i == failing ? request::send(ours.get(), tide::bytes_of("x"), true) : request::nop()});
    }
    ASSERT_TRUE(ring->start_chain(links));
    wait_for(*ring, [&] { return ring->at_rest(); });
    for (std::size_t i = 0; i < all.size(); ++i) {
      const bool told = i == failing || i + 1 == all.size();
      ASSERT_EQ(all[i].heard.size(), told ? 1u : 0u) << failing << ' ' << i;
      EXPECT_FALSE(all[i].in_flight());
    }
    EXPECT_EQ(all[failing].result(), -EPIPE);
    EXPECT_EQ(all.back().result(), -ECANCELED);
  }
  EXPECT_EQ(ring->count().stale, 0u);
}

TEST(RingChain, AShortTransferIsNoSuccess) {
  auto ring = make_ring();
  const tide::descriptor file(::memfd_create("short", MFD_CLOEXEC));
  ASSERT_EQ(::write(file.get(), "five!", 5), 5);
  std::array<std::byte, 16> into{};
  probe read;
  probe after;
  const std::array links = {link{&read, request::read(file.get(), into, 0)}, link{&after, request::nop()}};
  ASSERT_TRUE(ring->start_chain(links));
  wait_for(*ring, [&] { return ring->at_rest(); });
  EXPECT_EQ(read.result(), 5);
  EXPECT_EQ(after.result(), -ECANCELED);
}

TEST(RingChain, OneLinkIsAnOperationAndNoneIsRefused) {
  auto ring = make_ring(8);
  probe alone;
  ASSERT_TRUE(ring->start_chain(std::array{link{&alone, request::nop()}}));
  wait_for(*ring, [&] { return alone.ended(); });
  EXPECT_EQ(alone.result(), 0);
  EXPECT_EQ(ring->start_chain({}).error(), std::errc::invalid_argument);
  std::vector<probe> many(9);
  std::vector<link> links;
  for (probe& each : many) links.push_back({&each, request::nop()});
  EXPECT_EQ(ring->start_chain(links).error(), std::errc::invalid_argument);
  EXPECT_FALSE(many.front().in_flight());
  EXPECT_TRUE(ring->at_rest());
}

/// A chain that came in two pieces would let what follows the receive go on at once.
TEST(RingChain, IsNeverSplitHoweverFullTheQueueIs) {
  constexpr unsigned entries = 8;
  const auto [ours, theirs] = socket_pair();
  std::array<std::byte, 8> into{};
  for (unsigned queued = 0; queued <= entries + 3; ++queued) {
    for (unsigned size = 2; size <= entries; ++size) {
      auto ring = make_ring(entries);
      std::vector<probe> before(queued);
      for (probe& each : before) ring->start(each, request::nop());
      std::vector<probe> all(size);
      std::vector<link> links;
      for (probe& each : all) {
        links.push_back({&each, links.empty() ? request::receive(ours.get(), into) : request::nop()});
      }
      ASSERT_TRUE(ring->start_chain(links));
      probe behind;
      ring->start(behind, request::nop());
      wait_for(*ring, [&] { return behind.ended(); });
      for (const probe& each : before) ASSERT_TRUE(each.ended());
      for (const probe& each : all) ASSERT_TRUE(each.heard.empty()) << queued << ' ' << size;
      ring->cancel(all.back());
      wait_for(*ring, [&] { return ring->at_rest(); });
      ASSERT_EQ(all.front().result(), -ECANCELED);
      ASSERT_EQ(all.back().result(), -ECANCELED);
      ASSERT_EQ(ring->count().stale, 0u);
    }
  }
}

/// Also between the end of one link and the beginning of the next, where no cancel of the kernel's finds anything.
TEST(RingChain, CancelEndsItAtEveryMoment) {
  auto ring = make_ring(8);
  const auto [ours, theirs] = socket_pair();
  std::array<std::byte, 8> into{};
  for (unsigned moment = 0; moment < 6; ++moment) {
    for (const unsigned crowd : {0u, 6u, 20u}) {
      std::vector<probe> others(crowd);
      for (probe& each : others) ring->start(each, request::nop());
      probe send;
      probe receive;
      const std::array links = {link{&send, request::send(ours.get(), tide::bytes_of("x"), true)},
                                link{&receive, request::receive(ours.get(), into)}};
      ASSERT_TRUE(ring->start_chain(links));
      if (moment % 3 == 1) ring->submit();
      if (moment % 3 == 2) turn(*ring);
      ring->cancel(receive);
      if (moment >= 3) ring->cancel(receive);
      EXPECT_TRUE(receive.heard.empty()) << "a completion never comes from inside cancel";
      wait_for(*ring, [&] { return ring->at_rest(); });
      ASSERT_EQ(receive.heard.size(), 1u);
      ASSERT_EQ(receive.result(), -ECANCELED);
      char drained[64];
      while (::recv(theirs.get(), drained, sizeof drained, MSG_DONTWAIT) > 0) continue;
    }
  }
  EXPECT_EQ(ring->count().stale, 0u);
}

/// A cancel that the kernel did not take has not been made.
TEST(RingChain, CancelEndsItWhereSubmissionsAreRefused) {
  const auto [ours, theirs] = socket_pair();
  std::array<std::byte, 8> into{};
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    auto ring = tide::ring::ring::create({.entries = 8, .without = {}, .unkind_seed = seed}).value();
    ASSERT_TRUE(ring->enable());
    probe send;
    probe receive;
    const std::array links = {link{&send, request::send(ours.get(), tide::bytes_of("x"), true)},
                              link{&receive, request::receive(ours.get(), into)}};
    ASSERT_TRUE(ring->start_chain(links));
    if (seed % 2 == 0) turn(*ring);
    ring->cancel(receive);
    wait_for(*ring, [&] { return ring->at_rest(); });
    ASSERT_EQ(receive.result(), -ECANCELED) << "seed " << seed;
    char drained[64];
    while (::recv(theirs.get(), drained, sizeof drained, MSG_DONTWAIT) > 0) continue;
  }
}

/// Random chains, plain operations and cancels: every last one is told once, the others once or never, and what follows a
/// link that did not succeed never begins.
TEST(RingChain, RandomOnesKeepTheirPromises) {
  constexpr int rounds = support::sanitized ? 1'000 : 10'000;
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    auto made = std::make_unique<simulated_backend>(seed, simulated_backend::unkindness{.room = 5,
                                                                                        .refused = 30,
                                                                                        .short_result = 20,
                                                                                        .interrupted = 10,
                                                                                        .late = 40,
                                                                                        .cancel_misses = 30,
                                                                                        .reordered = true});
    simulated_backend& behind = *made;
    tide::ring::ring ring(std::move(made));
    std::mt19937_64 random(seed);
    const auto below = [&](std::size_t limit) { return random() % limit; };
    const auto [a, b] = behind.make_pair();
    std::array<std::byte, 16> memory{};
    std::array<std::byte, 16> into{};
    for (int round = 0; round < rounds; ++round) {
      std::vector<probe> all(1 + below(5));
      std::vector<link> links;
      for (probe& each : all) {
        const auto bytes = std::span(memory).first(1 + below(16));
        links.push_back({&each, below(3) == 0 ? request::nop() : request::send(a, bytes, true)});
      }
      std::vector<probe> others(below(6));
      for (probe& each : others) ring.start(each, request::nop());
      ASSERT_TRUE(ring.start_chain(links));
      probe drain;  // or the pair would be full one day
      ring.start(drain, request::receive(b, into));
      for (std::size_t steps = below(6); steps != 0; --steps) {
        if (below(2) == 0) ring.submit();
        if (below(2) == 0) ring.reap();
      }
      if (below(2) == 0) ring.cancel(all.back());
      while (!all.back().ended()) {
        if (drain.ended()) {
          drain.heard.clear();
          ring.start(drain, request::receive(b, into));
        }
        ring.submit_and_wait(0);
        ring.reap();
      }
      ring.cancel(drain);
      wait_for(ring, [&] { return ring.at_rest(); });
      ASSERT_EQ(all.back().heard.size(), 1u);
      int failures = 0;
      for (std::size_t i = 0; i + 1 < all.size(); ++i) {
        ASSERT_LE(all[i].heard.size(), 1u);
        failures += all[i].heard.empty() ? 0 : 1;
      }
      ASSERT_LE(failures, 1) << "seed " << seed << " round " << round;
      if (failures == 1) {
        ASSERT_EQ(all.back().result(), -ECANCELED);
      }
    }
    EXPECT_EQ(behind.broken_chains(), 0u);
    EXPECT_EQ(ring.count().stale, 0u);
  }
}

}  // namespace
