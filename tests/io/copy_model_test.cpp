// Copies between handlers that follow scripts, against a model of two queues of bytes: whatever the model can finish, the
// copy finishes, in any order of turns; what it cannot is named.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <vector>

#include <tide/runtime/combine.hpp>
#include <tide/runtime/time.hpp>

#include "io/copy_support.hpp"
#include "io/outcome.hpp"
#include "io/pattern.hpp"
#include "support/run.hpp"
#include "support/sanitizers.hpp"

namespace {

using support::fits;
using support::patterned;
using support::run_here;
using tide::copy_errc;

/// One thing that a handler does: writes so many bytes, or reads so many or to the end.
struct move {
  bool writes;
  std::size_t bytes;
};
using script = std::vector<move>;  // and then: shuts down, and reads to the end

std::size_t written_by(const script& all) {
  std::size_t sum = 0;
  for (const move& each : all) sum += each.writes ? each.bytes : 0;
  return sum;
}

enum class fate { finishes, both_write, both_read };

/// Two handlers and a queue of so many bytes each way. Bounded queues between processes that do one thing at a time end the
/// same way in whatever order they run.
fate foretell(const std::array<script, 2>& scripts, std::size_t capacity) {
  std::array<std::size_t, 2> at{};
  std::array<std::size_t, 2> left{};
  std::array<std::size_t, 2> queued{};  // written by this handler
  const auto over = [&](std::size_t who) { return at[who] == scripts[who].size(); };
  for (std::size_t who : {0u, 1u}) left[who] = over(who) ? 0 : scripts[who][0].bytes;
  for (bool moved = true; moved;) {
    moved = false;
    for (std::size_t who : {0u, 1u}) {
      const bool writes = !over(who) && scripts[who][at[who]].writes;
      std::size_t& queue = writes ? queued[who] : queued[1 - who];
      const std::size_t wants = over(who) ? queue : left[who];  // to the end
      const std::size_t now = writes ? std::min(wants, capacity - queue) : std::min(wants, queue);
      queue = writes ? queue + now : queue - now;
      moved = moved || now > 0;
      if (over(who)) continue;
      left[who] -= now;
      if (left[who] > 0 && !(!writes && over(1 - who) && queue == 0)) continue;
      moved = true;
      if (++at[who] < scripts[who].size()) left[who] = scripts[who][at[who]].bytes;
    }
  }
  if (over(0) && over(1)) return fate::finishes;
  const auto stuck_writing = [&](std::size_t who) { return !over(who) && scripts[who][at[who]].writes; };
  return stuck_writing(0) && stuck_writing(1) ? fate::both_write : fate::both_read;
}

/// How much it has read, all in place; an error ends it.
struct played {
  std::size_t got = 0;
  std::error_code error;
};

template <class End>
tide::task<played> play(End& end, const script& all, unsigned seed) {
  std::mt19937 random(seed);
  played so_far;
  std::size_t sent = 0;
  std::vector<std::byte> memory(5000);
  for (std::size_t i = 0; i <= all.size(); ++i) {
    for (auto turns = seed == 0 ? 0 : random() % 3; turns > 0; --turns) co_await tide::yield();
    const bool last = i == all.size();
    if (!last && all[i].writes) {
      const std::string text = patterned(sent, all[i].bytes);
      const auto done = co_await end.write_all(text);
      if (!done) so_far.error = done.error();
      if (!done) co_return so_far;
      sent += all[i].bytes;
      continue;
    }
    if (last) co_await end.shutdown();
    for (std::size_t left = last ? static_cast<std::size_t>(-1) : all[i].bytes; left > 0;) {
      const auto size = co_await end.read_some(std::span(memory).first(std::min(memory.size(), left)));
      if (!size) so_far.error = size.error();
      if (!size) co_return so_far;
      if (*size == 0) break;
      EXPECT_TRUE(fits(so_far.got, std::span(memory).first(*size)));
      so_far.got += *size;
      left -= *size;
    }
  }
  co_return so_far;
}

struct ending {
  played x;
  played y;
  tide::copied_both copied;
};
template <class Kind>
tide::task<ending> meet(const std::array<script, 2>& scripts, std::size_t capacity, unsigned seed,
                        tide::copy_options options) {
  auto left = support::side<Kind>::make({.capacity = capacity});
  auto right = support::side<Kind>::make({.capacity = capacity});
  auto [x, y, copied] = co_await tide::all(play(left.handler, scripts[0], seed), play(right.handler, scripts[1], seed * 7),
                                           tide::copy_bidirectional(left.port, right.port, options));
  co_return ending{x, y, copied};
}

template <class Kind>
tide::task<> expect_as_foretold(const std::array<script, 2>& scripts, std::size_t capacity, unsigned seed) {
  const fate expected = foretell(scripts, 2 * capacity);
  if (expected == fate::both_read) co_return;  // waits for ever, as it should
  constexpr bool sees_stalls = std::same_as<Kind, support::local_kind>;
  if (expected == fate::both_write && !sees_stalls) co_return;
  const std::size_t there = written_by(scripts[0]);
  const std::size_t back = written_by(scripts[1]);
  ending met = co_await meet<Kind>(scripts, capacity, seed, {});
  if (expected == fate::both_write) {
    EXPECT_EQ(met.copied.error, copy_errc::mutual_write_stall);
    EXPECT_EQ(met.x.error, copy_errc::mutual_write_stall);
    EXPECT_EQ(met.y.error, copy_errc::mutual_write_stall);
    EXPECT_LE(met.y.got + met.copied.a_to_b.undelivered, there);
    if (foretell(scripts, there + back + 1) == fate::both_read) co_return;
    met = co_await meet<Kind>(scripts, capacity, seed, {.grow_to = there + back + 4 * capacity});
  }
  EXPECT_TRUE(met.copied.complete()) << met.copied.error.message();
  EXPECT_EQ(met.y.got, there);
  EXPECT_EQ(met.x.got, back);
  EXPECT_EQ(met.copied.a_to_b.bytes, there);
  EXPECT_EQ(met.copied.b_to_a.bytes, back);
}

template <class Kind>
class CopyModel : public testing::Test {};
using kinds = testing::Types<support::local_kind, support::shared_kind, support::erased_kind>;
TYPED_TEST_SUITE(CopyModel, kinds, support::kind_names);

TYPED_TEST(CopyModel, EveryScriptOfThreeMovesAgainstEveryOther) {
  run_here([](tide::scope&) -> tide::task<> {
    constexpr std::size_t capacity = 2;
    constexpr std::array<move, 4> moves{{{true, 1}, {true, 3 * capacity}, {false, 1}, {false, 2 * capacity}}};
    const auto script_of = [&](unsigned number) {
      return script{moves[number % 4], moves[number / 4 % 4], moves[number / 16 % 4]};
    };
    for (unsigned x = 0; x < 64; ++x) {
      for (unsigned y = x % (support::sanitized ? 5 : 1); y < 64; y += support::sanitized ? 5 : 1) {
        co_await expect_as_foretold<TypeParam>({script_of(x), script_of(y)}, capacity, 0);
        if (testing::Test::HasFailure()) {
          ADD_FAILURE() << "scripts " << x << " and " << y;
          co_return;
        }
      }
    }
  });
}

TYPED_TEST(CopyModel, RandomScriptsInRandomTurns) {
  run_here([](tide::scope&) -> tide::task<> {
    for (unsigned seed = 1; seed <= (support::sanitized ? 60u : 600u); ++seed) {
      std::mt19937 random(seed);
      constexpr std::array<std::size_t, 5> capacities{1, 3, 100, 4096, 70'000};
      const std::size_t capacity = capacities[random() % 5];
      std::array<script, 2> scripts;
      for (script& each : scripts) {
        for (auto moves = random() % 6; moves > 0; --moves) {
          const std::array<std::size_t, 6> sizes{1, capacity, capacity + 1, 2 * capacity, 3 * capacity, 1 + random() % 3000};
          each.push_back({random() % 2 == 0, sizes[random() % 6]});
        }
      }
      co_await expect_as_foretold<TypeParam>(scripts, capacity, seed);
      if (testing::Test::HasFailure()) {
        ADD_FAILURE() << "seed " << seed;
        co_return;
      }
    }
  });
}

TYPED_TEST(CopyModel, BothDirectionsGetTheirTurns) {
  run_here([](tide::scope& scope) -> tide::task<> {
    auto left = support::side<TypeParam>::make({.capacity = 4096});
    auto right = support::side<TypeParam>::make({.capacity = 4096});
    bool stop = false;
    using end_type = typename TypeParam::end;
    const auto write = [](end_type& end, bool& over) -> tide::task<> {
      const std::string piece(4096, 'x');
      while (!over) {
        if (!co_await end.write_all(piece)) break;
      }
    };
    const auto read = [](end_type& end) -> tide::task<> {
      std::vector<std::byte> memory(4096);
      while (support::size_of(co_await end.read_some(memory)) > 0) {
      }
    };
    for (end_type* each : {&left.handler, &right.handler}) {
      scope.spawn(write, std::ref(*each), std::ref(stop));
      scope.spawn(read, std::ref(*each));
    }
    tide::copy_control control;
    scope.spawn([&]() -> tide::task<> { co_await tide::copy_bidirectional(left.port, right.port, {.control = &control}); });
    for (std::uint64_t mark = 1'000'000, before_there = 0, before_back = 0; mark <= 10'000'000; mark += 1'000'000) {
      while (std::max(control.a_to_b().written, control.b_to_a().written) < mark) co_await tide::yield();
      const std::uint64_t there = control.a_to_b().written - std::exchange(before_there, control.a_to_b().written);
      const std::uint64_t back = control.b_to_a().written - std::exchange(before_back, control.b_to_a().written);
      EXPECT_LE(std::max(there, back), 2 * std::min(there, back)) << "before " << mark;
    }
    stop = true;
    scope.cancel();
    co_await scope.join();
  });
}

TYPED_TEST(CopyModel, NothingTurnsWhileAllWait) {
  auto executor = support::make_executor();
  executor->run([&](tide::scope& scope) -> tide::task<> {
    auto left = support::side<TypeParam>::make({.capacity = 10});
    auto right = support::side<TypeParam>::make({.capacity = 10});
    scope.spawn(
        [&]() -> tide::task<> { co_await tide::copy_bidirectional(left.port, right.port, {.report_mutual_stall = false}); });
    for (auto* end : {&left.handler, &right.handler}) {
      scope.spawn(
          [](typename TypeParam::end& writer) -> tide::task<> {
            static_cast<void>(co_await writer.write_all(patterned(0, 1000)));
          },
          std::ref(*end));
    }
    co_await tide::sleep(std::chrono::milliseconds(1));
    const auto before = executor->count().turns;
    co_await tide::sleep(std::chrono::milliseconds(5));
    EXPECT_LE(executor->count().turns - before, 10u);
    scope.cancel();
    co_await scope.join();
  });
}

}  // namespace
