// What copies promise: every byte, both ends, errors with their names, limits that are kept and not early, stops that
// deliver.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include <tide/runtime/combine.hpp>
#include <tide/runtime/time.hpp>

#include "io/copy_support.hpp"
#include "io/outcome.hpp"
#include "io/pattern.hpp"
#include "support/allocations.hpp"
#include "support/run.hpp"
#include "support/sanitizers.hpp"

namespace {

using namespace std::chrono_literals;
using support::fits;
using support::patterned;
using support::run_here;
using support::value_of;
using tide::copied_both;
using tide::copy_end;
using tide::copy_errc;

template <class Kind>
class Copy : public testing::Test {};
using kinds = testing::Types<support::local_kind, support::shared_kind, support::erased_kind>;
TYPED_TEST_SUITE(Copy, kinds, support::kind_names);

template <class End>
tide::task<> send(End& to, std::size_t size) {
  EXPECT_TRUE(co_await to.write_all(patterned(0, size)));
  EXPECT_TRUE(co_await to.shutdown());
}
/// How much came, all in place, and what it ended with: none for a clean end.
struct ending {
  std::size_t bytes = 0;
  std::error_code error;
};
template <class End>
tide::task<ending> drain(End& from) {
  std::vector<std::byte> memory(5000);
  ending so_far;
  while (true) {
    const auto size = co_await from.read_some(memory);
    if (!size) so_far.error = size.error();
    if (!size || *size == 0) co_return so_far;
    EXPECT_TRUE(fits(so_far.bytes, std::span(memory).first(*size))) << "at " << so_far.bytes;
    so_far.bytes += *size;
  }
}

/// A copy that runs while a test does what handlers do.
template <class Kind>
struct running {
  using side = support::side<Kind>;
  running(tide::scope& scope, std::size_t capacity, tide::copy_options options = {})
      : left(side::make({.capacity = capacity})), right(side::make({.capacity = capacity})) {
    scope.spawn(
        [this](tide::copy_options wanted) -> tide::task<> {
          result = co_await tide::copy_bidirectional(left.port, right.port, wanted);
          ended = true;
          done.set();
        },
        options);
  }
  side left;
  side right;
  copied_both result;
  bool ended = false;
  tide::local::event done;
};

TYPED_TEST(Copy, EveryByteBothWaysThroughAnyCapacity) {
  run_here([](tide::scope& scope) -> tide::task<> {
    for (const std::size_t capacity : {1u, 2u, 7u, 4096u, 65536u}) {
      for (const std::size_t size : {std::size_t{0}, std::size_t{1}, capacity, capacity + 1, std::size_t{20'000}}) {
        running<TypeParam> copy(scope, capacity);
        auto& x = copy.left.handler;
        auto& y = copy.right.handler;
        auto [a, b, c, d] = co_await tide::all(send(x, size), send(y, size + 3), drain(x), drain(y));
        co_await copy.done.wait();
        EXPECT_EQ(c.bytes, size + 3);
        EXPECT_EQ(d.bytes, size);
        EXPECT_TRUE(!c.error && !d.error && copy.result.complete());
        EXPECT_EQ(copy.result.a_to_b.bytes, size);
        EXPECT_EQ(copy.result.b_to_a.bytes, size + 3);
        EXPECT_EQ(copy.result.a_to_b.undelivered + copy.result.b_to_a.undelivered, 0u);
      }
    }
  });
}

TYPED_TEST(Copy, AnAnswerAfterTheHalfCloseArrivesWhole) {
  run_here([](tide::scope& scope) -> tide::task<> {
    for (const bool left_ends_first : {true, false}) {
      running<TypeParam> copy(scope, 1000);
      auto& first = left_ends_first ? copy.left.handler : copy.right.handler;
      auto& other = left_ends_first ? copy.right.handler : copy.left.handler;
      co_await send(first, 10);
      const ending question = co_await drain(other);
      EXPECT_EQ(question.bytes, 10u);
      co_await tide::sleep(1ms);
      EXPECT_FALSE(copy.ended) << "one direction is open";
      auto [sent, got] = co_await tide::all(send(other, 100'000), drain(first));
      EXPECT_EQ(got.bytes, 100'000u);
      EXPECT_FALSE(got.error);
      co_await copy.done.wait();
      EXPECT_TRUE(copy.result.complete());
    }
  });
}

TYPED_TEST(Copy, AnErrorIsNeverACleanEndAndKeepsItsName) {
  run_here([](tide::scope& scope) -> tide::task<> {
    const auto why = std::make_error_code(std::errc::connection_reset);
    running<TypeParam> copy(scope, 1000, {.error_linger = 5ms});
    auto& x = copy.left.handler;
    auto& y = copy.right.handler;
    EXPECT_TRUE(co_await x.write_all(patterned(0, 100)));
    co_await x.close(why);
    auto got = co_await drain(y);
    EXPECT_EQ(got.bytes, 100u) << "what was written before";
    EXPECT_TRUE(got.error) << "not a clean end";
    constexpr bool carries_errors = !std::same_as<TypeParam, support::erased_kind>;
    EXPECT_TRUE(!carries_errors || got.error == why);
    co_await copy.done.wait();
    EXPECT_EQ(copy.result.error, why);
    EXPECT_EQ(copy.result.a_to_b.cause, copy_end::read_failed);
    EXPECT_EQ(copy.result.a_to_b.error, why);
    EXPECT_EQ(copy.result.a_to_b.bytes, 100u);
    EXPECT_NE(copy.result.b_to_a.cause, copy_end::end_of_stream);
  });
}

TYPED_TEST(Copy, TheOtherDirectionStillDeliversAfterAnError) {
  run_here([](tide::scope& scope) -> tide::task<> {
    const auto why = std::make_error_code(std::errc::io_error);
    running<TypeParam> copy(scope, 1000, {.error_linger = 1h});
    auto& x = copy.left.handler;
    auto& y = copy.right.handler;
    co_await x.shutdown(why);  // it still reads
    while (!copy.result.error && copy.left.port) {
      co_await tide::yield();
      if (y.unread() == 0) break;
    }
    auto [sent, got] = co_await tide::all(send(y, 50'000), drain(x));
    EXPECT_EQ(got.bytes, 50'000u);
    EXPECT_FALSE(got.error);
    co_await copy.done.wait();
    EXPECT_EQ(copy.result.b_to_a.cause, copy_end::end_of_stream);
    EXPECT_EQ(copy.result.error, why);
  });
}

TYPED_TEST(Copy, AbortEndsBothAtOnce) {
  run_here([](tide::scope& scope) -> tide::task<> {
    const auto why = std::make_error_code(std::errc::io_error);
    running<TypeParam> copy(scope, 1000, {.error_linger = 1h, .abort = true});
    co_await copy.left.handler.shutdown(why);
    co_await copy.done.wait();
    EXPECT_EQ(copy.result.error, why);
    EXPECT_EQ(copy.result.b_to_a.error, copy_errc::other_failed);
    const ending other = co_await drain(copy.right.handler);
    EXPECT_TRUE(other.error);
  });
}

TYPED_TEST(Copy, ASinkThatGoesFailsItsSource) {
  run_here([](tide::scope& scope) -> tide::task<> {
    running<TypeParam> copy(scope, 1000, {.error_linger = 1ms});
    {
      const auto gone = std::move(copy.right.handler);
    }
    auto& x = copy.left.handler;
    while (co_await x.write_all(patterned(0, 500))) co_await tide::yield();  // until it fails
    co_await copy.done.wait();
    EXPECT_EQ(copy.result.error, std::errc::broken_pipe);
  });
}

TYPED_TEST(Copy, LimitsEndWhatHasStoppedAndSayWhich) {
  run_here([](tide::scope& scope) -> tide::task<> {
    {
      running<TypeParam> copy(scope, 100, {.idle = 5ms});
      co_await copy.done.wait();
      EXPECT_EQ(copy.result.error, copy_errc::idle);
      EXPECT_EQ(copy.result.a_to_b.cause, copy_end::limit);
      const ending left = co_await drain(copy.left.handler);
      const ending right = co_await drain(copy.right.handler);
      EXPECT_TRUE(left.error && right.error) << "and both handlers learn it";
    }
    {
      running<TypeParam> copy(scope, 100, {.half_close = 5ms});
      co_await send(copy.left.handler, 10);
      co_await copy.done.wait();
      EXPECT_EQ(copy.result.a_to_b.cause, copy_end::end_of_stream);
      EXPECT_EQ(copy.result.b_to_a.error, copy_errc::half_closed);
    }
    {
      running<TypeParam> copy(scope, 100, {.write_stall = 5ms});
      EXPECT_FALSE(co_await copy.left.handler.write_all(patterned(0, 10'000))) << "nobody reads it";
      co_await copy.done.wait();
      EXPECT_EQ(copy.result.a_to_b.error, copy_errc::write_stalled);
      EXPECT_EQ(copy.result.a_to_b.bytes, copy.right.handler.unread());
    }
    {
      running<TypeParam> copy(scope, 100, {.deadline = 5ms});
      co_await copy.done.wait();
      EXPECT_EQ(copy.result.error, copy_errc::deadline);
    }
  });
}

TYPED_TEST(Copy, StopDeliversWhatWasReadAndHalfCloses) {
  run_here([](tide::scope& scope) -> tide::task<> {
    tide::copy_control control;
    running<TypeParam> copy(scope, 1000, {.control = &control});
    EXPECT_TRUE(co_await copy.left.handler.write_all(patterned(0, 300)));
    for (int i = 0; i < 20; ++i) co_await tide::yield();
    const auto so_far = control.a_to_b();
    EXPECT_EQ(so_far.written, 300u);
    control.stop();
    co_await copy.done.wait();
    const auto got = co_await drain(copy.right.handler);
    EXPECT_EQ(got.bytes, 300u);
    EXPECT_FALSE(got.error) << "a clean end";
    EXPECT_EQ(copy.result.a_to_b.cause, copy_end::stopped);
    EXPECT_EQ(copy.result.b_to_a.cause, copy_end::stopped);
    EXPECT_FALSE(copy.result.error);
  });
}

TYPED_TEST(Copy, AStopReadsNoMoreHoweverMuchThereIs) {
  run_here([](tide::scope& scope) -> tide::task<> {
    constexpr std::size_t all = 5'000'000;
    tide::copy_control control;
    running<TypeParam> copy(scope, 1000, {.control = &control});
    scope.spawn(
        [](typename TypeParam::end& x) -> tide::task<> {
          const std::string piece = patterned(0, 1000);
          for (std::size_t sent = 0; sent < all; sent += piece.size()) {
            if (!co_await x.write_all(piece)) co_return;
          }
        },
        std::ref(copy.left.handler));
    scope.spawn(
        [](typename TypeParam::end& y) -> tide::task<> {
          std::vector<std::byte> memory(1000);
          while (support::size_of(co_await y.read_some(memory)) > 0) {
          }
        },
        std::ref(copy.right.handler));
    while (control.a_to_b().written < 10'000) co_await tide::yield();
    control.stop();
    co_await copy.done.wait();
    EXPECT_EQ(copy.result.a_to_b.cause, copy_end::stopped);
    EXPECT_LT(copy.result.a_to_b.bytes, all);
    co_await copy.left.handler.close();
    co_await scope.join();
  });
}

TYPED_TEST(Copy, AStopThatCannotDeliverEndsAndCounts) {
  run_here([](tide::scope& scope) -> tide::task<> {
    tide::copy_control control;
    running<TypeParam> copy(scope, 100, {.drain = 5ms, .control = &control});
    scope.spawn([](typename TypeParam::end& x) -> tide::task<> { EXPECT_FALSE(co_await x.write_all(patterned(0, 1000))); },
                std::ref(copy.left.handler));
    for (int i = 0; i < 20; ++i) co_await tide::yield();
    control.stop();
    co_await copy.done.wait();
    EXPECT_EQ(copy.result.a_to_b.error, copy_errc::drain_deadline);
    EXPECT_EQ(copy.result.b_to_a.cause, copy_end::stopped);
    EXPECT_EQ(copy.result.a_to_b.bytes, 100u);
    constexpr bool buffers = std::same_as<TypeParam, support::erased_kind>;
    EXPECT_EQ(copy.result.a_to_b.undelivered > 0, buffers);
    co_await scope.join();
  });
}

TYPED_TEST(Copy, ACancelTellsHowFarItWasAndLeavesTheStreams) {
  run_here([](tide::scope&) -> tide::task<> {
    auto left = support::side<TypeParam>::make({.capacity = 100});
    auto right = support::side<TypeParam>::make({.capacity = 100});
    EXPECT_TRUE(co_await left.handler.write_all(patterned(0, 60)));
    copied_both result;
    co_await tide::with_scope([&](tide::scope& inside) -> tide::task<> {
      inside.spawn([&]() -> tide::task<> { result = co_await tide::copy_bidirectional(left.port, right.port); });
      for (int i = 0; i < 20; ++i) co_await tide::yield();
    });
    EXPECT_EQ(result.a_to_b.cause, copy_end::canceled);
    EXPECT_EQ(result.a_to_b.error, tide::errc::canceled);
    EXPECT_EQ(result.a_to_b.bytes, 60u);
    EXPECT_TRUE(co_await left.handler.write_all(patterned(60, 40)));
    EXPECT_TRUE(co_await left.handler.shutdown());
    const auto rest = co_await tide::copy(left.port, right.port);  // the streams are as they were
    EXPECT_EQ(rest.bytes, 40u);
    EXPECT_EQ(rest.cause, copy_end::end_of_stream);
    EXPECT_EQ(right.handler.unread(), 100u);
  });
}

TYPED_TEST(Copy, OneBlockedDirectionDoesNotHoldTheOther) {
  run_here([](tide::scope& scope) -> tide::task<> {
    running<TypeParam> copy(scope, 4096);
    scope.spawn(
        [](typename TypeParam::end& x) -> tide::task<> {
          static_cast<void>(co_await x.write_all(patterned(0, 100'000)));  // for ever: y does not read
        },
        std::ref(copy.left.handler));
    constexpr std::size_t size = support::sanitized ? 1'000'000 : 20'000'000;
    auto [sent, got] = co_await tide::all(send(copy.right.handler, size), drain(copy.left.handler));
    EXPECT_EQ(got.bytes, size);
    scope.cancel();
    co_await scope.join();
  });
}

TEST(CopyRings, BytesLandBeforeAReaderThatWaits) {
  run_here([](tide::scope& scope) -> tide::task<> {
    tide::copy_control control;
    running<support::local_kind> copy(scope, 1000, {.control = &control});
    std::vector<std::byte> memory(5000);
    tide::result<std::size_t> size;
    scope.spawn([](tide::local::duplex_end& end, std::vector<std::byte>& into,
                   tide::result<std::size_t>& got) -> tide::task<> { got = co_await end.read_some(into); },
                std::ref(copy.right.handler), std::ref(memory), std::ref(size));
    for (int i = 0; i < 5; ++i) co_await tide::yield();
    EXPECT_TRUE(co_await copy.left.handler.write_all(patterned(0, 5000)));  // more than all rings hold: nobody has to wait
    EXPECT_EQ(copy.left.handler.sent().waits, 0u);
    EXPECT_EQ(copy.left.handler.sent().peak, 0u);
    EXPECT_EQ(control.a_to_b().written, 5000u);
    co_await tide::yield();
    EXPECT_EQ(size.value_or(0), 5000u);
    EXPECT_TRUE(fits(0, memory));
    EXPECT_EQ(copy.right.port.sent().bytes, 5000u);
    EXPECT_TRUE(co_await copy.left.handler.shutdown());
    EXPECT_TRUE(co_await copy.right.handler.shutdown());
    co_await copy.done.wait();
    EXPECT_TRUE(copy.result.complete());
  });
}

TYPED_TEST(Copy, NothingIsAllocatedOnceItRuns) {
  run_here([](tide::scope& scope) -> tide::task<> {
    running<TypeParam> copy(scope, 1000, {.idle = 1h, .write_stall = 1h});
    std::vector<std::byte> memory(1000);
    auto& x = copy.left.handler;
    auto& y = copy.right.handler;
    std::size_t counted = 1;
    for (int round = 0; round < 2; ++round) {  // the first one warms the frame cache
      const support::allocations allocations;
      for (std::size_t i = 0; i < 500; ++i) {
        EXPECT_TRUE(co_await x.write_all(std::span(memory).first(1 + i % 900)));
        std::size_t got = 0;
        while (got < 1 + i % 900) got += value_of(co_await y.read_some(memory));
        EXPECT_TRUE(co_await y.write_all(std::span(memory).first(1)));
        EXPECT_EQ(value_of(co_await x.read_some(memory)), 1u);
      }
      counted = allocations.so_far();
    }
    EXPECT_EQ(counted, 0u);
    scope.cancel();
    co_await scope.join();
  });
}

}  // namespace
