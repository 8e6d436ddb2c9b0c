#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "log_support.hpp"

namespace {

using relay_test::all_from;
using relay_test::append;
using relay_test::identity;
using relay_test::on_the_wire;
using relay_test::open_log;
using relay_test::scratch;
using relay_test::seen_event;
using relay_test::small_log;
using relay_test::take;
using relay_test::with_seq;

/// Calls `change(first_seq, bytes of the segment with its head)` for each segment of a closed log.
template <class Change>
void in_the_file(const scratch& directory, Change change) {
  auto pool = tide::pool::open(directory / "events.pool").value();
  for (auto& left : pool.recovered()) {
    std::int64_t first_seq = 0;
    std::memcpy(&first_seq, left.data() + 8, sizeof first_seq);
    change(first_seq, left.bytes());
  }
}

TEST(EventLogDamage, AByteThatFlippedInTheLastSegmentCutsItOffThere) {
  std::vector<std::size_t> ends;  // of each record
  std::string expected;
  std::size_t committed = 0;
  for (std::size_t flipped = 0;; ++flipped) {
    const scratch directory;
    std::vector<std::string> frames;
    {
      auto log = open_log(small_log(directory));
      ends.clear();
      for (int i = 1; i <= 3; ++i) {
        const std::string frame = identity(i, "did:plc:abc", i == 2 ? 100 : 1);
        append(log, frame);
        frames.push_back(on_the_wire(with_seq(frame, i)));
        ends.push_back(log.bytes());
      }
      committed = log.bytes();
    }
    if (flipped == committed) break;
    in_the_file(directory, [&](std::int64_t, tide::bytes_span bytes) { bytes[64 + flipped] ^= std::byte{0x10}; });
    const auto record = static_cast<std::size_t>(std::ranges::upper_bound(ends, flipped) - ends.begin());
    const std::size_t end_of_frame = (record == 0 ? 0 : ends[record - 1]) + 40 + frames[record].size();
    auto log = open_log(small_log(directory));
    if (flipped >= end_of_frame) {  // filling between records means nothing
      EXPECT_EQ(log.recovery().damaged, 0u) << flipped;
      EXPECT_EQ(log.recovery().events, 3u) << flipped;
      continue;
    }
    EXPECT_EQ(log.recovery().damaged, 1u) << flipped;
    EXPECT_EQ(log.recovery().events, record) << flipped;
    std::string left;
    for (std::size_t i = 0; i < record; ++i) left += frames[i];
    EXPECT_EQ(all_from(log, 1), left) << flipped;
    // What comes after takes the place of what was cut off.
    const std::string next = identity(50);
    const auto seq = append(log, next);
    EXPECT_EQ(all_from(log, 1), left + on_the_wire(with_seq(next, seq))) << flipped;
  }
  EXPECT_GT(committed, 200u);
}

TEST(EventLogDamage, ACommittedCountBeyondTheBytesIsCutToWhatIsWhole) {
  const scratch directory;
  {
    auto log = open_log(small_log(directory));
    for (int i = 1; i <= 3; ++i) append(log, identity(i));
  }
  in_the_file(directory, [](std::int64_t, tide::bytes_span bytes) {
    const std::uint64_t beyond = ~0ULL;
    std::memcpy(bytes.data() + 16, &beyond, sizeof beyond);
  });
  auto log = open_log(small_log(directory));
  EXPECT_EQ(log.recovery().damaged, 1u);
  EXPECT_EQ(log.recovery().events, 3u);
  EXPECT_EQ(append(log, identity(4)), 4);
}

TEST(EventLogDamage, BehindADamagedSegmentTheStreamIsStillServed) {
  const scratch directory;
  std::int64_t last = 0;
  std::string expected;
  {
    auto log = open_log(small_log(directory));
    for (int i = 1; i <= 24; ++i) last = append(log, identity(i, "did:plc:abc", 1000));
    expected = all_from(log, 15);  // events 15 to 21 fill the third segment
  }
  in_the_file(directory, [](std::int64_t first_seq, tide::bytes_span bytes) {
    if (first_seq == 8) bytes[2000] ^= std::byte{1};
  });
  auto log = open_log(small_log(directory));
  EXPECT_EQ(log.recovery().damaged, 1u);
  EXPECT_EQ(log.oldest_seq(), 15);
  EXPECT_EQ(log.last_seq(), last);
  EXPECT_EQ(all_from(log, 15), expected);
}

TEST(EventLogDamage, ASegmentWhoseHeadIsDamagedIsNoneAndNumbersDoNotJump) {
  for (std::size_t byte = 0; byte < 16; ++byte) {  // magic and first number
    const scratch directory;
    std::int64_t last = 0;
    {
      auto log = open_log(small_log(directory));
      for (int i = 1; i <= 24; ++i) last = append(log, identity(i, "did:plc:abc", 1000));
    }
    in_the_file(directory, [&](std::int64_t first_seq, tide::bytes_span bytes) {
      if (first_seq == 8) bytes[byte] ^= std::byte{0x10};
    });
    auto log = open_log(small_log(directory));
    EXPECT_EQ(log.recovery().damaged, 1u) << byte;
    EXPECT_EQ(log.oldest_seq(), 15) << byte;
    EXPECT_EQ(log.last_seq(), last) << byte;
    EXPECT_EQ(append(log, identity(25)), last + 1) << byte;
  }
}

// ---- death ------------------------------------------------------------------------------------------------------------

/// Event n of the child below: size, host and bytes follow from n alone.
std::string frame_of(std::int64_t n) { return identity(n, "did:plc:abc", static_cast<std::size_t>(n * 7919 % 1500)); }

TEST(EventLogDeath, WhatWasAcknowledgedIsThereAfterAKillAtAnyMoment) {
  const scratch directory;
  const auto seed = std::random_device()();
  RecordProperty("seed", static_cast<int>(seed));
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::minstd_rand random(seed);
  std::int64_t last = 0;
  for (int round = 0; round < 60; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      auto log = open_log(small_log(directory));
      while (true) {
        const std::int64_t seq = append(log, frame_of(log.last_seq() + 1), 7);
        if (::write(ends[1], &seq, sizeof seq) != sizeof seq) ::_exit(1);
      }
    }
    ::close(ends[1]);
    // A moment before the first event, or some events later.
    std::int64_t acknowledged = last;
    const auto events = random() % 5 == 0 ? 0 : random() % 300;
    for (unsigned i = 0; i < events; ++i)
      ASSERT_EQ(::read(ends[0], &acknowledged, sizeof acknowledged), static_cast<ssize_t>(sizeof acknowledged));
    for (auto spin = random() % 20'000; spin > 0; --spin) std::atomic_signal_fence(std::memory_order_seq_cst);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    while (::read(ends[0], &acknowledged, sizeof acknowledged) == static_cast<ssize_t>(sizeof acknowledged)) {
    }
    ::close(ends[0]);

    std::vector<seen_event> seen;
    auto log = open_log(small_log(directory), &seen);
    last = log.last_seq();
    EXPECT_GE(last, acknowledged) << round;
    EXPECT_LE(last, acknowledged + 1) << round;
    EXPECT_EQ(log.recovery().damaged, 0u) << round;
    const std::int64_t oldest = log.oldest_seq();
    ASSERT_EQ(seen.size(), static_cast<std::size_t>(last - oldest + 1)) << round;
    std::string expected;
    for (std::int64_t n = oldest; n <= last; ++n) {
      EXPECT_EQ(seen[static_cast<std::size_t>(n - oldest)], (seen_event{7, n})) << round;
      expected += on_the_wire(with_seq(frame_of(n), n));
    }
    EXPECT_EQ(all_from(log, oldest), expected) << round;
  }
  EXPECT_GT(last, 1000);
}

}  // namespace
