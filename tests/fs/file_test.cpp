// Files through the page cache: every operation, in every style of memory.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tide/fs/file.hpp>
#include <tide/fs/paths.hpp>
#include <tide/runtime/combine.hpp>
#include <tide/runtime/scope.hpp>

#include "fs/scratch.hpp"
#include "support/process.hpp"
#include "support/run.hpp"

namespace {

using support::run_here;
using tide::fs::access;
using tide::fs::file;

static_assert(tide::io_buffer<tide::fs::aligned_buffer> && tide::io_buffer<tide::fs::slice>);
static_assert(!std::is_copy_constructible_v<file> && !std::is_copy_constructible_v<tide::fs::aligned_buffer>);

tide::fs::open_options fresh() { return {.access = access::read_write, .create = true, .exclusive = true}; }

TEST(File, ReadsAndWritesInEveryStyle) {
  const support::scratch where;
  run_here([&](tide::scope&) -> tide::task<> {
    auto data = co_await file::open(where / "data", fresh());
    EXPECT_TRUE(data) << data.error().message();
    if (!data) co_return;
    const auto bytes = support::patterned(0, 10'000);
    EXPECT_EQ(co_await data->write_all_at(0, tide::bytes_view(bytes).first(6000)), 6000u);
    auto written = co_await data->write_all_at(6000, std::vector(bytes.begin() + 6000, bytes.end()));
    EXPECT_EQ(written.size, 4000u);
    EXPECT_EQ(written.buffer.size(), 4000u) << "it comes back";
    EXPECT_EQ(co_await data->write_all_at(10'000, "tail"), 4u);

    std::array<std::byte, 100> lent;
    const auto some = co_await data->read_at(50, lent);
    EXPECT_TRUE(some && *some > 0 && support::fits(50, std::span(lent).first(*some)) == *some);
    EXPECT_EQ(co_await data->read_exactly_at(9000, lent), 100u);
    EXPECT_EQ(support::fits(9000, lent), 100u);
    auto given = co_await data->read_exactly_at(700, std::vector<std::byte>(300));
    EXPECT_EQ(given.size, 300u);
    EXPECT_EQ(support::fits(700, given.buffer), 300u);
    const auto slice = co_await data->read(1234, 777);
    EXPECT_EQ(slice->size(), 777u);
    EXPECT_EQ(support::fits(1234, slice->bytes()), 777u);
    EXPECT_EQ(tide::text_of((co_await data->read(10'000, 50))->bytes()), "tail");
    EXPECT_TRUE((co_await data->read(10'004, 50))->empty());
    EXPECT_TRUE((co_await data->read(0, 0))->empty());
    EXPECT_EQ(co_await data->read_at(20'000, lent), 0u);
    const auto beyond = co_await data->read_exactly_at(9950, lent);
    EXPECT_EQ(beyond.error(), tide::errc::end_of_stream);
  });
}

TEST(File, PiecesInOneRequest) {
  const support::scratch where;
  run_here([&](tide::scope&) -> tide::task<> {
    auto data = co_await file::open(where / "data", fresh());
    std::string one = "one ";
    std::string two = "two";
    std::array<iovec, 2> pieces{{{one.data(), one.size()}, {two.data(), two.size()}}};
    std::size_t written = 0;
    while (written < 7) {  // an unkind kernel takes one at a time
      const std::size_t left = written == 0 ? 0 : 1;
      const auto now = co_await data->write_vectored(written, std::span(pieces).subspan(left));
      EXPECT_TRUE(now && *now > 0);
      if (!now) co_return;
      written += *now;
    }
    std::string first(3, ' ');
    std::string second(4, ' ');
    std::array<iovec, 2> into{{{first.data(), first.size()}, {second.data(), second.size()}}};
    const auto read = co_await data->read_vectored(0, into);
    EXPECT_TRUE(read && (*read == 7 || *read == 3));
    EXPECT_EQ(first, "one");
    EXPECT_TRUE(*read == 3 || second == " two");
  });
  EXPECT_EQ(support::content(where / "data"), "one two");
}

TEST(File, SpaceSizeAndTimes) {
  const support::scratch where;
  for (const bool by_ring : {true, false}) {
    tide::executor::options wanted;
    wanted.ring.without.truncate = !by_ring;
    run_here(
        [&](tide::scope&) -> tide::task<> {
          auto data = co_await file::open(where / (by_ring ? "ring" : "thread"), fresh());
          EXPECT_TRUE(co_await data->allocate(0, 1 << 20, true));
          auto status = co_await data->status();
          EXPECT_EQ(status->size, 0u);
          EXPECT_GE(status->allocated, 1u << 20);
          EXPECT_TRUE(S_ISREG(status->mode));
          EXPECT_EQ(status->links, 1u);
          EXPECT_GT(status->modified.time_since_epoch().count(), 0);
          EXPECT_TRUE(co_await data->allocate(0, 1 << 20));
          EXPECT_EQ(co_await data->size(), 1u << 20);
          EXPECT_EQ((co_await data->write_all_at(0, support::patterned(0, 1 << 20))).size, 1u << 20);
          EXPECT_TRUE(co_await data->sync());
          EXPECT_TRUE(co_await data->punch_hole(4096, 65'536));
          EXPECT_EQ(co_await data->size(), 1u << 20);
          const auto around = co_await data->read(4000, 200);
          EXPECT_EQ(support::fits(4000, around->bytes().first(96)), 96u);
          EXPECT_EQ(around->bytes()[96], std::byte{0});
          EXPECT_TRUE(co_await data->truncate(100));
          EXPECT_EQ(co_await data->size(), 100u);
          EXPECT_TRUE(co_await data->sync_data());
          EXPECT_TRUE(co_await data->sync_range(0, 100, SYNC_FILE_RANGE_WRITE));
        },
        wanted);
  }
}

TEST(File, OpensAsItIsTold) {
  const support::scratch where;
  run_here([&](tide::scope&) -> tide::task<> {
    EXPECT_EQ((co_await file::open(where / "none")).error(), std::errc::no_such_file_or_directory);
    auto made = co_await file::open(where / "data", {.access = access::write_only, .create = true, .mode = 0600});
    EXPECT_TRUE(made);
    EXPECT_EQ((co_await made->status())->mode & 0777U, 0600u);
    EXPECT_TRUE(co_await made->write_all_at(0, "abc"));
    EXPECT_EQ((co_await file::open(where / "data", fresh())).error(), std::errc::file_exists);
    auto adding = co_await file::open(where / "data", {.access = access::write_only, .append = true});
    EXPECT_TRUE(co_await adding->write_all_at(0, "def"));
    EXPECT_EQ(support::content(where / "data"), "abcdef");
    auto cut = co_await file::open(where / "data", {.access = access::write_only, .truncate = true});
    EXPECT_EQ(co_await cut->size(), 0u);
    EXPECT_EQ((co_await cut->read(0, 10)).error(), std::errc::bad_file_descriptor) << "it is open for writing";

    EXPECT_TRUE(co_await tide::fs::symlink("data", where / "link"));
    EXPECT_TRUE(co_await file::open(where / "link"));
    EXPECT_EQ((co_await file::open(where / "link", {.no_follow = true})).error(), std::errc::too_many_symbolic_link_levels);
    EXPECT_EQ((co_await file::open(where / "link", {.resolve = {.no_symlinks = true}})).error(),
              std::errc::too_many_symbolic_link_levels);
    EXPECT_EQ((co_await file::open(std::string("data\0x", 6))).error(), std::errc::invalid_argument);
    EXPECT_EQ((co_await tide::fs::unlink(std::string("data\0x", 6))).error(), std::errc::invalid_argument);
  });
}

TEST(File, ATemporaryOneHasNoNameUntilItIsLinked) {
  const support::scratch where;
  run_here([&](tide::scope&) -> tide::task<> {
    auto hidden = co_await file::open(where.path(), {.access = access::read_write, .temporary = true});
    EXPECT_TRUE(hidden) << hidden.error().message();
    if (!hidden) co_return;
    EXPECT_TRUE(co_await hidden->write_all_at(0, "whole"));
    EXPECT_TRUE(std::filesystem::is_empty(where.path()));
    EXPECT_TRUE(co_await tide::fs::link(*hidden, where / "data"));
    EXPECT_EQ(support::content(where / "data"), "whole");
  });
}

TEST(File, HintsAndAdviceAreTaken) {
  const support::scratch where;
  run_here([&](tide::scope&) -> tide::task<> {
    auto data = co_await file::open(where / "data", fresh());
    using tide::fs::advice;
    for (const advice each : {advice::normal, advice::random, advice::sequential, advice::will_need, advice::dont_need}) {
      EXPECT_TRUE(co_await data->advise(0, 8192, each));
    }
    EXPECT_TRUE(co_await data->advise(0, std::uint64_t{5} << 32U, advice::random));
    const auto hinted = co_await data->hint_extent_size(1 << 20);
    EXPECT_TRUE(hinted || hinted.error().category() == std::system_category()) << "XFS takes it; others say why not";
  });
}

TEST(File, SplicesToAPipeAndBack) {
  const support::scratch where;
  run_here([&](tide::scope&) -> tide::task<> {
    auto data = co_await file::open(where / "data", fresh());
    EXPECT_TRUE(co_await data->write_all_at(0, "hello there"));
    std::array<int, 2> pipe{-1, -1};
    EXPECT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
    const tide::descriptor out(pipe[0]);
    const tide::descriptor in(pipe[1]);
    EXPECT_EQ(co_await tide::fs::splice(data->native_handle(), 6, in.get(), -1, 5), 5u);
    EXPECT_EQ(co_await tide::fs::splice(out.get(), -1, data->native_handle(), 0, 5), 5u);
    EXPECT_EQ(tide::text_of((co_await data->read(0, 11))->bytes()), "there there");
    EXPECT_EQ(co_await tide::fs::splice(data->native_handle(), 11, in.get(), -1, 5), 0u) << "the end";
  });
}

TEST(File, CopiesAsFarAsTheSourceGoes) {
  const support::scratch where;
  support::write_pattern(where / "from", 100'000);
  run_here([&](tide::scope&) -> tide::task<> {
    auto from = co_await file::open(where / "from");
    auto to = co_await file::open(where / "to", fresh());
    EXPECT_EQ(co_await tide::fs::copy(*from, 1000, *to, 10, 200'000), 99'000u);
    const auto copied = co_await to->read(10, 100'000);
    EXPECT_EQ(copied->size(), 99'000u);
    EXPECT_EQ(support::fits(1000, copied->bytes()), 99'000u);
    EXPECT_EQ(co_await tide::fs::copy(*from, 100'000, *to, 0, 10), 0u);
    EXPECT_EQ((co_await tide::fs::copy(*to, 0, *from, 0, 10)).error(), std::errc::bad_file_descriptor);
  });
}

TEST(File, ADuplicateWorksOnAnotherExecutor) {
  const support::scratch where;
  const auto before = support::open_descriptors();
  {
    auto there = support::make_executor();
    std::optional<tide::fs::detached_file> sent;
    run_here([&](tide::scope&) -> tide::task<> {
      auto data = co_await file::open(where / "data", fresh());
      EXPECT_TRUE(co_await data->write_all_at(0, "from here"));
      sent = std::move(data->duplicate().value());
    });
    there->run([&](tide::scope&) -> tide::task<> {
      auto data = file::adopt(std::move(*sent));
      EXPECT_EQ(tide::text_of((co_await data.read(0, 100))->bytes()), "from here");
      EXPECT_TRUE(co_await data.close());
    });
  }
  EXPECT_EQ(support::open_descriptors(), before);
}

TEST(File, MayStayOpenBetweenTheRunsOfItsExecutor) {
  const support::scratch where;
  auto here = support::make_executor();
  file data;
  here->run([&](tide::scope&) -> tide::task<> {
    auto opened = co_await file::open(where / "data", fresh());
    data = std::move(*opened);
    EXPECT_EQ(co_await data.write_all_at(0, "first"), 5u);
  });
  here->run([&](tide::scope&) -> tide::task<> {
    const auto read = co_await data.read(0, 5);
    EXPECT_TRUE(read && tide::text_of(read->bytes()) == "first");
    EXPECT_TRUE(co_await data.close());
    EXPECT_EQ(here->use<tide::fs::statistics>().count().reads, 1u) << "of this run";
  });
}

TEST(File, AWeakHandleKeepsNothingOpen) {
  const support::scratch where;
  run_here([&](tide::scope&) -> tide::task<> {
    auto opened = co_await file::open(where / "data", fresh());
    auto shared = std::make_shared<file>(std::move(*opened));
    const std::weak_ptr<file> weak = shared;
    EXPECT_TRUE(co_await weak.lock()->write_all_at(0, "x"));
    EXPECT_TRUE(co_await shared->close());
    shared.reset();
    EXPECT_TRUE(weak.expired());
  });
}

TEST(File, WhatItDoesIsCountedForTheExecutorAndTheQueue) {
  const support::scratch where;
  auto here = support::make_executor();
  here->run([&](tide::scope&) -> tide::task<> {
    const auto before = here->default_queue().statistics();
    {
      auto data = co_await file::open(where / "data", fresh());
      EXPECT_EQ((co_await data->write_all_at(0, support::patterned(0, 5000))).size, 5000u);
      EXPECT_EQ((co_await data->read(1000, 9000))->size(), 4000u);
      EXPECT_EQ((co_await data->read(100, 0))->size(), 0u);
    }
    const auto& count = here->use<tide::fs::statistics>().count();
    EXPECT_EQ(count.opened, 1u);
    EXPECT_EQ(count.closed, 1u);
    EXPECT_EQ(count.writes, 1u);
    EXPECT_EQ(count.written_bytes, 5000u);
    EXPECT_EQ(count.reads, 1u);
    EXPECT_EQ(count.read_bytes, 4000u);
    const auto after = here->default_queue().statistics();
    EXPECT_EQ(after.io_bytes - before.io_bytes, 9000u);
    EXPECT_GE(after.io_operations - before.io_operations, 3u);
  });
}

TEST(File, CloseFreesTheDescriptorAlsoInACancelledScope) {
  const support::scratch where;
  const auto before = support::open_descriptors();
  run_here([&](tide::scope&) -> tide::task<> {
    auto data = co_await file::open(where / "data", fresh());
    EXPECT_TRUE(co_await data->close());
    EXPECT_FALSE(*data);
    EXPECT_TRUE(co_await data->close()) << "again does nothing";
    auto other = co_await file::open(where / "data");
    co_await tide::with_scope([&](tide::scope& inside) -> tide::task<> {
      inside.spawn([&]() -> tide::task<> {
        inside.cancel();
        EXPECT_EQ((co_await other->read(0, 1)).error(), tide::errc::canceled);
        EXPECT_TRUE(co_await other->close());
      });
      co_await inside.join();
    });
    {
      auto dropped = co_await file::open(where / "data");
      static_cast<void>(dropped->close());  // never awaited
    }
  });
  EXPECT_EQ(support::open_descriptors(), before);
}

}  // namespace
