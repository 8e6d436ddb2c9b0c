// What a read costs beside the device: requests, system calls, allocations. (Time is measured by bench/fs.)
#include <gtest/gtest.h>

#include <tide/fs/file.hpp>
#include <tide/fs/stream_reader.hpp>

#include "fs/scratch.hpp"
#include "support/allocations.hpp"
#include "support/run.hpp"

namespace {

using tide::fs::file;

TEST(FileCost, AReadTakesOneEnterAndOneCompletionAndAllocatesNothing) {
  if (!support::counts_allocations) GTEST_SKIP() << "not counted under a sanitizer";
  if (support::unkind_seed() != 0) GTEST_SKIP() << "counts what a kind kernel needs";
  const support::scratch where;
  support::write_pattern(where / "data", 1'000'000);
  auto here = support::make_executor();
  here->run([&](tide::scope&) -> tide::task<> {
    tide::fs::open_options direct;
    direct.direct = true;
    const auto data = co_await file::open(where / "data", direct);
    auto memory = tide::fs::aligned_buffer::make(4096).value();
    const auto some = [&](int reads) -> tide::task<> {
      for (int i = 0; i < reads; i += 2) {
        const auto at = static_cast<std::uint64_t>(i) * 4096;
        EXPECT_EQ(co_await data->read_at(at, tide::bytes_span(memory)), 4096u);
        const auto slice = co_await data->read(at + 1, 100);
        EXPECT_TRUE(slice && slice->size() == 100);
      }
    };
    co_await some(10);
    const auto before = here->ring().count();
    const support::allocations counted;
    co_await some(200);
    EXPECT_EQ(counted.so_far(), 0u);
    EXPECT_EQ(here->ring().count().submitted - before.submitted, 200u);
    EXPECT_EQ(here->ring().count().completed - before.completed, 200u);
    EXPECT_LE(here->ring().count().enters - before.enters, 210u) << "now and then a look at what is there";
  });
}

TEST(FileCost, ALongStreamAllocatesNothing) {
  if (!support::counts_allocations) GTEST_SKIP() << "not counted under a sanitizer";
  if (support::unkind_seed() != 0) GTEST_SKIP() << "the fault injector allocates";
  const support::scratch where;
  support::write_pattern(where / "data", 1'000'000);
  support::run_here([&](tide::scope&) -> tide::task<> {
    const auto data = co_await file::open(where / "data");
    tide::fs::stream_reader stream(*data, {.buffer = 4096});
    for (int i = 0; i < 20; ++i) static_cast<void>(co_await stream.next());
    const support::allocations counted;
    for (int i = 0; i < 200; ++i) static_cast<void>(co_await stream.next());
    EXPECT_LE(counted.so_far(), 10u) << "a queue of reads takes a new piece of memory now and then";
  });
}

}  // namespace
