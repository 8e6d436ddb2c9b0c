// Files past the page cache: any offset and size is read right, on every file system there is.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <tide/fs/file.hpp>
#include <tide/ring/file_requests.hpp>

#include "fs/scratch.hpp"
#include "support/run.hpp"
#include "support/sanitizers.hpp"

namespace {

using support::run_here;
using tide::fs::access;
using tide::fs::aligned_buffer;
using tide::fs::file;

/// Blocks of the pool with a pattern that a read which shows too much would show.
void poison_pool(std::size_t most) {
  for (std::size_t size = aligned_buffer::page; size <= most; size *= 2) {
    auto buffer = aligned_buffer::make(size).value();
    std::ranges::fill(buffer, std::byte{0xa7});
  }
}

/// TIDE_TEST_DIRECTORIES=/mnt/ext4:/mnt/xfs names more places, on file systems with blocks of other sizes (tests/fs/mounts
/// makes some).
std::vector<std::string> places() {
  std::vector<std::string> all{std::filesystem::temp_directory_path().string()};
  if (::access("/dev/shm", W_OK) == 0) all.emplace_back("/dev/shm");
  const char* const more = std::getenv("TIDE_TEST_DIRECTORIES");
  std::string rest = more == nullptr ? "" : more;
  while (!rest.empty()) {
    const auto colon = std::min(rest.find(':'), rest.size());
    all.push_back(rest.substr(0, colon));
    rest.erase(0, colon + 1);
  }
  return all;
}

TEST(DirectFile, EveryOffsetAndSizeAroundBlocksAndTheEnd) {
  for (const std::string& place : places()) {
    const support::scratch where(place);
    run_here([&](tide::scope&) -> tide::task<> {
      tide::fs::open_options direct;
      direct.direct = true;
      // Files that end at a block, and a byte and half a block to either side of it.
      for (const std::size_t end : {0UL, 1UL, 4095UL, 4096UL, 4097UL, 8192UL, 10'000UL}) {
        support::write_pattern(where / "data", end);
        auto data = co_await file::open(where / "data", direct);
        EXPECT_TRUE(data) << place << ": " << data.error().message();
        if (!data) co_return;
        std::vector<std::size_t> edges;
        for (const std::size_t block : {std::size_t{0}, data->alignment(), std::size_t{4096}, std::size_t{8192}, end}) {
          for (const int off : {-1, 0, 1}) {
            if (off >= 0 || block > 0) edges.push_back(block + static_cast<std::size_t>(off));
          }
        }
        std::ranges::sort(edges);
        edges.erase(std::ranges::unique(edges).begin(), edges.end());
        for (const std::size_t offset : edges) {
          for (const std::size_t size : edges) {
            poison_pool(16'384);
            const auto read = co_await data->read(offset, size);
            const std::size_t there = offset >= end ? 0 : std::min(size, end - offset);
            EXPECT_TRUE(read) << read.error().message();
            if (!read) co_return;
            EXPECT_EQ(read->size(), there) << place << ": " << size << " bytes from " << offset << " of " << end;
            EXPECT_EQ(support::fits(offset, read->bytes()), read->size())
                << place << ": " << size << " bytes from " << offset << " of " << end;
          }
        }
        EXPECT_TRUE(co_await data->close());
      }
    });
  }
}

TEST(DirectFile, SaysHowItWantsToBeReadAndWritten) {
  const support::scratch where;
  run_here([&](tide::scope&) -> tide::task<> {
    auto data = co_await file::open(where / "data", {.access = access::read_write, .create = true, .direct = true});
    EXPECT_TRUE(data);
    if (!data || !data->direct()) co_return;
    EXPECT_GE(data->alignment(), 512u);
    EXPECT_EQ(4096 % data->alignment(), 0u);
    auto page = aligned_buffer::make(4096).value();
    std::ranges::copy(support::patterned(0, 4096), page.begin());
    auto written = co_await data->write_all_at(0, std::move(page));
    EXPECT_EQ(written.size, 4096u);
    std::ranges::fill(written.buffer, std::byte{0});
    auto read = co_await data->read_exactly_at(0, std::move(written.buffer));
    EXPECT_EQ(read.size, 4096u);
    EXPECT_EQ(support::fits(0, read.buffer), 4096u);
    EXPECT_EQ((co_await data->read_at(1, std::move(read.buffer))).size.error(), std::errc::invalid_argument);
  });
}

TEST(DirectFile, FallsBackWhereTheFileSystemHasNoSuchThing) {
  if (!std::filesystem::is_directory("/proc/self")) GTEST_SKIP() << "needs /proc";
  run_here([&](tide::scope&) -> tide::task<> {
    auto data = co_await file::open("/proc/self/stat", {.direct = true});
    EXPECT_TRUE(data) << data.error().message();
    if (!data) co_return;
    EXPECT_FALSE(data->direct());
    EXPECT_EQ(data->alignment(), 1u);
    EXPECT_FALSE((co_await data->read(0, 100))->empty());
  });
}

/// As tmpfs was before Linux 6.6: it makes the file, and then finds that it knows no direct transfers.
TEST(DirectFile, AMadeFileOutlivesTheFallBackOfAnExclusiveOpen) {
  const support::scratch where;
  const std::string path = where / "data";
  tide::executor::options like_tmpfs;
  bool asked = false;
  like_tmpfs.ring.verdict = [&](const tide::ring::request& what) {
    if (what.operation() != tide::ring::file_requests::open(0, "", nullptr).operation() || std::exchange(asked, true))
      return 0;
    const tide::descriptor made(::open(path.c_str(), O_CREAT | O_EXCL | O_CLOEXEC | O_WRONLY, 0600));
    return made ? -EINVAL : -errno;
  };
  support::make_executor(like_tmpfs)->run([&](tide::scope&) -> tide::task<> {
    const tide::fs::open_options wanted{.access = access::read_write, .create = true, .exclusive = true, .direct = true};
    auto data = co_await file::open(path, wanted);
    EXPECT_TRUE(data) << data.error().message();
    EXPECT_FALSE(data && data->direct());
    EXPECT_EQ((co_await file::open(path, wanted)).error(), std::errc::file_exists);
  });
}

TEST(DirectFile, UsesRegisteredMemoryWhereThereIsSome) {
  const support::scratch where;
  support::write_pattern(where / "data", 300'000);
  for (const bool registered : {true, false}) {
    unsigned by_number = 0;
    unsigned plainly = 0;
    tide::executor::options wanted;
    wanted.registered_memory = registered ? 1 << 20 : 0;
    wanted.ring.verdict = [&](const tide::ring::request& what) {
      if (what.operation() == tide::ring::request::read_fixed(0, {}, 0, 0).operation()) ++by_number;
      if (what.operation() == tide::ring::request::read(0, {}, 0).operation()) ++plainly;
      return 0;
    };
    support::make_executor(wanted)->run([&](tide::scope&) -> tide::task<> {
      tide::fs::open_options direct;
      direct.direct = true;
      auto data = co_await file::open(where / "data", direct);
      std::vector<tide::fs::slice> all;  // more than there is pinned
      for (std::uint64_t at = 3; at < 290'000; at += 7000) {
        for (int twice = 0; twice < 2; ++twice) {
          all.push_back((co_await data->read(at, 20'000)).value());
          EXPECT_EQ(support::fits(at, all.back().bytes()), all.back().size());
        }
      }
    });
    EXPECT_EQ(by_number > 0, registered);
    EXPECT_GT(plainly, 0u);
  }
}

TEST(DirectFile, WhatIsLargerThanADeviceTakesAtATimeArrivesWhole) {
  const support::scratch where;
  constexpr std::size_t size = support::sanitized ? 4'000'000 : 12'000'000;
  support::write_pattern(where / "data", size);
  tide::executor::options polling;
  polling.poll_files = true;
  for (const bool polled : {false, true}) {
    run_here(
        [&](tide::scope&) -> tide::task<> {
          tide::fs::open_options wanted;
          wanted.direct = true;
          wanted.polled = polled;
          auto data = co_await file::open(where / "data", wanted);
          const auto read = co_await data->read(17, size);
          EXPECT_EQ(read->size(), size - 17);
          EXPECT_EQ(support::fits(17, read->bytes()), size - 17);
          tide::fs::open_options both{.access = access::read_write, .create = true, .direct = true, .polled = polled};
          auto copy = co_await file::open(where / "copy", both);
          auto memory = aligned_buffer::make(size / 4096 * 4096).value();
          std::ranges::copy(support::patterned(0, memory.size()), memory.begin());
          EXPECT_EQ((co_await copy->write_all_at(0, std::move(memory))).size, size / 4096 * 4096);
          const auto back = co_await copy->read(1, size);
          EXPECT_EQ(back->size(), size / 4096 * 4096 - 1);
          EXPECT_EQ(support::fits(1, back->bytes()), back->size());
        },
        polled ? polling : tide::executor::options{});
  }
}

}  // namespace
