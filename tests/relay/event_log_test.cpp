#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <system_error>
#include <vector>

#include <tests/support/run.hpp>

#include "log_support.hpp"

namespace {

using relay_test::all_from;
using relay_test::append;
using relay_test::decoded;
using relay_test::identity;
using relay_test::on_the_wire;
using relay_test::open_log;
using relay_test::scratch;
using relay_test::seen_event;
using relay_test::small_log;
using relay_test::take;
using relay_test::take_all;
using relay_test::with_seq;
using tide::relay::event_log;

TEST(EventLog, GivesBackWhatWasAppendedByteForByteButForSeq) {
  const scratch directory;
  auto wanted = small_log(directory);
  wanted.segment_bytes = 1 << 20;
  wanted.segments = 8;
  auto log = open_log(wanted);
  EXPECT_EQ(log.last_seq(), 0);
  EXPECT_EQ(log.oldest_seq(), 1);
  std::string expected;
  std::int64_t seq = 0;
  // Sizes around the borders of the WebSocket length, and host numbers of every encoded size.
  for (const std::size_t filling : {0, 20, 60, 70, 80, 200, 60'000, 65'450, 65'470, 65'500, 65'520, 70'000}) {
    for (const std::int64_t host_seq : {1LL, 23LL, 24LL, 255LL, 256LL, 65536LL, 1LL << 32, (1LL << 53) - 1}) {
      const std::string frame = identity(host_seq, "did:plc:abc", filling);
      EXPECT_EQ(append(log, frame), ++seq);
      expected += on_the_wire(with_seq(frame, seq));
    }
  }
  EXPECT_EQ(log.last_seq(), seq);
  EXPECT_EQ(log.oldest_seq(), 1);
  EXPECT_TRUE(all_from(log, 1) == expected);
}

TEST(EventLog, KeepsEverythingOverACloseAndAnOpen) {
  const scratch directory;
  std::string expected;
  std::vector<seen_event> appended;
  for (int life = 0; life < 5; ++life) {
    std::vector<seen_event> seen;
    auto log = open_log(small_log(directory), &seen);
    EXPECT_EQ(seen, appended);
    EXPECT_EQ(log.recovery().events, appended.size());
    EXPECT_EQ(log.recovery().damaged, 0u);
    EXPECT_EQ(log.last_seq(), static_cast<std::int64_t>(appended.size()));
    EXPECT_EQ(all_from(log, 1), expected);
    for (int i = 0; i < 20; ++i) {
      const auto host = static_cast<std::uint32_t>(i % 3 + 1);
      const std::string frame = identity(1000 * life + i + 1, "did:plc:abc", 100);
      const auto seq = append(log, frame, host);
      expected += on_the_wire(with_seq(frame, seq));
      appended.push_back({host, 1000 * life + i + 1});
    }
  }
}

TEST(EventLog, IsOpenOnce) {
  const scratch directory;
  const auto log = open_log(small_log(directory));
  const auto second = event_log::open(small_log(directory), [](std::uint32_t, std::int64_t) {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error(), tide::pool_errc::busy);
}

TEST(EventLog, RefusesAFrameThatNoSegmentHoldsAndGoesOn) {
  const scratch directory;
  auto log = open_log(small_log(directory));
  EXPECT_EQ(append(log, identity(1)), 1);
  const std::string large = identity(2, "did:plc:abc", 8200);
  const auto refused = log.append(1, decoded(large));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), tide::errc::limit_exceeded);
  EXPECT_EQ(append(log, identity(2)), 2);
  // The largest that fits: 8192 less the segment's head of 64, the record's of 40 and the WebSocket header of 4.
  const std::string one = identity(3, "did:plc:abc", 1000);
  const std::size_t most = 8192 - 64 - 40 - 4;
  const std::string fits = identity(3, "did:plc:abc", 1000 + most - one.size());
  ASSERT_EQ(fits.size(), most);
  EXPECT_EQ(append(log, fits), 3);
  EXPECT_FALSE(log.append(1, decoded(identity(4, "did:plc:abc", 1000 + most - one.size() + 1))));
  EXPECT_EQ(all_from(log, 3), on_the_wire(with_seq(fits, 3)));
}

TEST(EventLog, ReaderGoesOnWhereverItWasInterrupted) {
  const scratch directory;
  auto log = open_log(small_log(directory));
  for (int i = 1; i <= 4; ++i) append(log, identity(i, "did:plc:abc", i == 3 ? 200 : 10));
  const std::string expected = all_from(log, 1);
  for (std::size_t first = 0; first <= expected.size(); ++first) {
    auto reader = log.read_from(1);
    std::string got;
    while (got.size() < first) got += take(reader, first - got.size());
    const std::string rest(tide::text_of(reader.rest_of_frame()));
    if (reader.at_border()) {
      EXPECT_TRUE(rest.empty());
    } else {
      EXPECT_EQ(rest, expected.substr(first, rest.size()));
      auto next = log.read_from(reader.next_seq() + 1);
      EXPECT_EQ(rest + take_all(next), expected.substr(first));
    }
    got += take_all(reader);
    EXPECT_EQ(got, expected);
    EXPECT_EQ(reader.next_seq(), 5);
    EXPECT_TRUE(reader.at_border());
  }
}

TEST(EventLog, ReaderAtTheEndSeesWhatComesNext) {
  const scratch directory;
  auto log = open_log(small_log(directory));
  auto early = log.read_from(1);  // before there is any segment
  EXPECT_EQ(take_all(early), "");
  std::string expected;
  for (int i = 1; i <= 100; ++i) {
    const std::string frame = identity(i, "did:plc:abc", 300);
    expected = on_the_wire(with_seq(frame, append(log, frame)));
    EXPECT_EQ(take_all(early), expected) << i;
  }
  EXPECT_FALSE(early.behind());
}

TEST(EventLog, WindowMovesAndTellsWhoHasFallenBehind) {
  const scratch directory;
  auto log = open_log(small_log(directory));
  auto stays = log.read_from(1);
  int retired = 0;
  bool told = false;
  log.on_retire([&] {
    ++retired;
    told = stays.behind();
  });
  append(log, identity(1));
  EXPECT_EQ(take(stays, 10).size(), 10u);  // in the middle of event 1
  const std::string whole = all_from(log, 1);
  std::int64_t seq = 1;
  while (retired == 0) seq = append(log, identity(seq + 1, "did:plc:abc", 1000));
  EXPECT_TRUE(told);
  EXPECT_GT(log.oldest_seq(), 1);
  EXPECT_LT(log.oldest_seq(), seq);
  EXPECT_LE(log.bytes(), 4u * 8192);
  // Its segment is held: what was begun can be ended, whatever else comes.
  for (int i = 0; i < 40; ++i) seq = append(log, identity(seq + 1, "did:plc:abc", 1000));
  EXPECT_EQ(tide::text_of(stays.rest_of_frame()), whole.substr(10, whole.size() - 10));
  EXPECT_TRUE(stays.behind());
  EXPECT_EQ(all_from(log, log.oldest_seq()).empty(), false);
  EXPECT_EQ(log.read_from(log.oldest_seq()).behind(), false);
}

TEST(EventLog, HeldSegmentsAreNotReusedAndRoomIsToldWhenTheyGo) {
  const scratch directory;
  support::run_here([&](tide::scope& scope) -> tide::task<> {
    auto log = open_log(small_log(directory));
    std::vector<event_log::reader> held;
    std::vector<std::string> first_frame;
    std::int64_t host_seq = 0;
    std::int64_t oldest = 0;
    std::error_code refused;
    // One reader into each segment, until all six blocks are held or in the window.
    for (int i = 0; i < 1000 && !refused; ++i) {
      if (log.oldest_seq() != oldest && log.last_seq() >= log.oldest_seq()) {
        oldest = log.oldest_seq();
        held.push_back(log.read_from(oldest));
        auto copy = log.read_from(oldest);
        first_frame.push_back(take(copy, 1000));
      }
      const auto seq = log.append(1, decoded(identity(++host_seq, "did:plc:abc", 1000)));
      if (!seq) refused = seq.error();
    }
    EXPECT_EQ(refused, tide::pool_errc::full);
    EXPECT_EQ(held.size(), 3u);  // six blocks: three in the window, three that are held
    for (std::size_t i = 0; i < held.size(); ++i) EXPECT_EQ(take(held[i], 1000), first_frame[i]) << i;
    const auto last = log.last_seq();
    bool roomy = false;
    scope.spawn([&]() -> tide::task<> { roomy = (co_await log.room().wait()).has_value(); });
    co_await tide::yield();
    EXPECT_FALSE(roomy);
    held.erase(held.begin());
    while (!roomy) co_await tide::yield();
    EXPECT_EQ(append(log, identity(host_seq, "did:plc:abc", 1000)), last + 1);
    held.clear();
  });
}

TEST(EventLog, SequenceGoesOnFromAnEmptyLastSegment) {
  const scratch directory;
  std::int64_t last = 0;
  {
    auto log = open_log(small_log(directory));
    for (int i = 1; i <= 30; ++i) last = append(log, identity(i, "did:plc:abc", 1000));
  }
  {  // as if the process had died between beginning a segment and its first event
    auto pool = tide::pool::open(directory / "events.pool").value();
    std::int64_t newest = 0;
    for (auto& left : pool.recovered()) {
      std::int64_t first_seq = 0;
      std::memcpy(&first_seq, left.data() + 8, sizeof first_seq);
      newest = std::max(newest, first_seq);
    }
    for (auto& left : pool.recovered()) {
      std::int64_t first_seq = 0;
      std::memcpy(&first_seq, left.data() + 8, sizeof first_seq);
      const std::uint64_t nothing = 0;
      if (first_seq == newest) {
        std::memcpy(left.data() + 16, &nothing, sizeof nothing);
        last = first_seq - 1;
      } else {
        left.release();  // and all other segments have left the window
      }
    }
  }
  auto log = open_log(small_log(directory));
  EXPECT_EQ(log.recovery().events, 0u);
  EXPECT_EQ(log.recovery().damaged, 0u);
  EXPECT_EQ(log.last_seq(), last);
  EXPECT_EQ(log.oldest_seq(), last + 1);
  EXPECT_GT(append(log, identity(99)), last);
}

}  // namespace
