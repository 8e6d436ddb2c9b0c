// Copies between two that both write and do not read: seen in one turn, by name, or helped out of it within a budget. And
// those that only look like it.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <tide/runtime/combine.hpp>
#include <tide/runtime/time.hpp>

#include "io/copy_support.hpp"
#include "io/pattern.hpp"
#include "support/run.hpp"
#include "support/sanitizers.hpp"

namespace {

using namespace std::chrono_literals;
using support::patterned;
using support::run_here;
using tide::copy_end;
using tide::copy_errc;
using end_type = tide::local::duplex_end;

/// Writes all of it, and only then reads as much as the other one writes.
tide::task<tide::result<>> write_then_read(end_type& end, std::size_t writes, std::size_t reads) {
  if (const auto written = co_await end.write_all(patterned(0, writes)); !written) co_return written;
  std::vector<std::byte> memory(1000);
  for (std::size_t got = 0; got < reads;) {
    const auto size = co_await end.read_some(std::span(memory).first(std::min(memory.size(), reads - got)));
    if (!size) co_return tide::fail(size.error());
    EXPECT_TRUE(support::fits(got, std::span(memory).first(*size)));
    got += *size;
  }
  co_return co_await end.shutdown();
}

struct outcome {
  std::error_code left;
  std::error_code right;
  tide::copied_both copied;
  std::uint64_t turns = 0;
};
tide::task<outcome> meet(std::size_t capacity, std::size_t left_writes, std::size_t right_writes,
                         tide::copy_options options) {
  auto [x, a] = tide::local::duplex(capacity);
  auto [b, y] = tide::local::duplex(capacity);
  const auto before = tide::executor::current()->count().turns;
  const auto handle = [](end_type& end, std::size_t writes, std::size_t reads) -> tide::task<std::error_code> {
    const auto done = co_await write_then_read(end, writes, reads);
    co_return done ? std::error_code{} : done.error();
  };
  auto [left, right, copied] = co_await tide::all(handle(x, left_writes, right_writes), handle(y, right_writes, left_writes),
                                                  tide::copy_bidirectional(a, b, options));
  co_return outcome{left, right, copied, tide::executor::current()->count().turns - before};
}

TEST(CopyStall, IsReportedInATurnAndByName) {
  run_here([](tide::scope&) -> tide::task<> {
    for (const std::size_t capacity : {1u, 100u, 4096u}) {
      const auto met = co_await meet(capacity, 3 * capacity, 5 * capacity, {});
      EXPECT_EQ(met.copied.error, copy_errc::mutual_write_stall);
      EXPECT_EQ(met.copied.a_to_b.cause, copy_end::limit);
      EXPECT_EQ(met.left, copy_errc::mutual_write_stall) << "both handlers learn it";
      EXPECT_EQ(met.right, copy_errc::mutual_write_stall);
      EXPECT_TRUE(met.copied.stall);
      if (!met.copied.stall) continue;
      EXPECT_EQ(met.copied.stall->a_wants, capacity) << "of 3, two are in the rings";
      EXPECT_EQ(met.copied.stall->b_wants, 3 * capacity);
      EXPECT_EQ(met.copied.stall->a_to_b_full, 2 * capacity);
      EXPECT_EQ(met.copied.stall->b_to_a_full, 2 * capacity);
      EXPECT_LE(met.turns, support::sanitized ? 60u : 12u);
    }
  });
}

TEST(CopyStall, WithABudgetItCompletes) {
  run_here([](tide::scope&) -> tide::task<> {
    for (const std::size_t capacity : {1u, 100u, 4096u}) {
      for (const std::size_t factor : {3u, 10u}) {
        const std::size_t requests = (3 + factor) * capacity;
        const auto met = co_await meet(capacity, 3 * capacity, factor * capacity, {.grow_to = requests});
        EXPECT_FALSE(met.left || met.right) << met.left.message();
        EXPECT_TRUE(met.copied.complete());
        const auto too_little = co_await meet(capacity, 3 * capacity, factor * capacity, {.grow_to = 4 * capacity});
        EXPECT_EQ(too_little.copied.error, copy_errc::mutual_write_stall);
      }
    }
  });
}

TEST(CopyStall, OneThatReadsMeanwhileIsNone) {
  run_here([](tide::scope& scope) -> tide::task<> {
    auto [x, a] = tide::local::duplex(1);
    auto [b, y] = tide::local::duplex(1);
    tide::copied_both copied;
    scope.spawn([](end_type& left, end_type& right,
                   tide::copied_both& into) -> tide::task<> { into = co_await tide::copy_bidirectional(left, right); },
                std::ref(a), std::ref(b), std::ref(copied));
    const auto write = [](end_type& end) -> tide::task<> {
      EXPECT_TRUE(co_await end.write_all(patterned(0, 500)));
      EXPECT_TRUE(co_await end.shutdown());
    };
    const auto read = [](end_type& end) -> tide::task<> {
      std::vector<std::byte> memory(10);
      std::size_t got = 0;
      for (std::size_t size = 1; size > 0; got += size) size = (co_await end.read_some(memory)).value();
      EXPECT_EQ(got, 500u);
    };
    co_await tide::all(write_then_read(x, 500, 500), write(y), read(y));
    co_await scope.join();
    EXPECT_TRUE(copied.complete());
  });
}

TEST(CopyStall, AReaderOfAnotherTaskThatPausesIsNone) {
  run_here([](tide::scope& scope) -> tide::task<> {
    auto [x, a] = tide::local::duplex(10);
    auto [b, y] = tide::local::duplex(10);
    tide::copied_both copied;
    scope.spawn([](end_type& left, end_type& right,
                   tide::copied_both& into) -> tide::task<> { into = co_await tide::copy_bidirectional(left, right); },
                std::ref(a), std::ref(b), std::ref(copied));
    const auto write = [](end_type& end) -> tide::task<> {
      EXPECT_TRUE(co_await end.write_all(patterned(0, 500)));
      EXPECT_TRUE(co_await end.shutdown());
    };
    const auto read_with_pauses = [](end_type& end) -> tide::task<> {
      std::vector<std::byte> memory(100);
      for (std::size_t size = 1; size > 0;) {
        size = (co_await end.read_some(memory)).value();
        EXPECT_TRUE(co_await tide::sleep(50us));
      }
    };
    co_await tide::all(write(x), write(y), read_with_pauses(x), read_with_pauses(y));
    co_await scope.join();
    EXPECT_TRUE(copied.complete());
  });
}

TEST(CopyStall, WhoAsksForNoReportGetsNone) {
  run_here([](tide::scope&) -> tide::task<> {
    const auto met = co_await meet(100, 1000, 1000, {.write_stall = 5ms, .report_mutual_stall = false});
    EXPECT_EQ(met.copied.error, copy_errc::mutual_write_stall) << "by the timer";
    EXPECT_FALSE(met.copied.stall);
  });
}

}  // namespace
