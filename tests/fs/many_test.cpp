// Reads that are put together: of one task (read_many) and of several (sealed files).
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include <tide/fs/read_many.hpp>
#include <tide/fs/sealed_file.hpp>
#include <tide/runtime/scope.hpp>
#include <tide/runtime/time.hpp>

#include "fs/scratch.hpp"
#include "support/process.hpp"
#include "support/run.hpp"
#include "support/sanitizers.hpp"

namespace {

using support::run_here;
using tide::fs::file;
using tide::fs::read_many;
using tide::fs::read_range;
using tide::fs::sealed_file;

std::vector<std::pair<std::uint64_t, std::uint64_t>> reads_of(const std::vector<read_range>& ranges, std::size_t alignment,
                                                              const tide::fs::read_many_options& wanted) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> all;
  for (const auto& each : tide::fs::detail::plan_reads(ranges, alignment, wanted).reads)
    all.emplace_back(each.begin, each.end);
  return all;
}
using extents = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

TEST(ReadPlan, PutsTogetherWhatTouchesUpToTheLimits) {
  EXPECT_EQ(reads_of({}, 1, {}), extents{});
  EXPECT_EQ(reads_of({{0, 10}, {10, 10}}, 1, {}), (extents{{0, 20}})) << "neighbours";
  EXPECT_EQ(reads_of({{10, 10}, {0, 10}}, 1, {}), (extents{{0, 20}})) << "in any order";
  EXPECT_EQ(reads_of({{0, 10}, {5, 10}}, 1, {}), (extents{{0, 15}})) << "one over the other";
  EXPECT_EQ(reads_of({{0, 100}, {5, 10}}, 1, {.most_merged = 50}), (extents{{0, 100}})) << "one within the other";
  EXPECT_EQ(reads_of({{0, 10}, {11, 10}}, 1, {}), (extents{{0, 10}, {11, 21}})) << "a gap that nobody asked for";
  EXPECT_EQ(reads_of({{0, 10}, {14, 6}}, 1, {.most_gap = 4}), (extents{{0, 20}})) << "a gap at the limit";
  EXPECT_EQ(reads_of({{0, 10}, {15, 5}}, 1, {.most_gap = 4}), (extents{{0, 10}, {15, 20}})) << "and beyond";
  EXPECT_EQ(reads_of({{0, 10}, {10, 10}}, 1, {.most_merged = 20}), (extents{{0, 20}})) << "a read at the limit";
  EXPECT_EQ(reads_of({{0, 10}, {10, 10}}, 1, {.most_merged = 19}), (extents{{0, 10}, {10, 20}})) << "and beyond";
  EXPECT_EQ(reads_of({{0, 500}}, 1, {.most_merged = 19}), (extents{{0, 500}})) << "one that is larger by itself";
  EXPECT_EQ(reads_of({{3, 0}, {3, 5}, {90, 0}}, 1, {}), (extents{{3, 8}})) << "nothing is nothing";
  EXPECT_EQ(reads_of({{100, 10}, {600, 10}, {5000, 10}}, 512, {}), (extents{{0, 1024}, {4608, 5120}})) << "in whole blocks";
}

TEST(ReadMany, GivesEachRangeItsBytesWhateverTheLimits) {
  const support::scratch where;
  constexpr std::size_t size = 500'000;
  support::write_pattern(where / "data", size);
  for (const unsigned seed : {1U, 2U, 3U, 4U}) {
    run_here([&](tide::scope&) -> tide::task<> {
      std::mt19937 random(seed);
      tide::fs::open_options wanted;
      wanted.direct = seed % 2 == 0;
      auto data = co_await file::open(where / "data", wanted);
      std::vector<read_range> ranges;
      for (int i = 0; i < 300; ++i) ranges.push_back({random() % (size + 5000), random() % (i % 50 == 0 ? 60'000 : 3000)});
      const auto reads = tide::executor::current()->use<tide::fs::statistics>().count().reads;
      tide::fs::read_many_options how;
      how.most_merged = std::size_t{1} << (12 + seed);
      how.most_gap = seed * 700;
      how.at_once = seed * 3;
      how.memory = 100'000 * seed;
      read_many many(*data, ranges, how);
      std::vector<int> seen(ranges.size());
      while (true) {
        const auto part = co_await many.next();
        EXPECT_TRUE(part);
        if (!part || !*part) break;
        ++seen[part->index];
        const read_range& range = ranges[part->index];
        const std::size_t there = range.offset >= size ? 0 : std::min<std::size_t>(range.size, size - range.offset);
        EXPECT_EQ(part->bytes.size(), there);
        EXPECT_EQ(support::fits(range.offset, part->bytes.bytes()), there) << range.size << " from " << range.offset;
      }
      EXPECT_EQ(seen, std::vector<int>(ranges.size(), 1));
      EXPECT_LT(tide::executor::current()->use<tide::fs::statistics>().count().reads - reads, ranges.size())
          << "some were put together";
    });
  }
}

TEST(ReadMany, ACancelLosesNothingAndADropWaitsForNothing) {
  const support::scratch where;
  support::write_pattern(where / "data", 400'000);
  const auto before = support::open_descriptors();
  run_here([&](tide::scope&) -> tide::task<> {
    auto data = co_await file::open(where / "data");
    std::vector<read_range> ranges;
    for (std::uint64_t at = 0; at < 400'000; at += 8000) ranges.push_back({at, 4000});
    read_many many(*data, ranges);
    std::size_t seen = 0;
    while (seen < ranges.size() / 2) {
      const auto part = co_await tide::timeout(std::chrono::microseconds(1), many.next());
      if (!part) continue;
      EXPECT_EQ(part->index, seen++);
      EXPECT_EQ(support::fits(ranges[part->index].offset, part->bytes.bytes()), 4000u);
    }
  });
  EXPECT_EQ(support::open_descriptors(), before);
}

TEST(SealedFile, TasksThatWantTheSameShareARead) {
  const support::scratch where;
  constexpr std::size_t size = 200'000;
  support::write_pattern(where / "data", size);
  for (const unsigned seed : {1U, 2U}) {
    run_here([&](tide::scope& scope) -> tide::task<> {
      tide::fs::open_options wanted;
      wanted.direct = seed == 2;
      auto data = co_await sealed_file::open(where / "data", wanted);
      for (unsigned task = 0; task < 40; ++task) {
        scope.spawn([&data, task, seed]() -> tide::task<> {
          std::mt19937 random(seed * 1000 + task);
          for (int i = 0; i < 30; ++i) {
            const std::uint64_t offset = random() % 4 * 4096 + random() % 100;
            const std::size_t count = random() % 20'000;
            const auto read = co_await data->read(offset, count);
            EXPECT_TRUE(read);
            EXPECT_EQ(read->size(), count);
            EXPECT_EQ(support::fits(offset, read->bytes()), count) << count << " from " << offset;
            const std::uint64_t late = size - random() % 9000;
            const auto tail = co_await data->read(late, 10'000);
            EXPECT_EQ(tail->size(), size - late);
            EXPECT_EQ(support::fits(late, tail->bytes()), size - late);
          }
        });
      }
      co_await scope.join();
      EXPECT_GT(tide::executor::current()->use<tide::fs::statistics>().count().shared_reads, 0u);
    });
  }
}

TEST(SealedFile, OneWhoIsCancelledTakesNothingFromTheOthers) {
  const support::scratch where;
  support::write_pattern(where / "data", 1'000'000);
  run_here([&](tide::scope&) -> tide::task<> {
    tide::fs::open_options wanted;
    wanted.direct = true;
    auto data = co_await sealed_file::open(where / "data", wanted);
    for (unsigned round = 0; round < (support::sanitized ? 50U : 300U); ++round) {
      unsigned had = 0;
      co_await tide::with_scope([&](tide::scope& outer) -> tide::task<> {
        co_await tide::with_scope([&](tide::scope& first) -> tide::task<> {
          first.spawn([&]() -> tide::task<> {
            const auto read = co_await data->read(0, 500'000);
            EXPECT_TRUE(read || read.error() == tide::errc::canceled);
          });
          outer.spawn([&]() -> tide::task<> {
            const auto read = co_await data->read(1000 + round, 400'000);
            EXPECT_TRUE(read);
            if (read && support::fits(1000 + round, read->bytes().first(5000)) == 5000) ++had;
          });
          for (unsigned turns = round % 3; turns > 0; --turns) co_await tide::yield();
          first.cancel();
        });
        co_await outer.join();
      });
      EXPECT_EQ(had, 1u);
    }
  });
}

}  // namespace
