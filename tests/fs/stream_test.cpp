// Streams over files against the bytes that they are made of, with every mix of calls.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include <tide/fs/stream_reader.hpp>
#include <tide/fs/stream_writer.hpp>
#include <tide/runtime/scope.hpp>
#include <tide/runtime/time.hpp>

#include "fs/scratch.hpp"
#include "support/process.hpp"
#include "support/run.hpp"
#include "support/sanitizers.hpp"

namespace {

using namespace std::chrono_literals;
using support::run_here;
using tide::fs::access;
using tide::fs::file;
using tide::fs::stream_reader;
using tide::fs::stream_writer;

tide::fs::open_options reading(bool direct) {
  tide::fs::open_options wanted;
  wanted.direct = direct;
  return wanted;
}
tide::fs::open_options writing(bool direct) {
  return {.access = access::read_write, .create = true, .truncate = true, .direct = direct};
}

std::size_t size_of(const tide::result<tide::fs::slice>& piece) {
  EXPECT_TRUE(piece);
  return piece ? piece->size() : 0;
}

TEST(StreamReader, EveryByteOnceInOrderWhateverTheBuffers) {
  const support::scratch where;
  constexpr std::size_t size = 1'000'003;
  support::write_pattern(where / "data", size);
  for (const bool direct : {false, true}) {
    for (const std::size_t buffer : {1UL, 4096UL, 10'000UL, 131'072UL, 2'000'000UL}) {
      if (buffer == 1 && !direct) continue;  // a million reads
      run_here([&](tide::scope&) -> tide::task<> {
        auto data = co_await file::open(where / "data", reading(direct));
        stream_reader stream(*data, {.offset = 77, .buffer = buffer, .ahead = 3});
        std::uint64_t at = 77;
        while (true) {
          const auto piece = co_await stream.next();
          EXPECT_TRUE(piece);
          if (!piece || piece->empty()) break;
          EXPECT_EQ(support::fits(at, piece->bytes()), piece->size()) << "at " << at;
          at += piece->size();
          EXPECT_EQ(stream.position(), at);
        }
        EXPECT_EQ(at, size);
        EXPECT_EQ(size_of(co_await stream.next()), 0u) << "the end stays the end";
      });
    }
  }
}

TEST(StreamReader, AnyMixOfReadsSkipsAndCancels) {
  const support::scratch where;
  constexpr std::size_t size = 300'000;
  support::write_pattern(where / "data", size);
  for (const unsigned seed : {1U, 2U, 3U, 4U}) {
    run_here([&](tide::scope&) -> tide::task<> {
      std::mt19937 random(seed);
      auto data = co_await file::open(where / "data", reading(seed % 2 == 0));
      const std::uint64_t end = seed == 3 ? 250'001 : size;
      stream_reader stream(*data, {.size = end, .buffer = 8192, .ahead = 1 + seed});
      std::vector<std::byte> memory(50'000);
      std::uint64_t at = 0;
      for (bool ended = false; !ended;) {
        const std::size_t wanted = 1 + random() % (random() % 8 == 0 ? 50'000 : 500);
        switch (random() % 4) {
          case 0: {
            const auto skipped = std::min<std::uint64_t>(wanted, end - at);
            stream.skip(wanted);
            at += skipped;
            break;
          }
          case 1: {
            const auto count = co_await stream.read(std::span(memory).first(wanted));
            EXPECT_TRUE(count);
            EXPECT_EQ(*count, std::min<std::uint64_t>(wanted, end - at));
            EXPECT_EQ(support::fits(at, std::span(memory).first(*count)), *count) << "at " << at;
            at += *count;
            ended = *count == 0;
            break;
          }
          default: {
            const auto piece = co_await tide::timeout(std::chrono::microseconds(random() % 50), stream.next());
            EXPECT_TRUE(piece || piece.error() == tide::errc::timed_out);
            if (!piece) break;
            EXPECT_EQ(support::fits(at, piece->bytes()), piece->size()) << "at " << at;
            at += piece->size();
            ended = piece->empty();
          }
        }
        EXPECT_EQ(stream.position(), at);
      }
      EXPECT_EQ(at, end);
    });
  }
}

TEST(StreamReader, OneThatIsDroppedLeavesItsReadsToTheKernel) {
  const support::scratch where;
  support::write_pattern(where / "data", 2'000'000);
  const auto before = support::open_descriptors();
  for (int round = 0; round < 20; ++round) {
    run_here([&](tide::scope&) -> tide::task<> {
      auto data = co_await file::open(where / "data", reading(round % 2 == 0));
      stream_reader stream(*data, {.ahead = 8});
      EXPECT_GT(size_of(co_await stream.next()), 0u);
    });
  }
  EXPECT_EQ(support::open_descriptors(), before);
}

TEST(StreamWriter, AnyMixOfWritesFlushesAndSyncsIsTheFileByteForByte) {
  const support::scratch where;
  for (const unsigned seed : {1U, 2U, 3U, 4U, 5U, 6U}) {
    run_here([&](tide::scope&) -> tide::task<> {
      std::mt19937 random(seed);
      auto data = co_await file::open(where / "data", writing(seed % 2 == 0));
      stream_writer stream(std::move(*data), {.buffer = 16'384, .behind = 1 + seed % 3, .sync_on_close = seed == 1});
      std::size_t size = 0;
      for (int i = 0; i < (support::sanitized ? 60 : 200); ++i) {
        // Now and then more than all buffers together.
        const std::size_t more = random() % (random() % 10 == 0 ? 100'000 : 5000);
        if (random() % 4 == 0) {  // whole blocks at times, and then not copied
          auto given = tide::fs::aligned_buffer::make(random() % 2 == 0 ? more : more / 4096 * 4096).value();
          std::ranges::copy(support::patterned(size, given.size()), given.begin());
          size += given.size();
          EXPECT_TRUE(co_await stream.write(std::move(given)));
        } else {
          EXPECT_TRUE(co_await stream.write(support::patterned(size, more)));
          size += more;
        }
        EXPECT_EQ(stream.position(), size);
        if (random() % 20 == 0) {
          EXPECT_TRUE(random() % 2 == 0 ? co_await stream.flush() : co_await stream.sync());
          EXPECT_EQ(std::filesystem::file_size(where / "data"), size);
          EXPECT_TRUE(co_await stream.flush()) << "again, with nothing to do";
        }
      }
      EXPECT_TRUE(co_await stream.close());
      const std::string text = support::content(where / "data");
      EXPECT_EQ(text.size(), size);
      EXPECT_EQ(support::fits(0, tide::bytes_of(text)), size);
      EXPECT_FALSE(co_await stream.write("x")) << "after close";
    });
  }
}

TEST(StreamWriter, WhatWasBehindTheEndIsCutOff) {
  const support::scratch where;
  for (const bool direct : {true, false}) {
    for (const std::size_t more : {3UL, 4096UL, 131'072UL}) {  // within a block, a block, a buffer
      support::write_pattern(where / "data", 400'000);
      run_here([&](tide::scope&) -> tide::task<> {
        auto data = co_await file::open(where / "data", {.access = access::write_only, .direct = direct});
        stream_writer stream(std::move(*data), {.offset = 8192});
        EXPECT_TRUE(co_await stream.write(std::string(more, '!')));
        EXPECT_TRUE(co_await stream.close());
      });
      const std::string text = support::content(where / "data");
      EXPECT_EQ(text.size(), 8192 + more);
      EXPECT_EQ(support::fits(0, tide::bytes_of(text).first(8192)), 8192u);
      EXPECT_EQ(text.find_first_not_of('!', 8192), text.npos);
    }
  }
}

TEST(StreamWriter, OneThatIsDroppedWaitsForNothing) {
  const support::scratch where;
  const auto before = support::open_descriptors();
  for (int round = 0; round < 20; ++round) {
    run_here([&](tide::scope&) -> tide::task<> {
      auto data = co_await file::open(where / "data", writing(round % 2 == 0));
      stream_writer stream(std::move(*data), {.buffer = 65'536});
      EXPECT_TRUE(co_await stream.write(support::patterned(0, 150'000)));
    });
  }
  EXPECT_EQ(support::open_descriptors(), before);
}

TEST(StreamWriter, BecomesASealedFile) {
  const support::scratch where;
  run_here([&](tide::scope&) -> tide::task<> {
    auto data = co_await file::open(where / "data", writing(true));
    stream_writer stream(std::move(*data));
    EXPECT_TRUE(co_await stream.write(support::patterned(0, 5000)));
    auto sealed = co_await stream.seal();
    EXPECT_TRUE(sealed);
    EXPECT_EQ((co_await stream.write("more")).error(), tide::errc::closed);
    const auto read = co_await sealed->read(4990, 100);
    EXPECT_EQ(read->size(), 10u);
    EXPECT_EQ(support::fits(4990, read->bytes()), 10u);
  });
}

}  // namespace
