// Random trees of scopes, all, any, race, timeouts and shields whose leaves end by value, error, exception or cancel.
// Whatever happens: when a node has ended, so has everything below it; the first exception below a node is the one that
// comes out; and a request to cancel ends the tree within few turns.
#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

#include <tide/runtime/combine.hpp>

#include "support/run.hpp"
#include "support/sanitizers.hpp"

namespace {

using namespace std::chrono_literals;
using support::run_here;

struct thrown : std::runtime_error {
  explicit thrown(int which) : std::runtime_error("leaf"), number(which) {}
  int number;
};

using outcome = tide::result<int>;
using random_source = std::minstd_rand;
using queues = std::vector<tide::task_queue*>;

/// What is alive below one node, and who threw first.
struct watched {
  int alive = 0;
  std::optional<int> first;

  void leaves(int number) {
    if (!first) first = number;
  }
};

class forest {
 public:
  explicit forest(std::uint32_t seed, bool idle, const queues& into = {}) : random_(seed), idle_(idle), queues_(into) {}

  tide::task<outcome> tree(int depth) {
    ++made;
    if (depth == 0 || pick(4) == 0) return leaf();
    switch (pick(6)) {
      case 0: return in_scope(depth - 1);
      case 1: return limited(depth - 1);
      case 2: return guarded(depth - 1);
      default: return combined(depth - 1, pick(3));
    }
  }

  int alive = 0;
  int made = 0;
  int exceptions = 0;

 private:
  unsigned pick(unsigned sides) { return static_cast<unsigned>(random_()) / 7 % sides; }

  struct counted {
    explicit counted(int& of) noexcept : number(of) { ++number; }
    counted(const counted&) = delete;
    counted& operator=(const counted&) = delete;
    ~counted() { --number; }
    int& number;
  };

  tide::task<outcome> leaf() {
    const counted here(alive);
    const unsigned turns = pick(4);
    switch (idle_ ? 0 : pick(6)) {
      case 0:
      case 1: {  // waits for ever
        auto slept = co_await tide::sleep(1h);
        for (unsigned i = 0; i < turns; ++i) co_await tide::yield();
        if (pick(20) == 0 && !idle_) throw_one();
        if (slept || pick(3) == 0) co_return 1;  // a result that was faster
        co_return tide::fail(slept.error());
      }
      case 2:
        for (unsigned i = 0; i < turns; ++i) co_await tide::yield();
        if (pick(3) == 0) throw_one();
        co_return tide::fail(tide::errc::malformed);
      case 3: (void)co_await tide::sleep(std::chrono::microseconds(turns)); co_return 2;
      default:
        for (unsigned i = 0; i < turns; ++i) co_await tide::yield();
        co_return 3;
    }
  }
  [[noreturn]] void throw_one() {
    ++exceptions;
    throw thrown(exceptions);
  }

  /// A child of a node: counts as alive until its frame has gone, and notes what it throws.
  static tide::task<outcome> child(tide::task<outcome> of, watched& node) {
    const counted here(node.alive);
    try {
      co_return co_await std::move(of);
    } catch (const thrown& error) {
      node.leaves(error.number);
      throw;
    }
  }
  void check(const watched& below, std::optional<int> out) const {
    EXPECT_EQ(below.alive, 0) << "an orphan";
    EXPECT_EQ(out.has_value(), below.first.has_value());
    // Where a task that ends goes on through its queue, one of another queue may overtake it.
    if (tide::detail::tail_calls || queues_.empty()) {
      EXPECT_EQ(out, below.first) << "not the first exception";
    }
  }
  /// Runs a node and checks what must hold at its end.
  tide::task<outcome> node(tide::task<outcome> body, const watched& below) {
    std::optional<thrown> out;
    outcome given = 0;
    try {
      given = co_await std::move(body);
    } catch (const thrown& error) {
      out = error;
    }
    check(below, out ? std::optional(out->number) : std::nullopt);
    if (out) throw thrown(*out);
    co_return given;
  }

  tide::task<outcome> in_scope(int depth) {
    watched below;
    co_return co_await node(scope_body(depth, below), below);
  }
  tide::task<outcome> scope_body(int depth, watched& below) {
    return tide::with_scope([this, depth, &below](tide::scope& scope) -> tide::task<outcome> {
      for (unsigned left = pick(4); left > 0; --left) {
        auto& queue = queues_.empty() ? scope.node().queue() : *queues_[pick(static_cast<unsigned>(queues_.size()))];
        scope.spawn_into(
            queue, [](tide::task<outcome> of, watched& at) -> tide::task<> { (void)co_await child(std::move(of), at); },
            tree(depth), std::ref(below));
      }
      const unsigned ending = idle_ ? pick(2) : pick(4);
      if (ending == 1) co_await scope.join();
      if (ending == 2) scope.cancel();
      if (ending == 3) {
        co_await tide::yield();
        const int number = ++exceptions;
        below.leaves(number);
        throw thrown(number);
      }
      co_return 4;
    });
  }

  tide::task<outcome> limited(int depth) {
    watched below;
    const auto time = std::chrono::microseconds(idle_ ? 3'600'000'000U : pick(30));
    co_return co_await node(tide::timeout(time, child(tree(depth), below)), below);
  }
  tide::task<outcome> guarded(int depth) {
    watched below;  // what waits for ever needs a limit of its own where no request comes
    if (idle_) co_return co_await node(child(tree(depth), below), below);
    co_return co_await node(tide::shield(tide::timeout(10us, child(tree(depth), below))), below);
  }

  tide::task<outcome> combined(int depth, unsigned kind) {
    watched below;
    co_return co_await node(combined_body(depth, kind, below), below);
  }
  tide::task<outcome> combined_body(int depth, unsigned kind, watched& below) {
    if (pick(2) == 0) {
      auto one = child(tree(depth), below);
      auto two = child(tree(depth), below);
      if (kind == 0) {
        auto [first, second] = co_await tide::all(std::move(one), std::move(two));
        co_return first ? second : first;
      }
      auto whole = kind == 1 ? co_await tide::any(std::move(one), std::move(two))
                             : co_await tide::race(std::move(one), std::move(two));
      co_return whole.first == 1 ? std::get<1>(whole.given) : std::get<0>(whole.given);
    }
    std::vector<tide::task<outcome>> many;
    for (unsigned left = 1 + pick(3); left > 0; --left) many.push_back(child(tree(depth), below));
    if (kind == 0) co_return (co_await tide::all(std::move(many))).back();
    auto whole = kind == 1 ? co_await tide::any(std::move(many)) : co_await tide::race(std::move(many));
    co_return whole.first == tide::none ? whole.given.front() : whole.given[whole.first];
  }

  random_source random_;
  bool idle_;      // all leaves wait for ever, nothing throws
  queues queues_;  // where tasks are spawned; none: where their parent is
};

/// One tree; if it still runs after some turns, it is cancelled.
tide::task<> grow(std::uint32_t seed, int& nodes, int& exceptions, const queues& into) {
  forest whole(seed, false, into);
  const auto patience = static_cast<int>(seed % 61);
  bool out = false;
  bool ended = false;
  try {
    co_await tide::with_scope([&](tide::scope& scope) -> tide::task<> {
      scope.spawn([&]() -> tide::task<> {
        struct at_end {
          bool& flag;
          ~at_end() { flag = true; }
        } const at_end{ended};
        (void)co_await whole.tree(4);
      });
      for (int turn = 0; turn < patience && !ended; ++turn) co_await tide::yield();
    });
  } catch (const thrown&) {
    out = true;
  }
  EXPECT_EQ(whole.alive, 0) << "an orphan, seed " << seed;
  EXPECT_LE(out ? 1 : 0, whole.exceptions);
  nodes += whole.made;
  exceptions += out ? 1 : 0;
}

void grow_many(std::uint32_t trees, int other_queues) {
  constexpr std::uint32_t together = 50;
  int nodes = 0;
  int exceptions = 0;
  run_here([&](tide::scope& scope) -> tide::task<> {
    queues into;
    for (int i = 0; i < other_queues; ++i) {
      into.push_back(&tide::executor::current()->make_queue({.shares = 100U * static_cast<unsigned>(i + 1)}));
    }
    for (std::uint32_t seed = 1; seed <= trees && !::testing::Test::HasFailure(); seed += together) {
      for (std::uint32_t i = 0; i < together; ++i) scope.spawn(grow(seed + i, nodes, exceptions, into));
      co_await scope.join();
    }
  });
  EXPECT_GT(nodes, static_cast<int>(trees) * 5);
  EXPECT_GT(exceptions, static_cast<int>(trees) / 20);
}

TEST(Structure, RandomTreesLeaveNoOrphanAndTheFirstExceptionComesOut) { grow_many(support::sanitized ? 2'000 : 20'000, 0); }

TEST(Structure, AlsoWhenTheyAreSpreadOverQueues) { grow_many(support::sanitized ? 1'000 : 10'000, 3); }

TEST(Structure, ACancelEndsIdleTreesWithinAFewTurnsALevel) {
  constexpr std::uint32_t trees = support::sanitized ? 200 : 2'000;
  constexpr int depth = 5;
  // Leaves take up to three turns to end, each level two to join and go on, and two more where a task that ends goes on
  // through the run queue.
  constexpr int most = 4 + (tide::detail::tail_calls ? 4 : 12) * depth;
  run_here([&](tide::scope&) -> tide::task<> {
    for (std::uint32_t seed = 1; seed <= trees; ++seed) {
      forest whole(seed, true);
      int turns = 0;
      bool ended = false;
      co_await tide::with_scope([&](tide::scope& scope) -> tide::task<> {
        scope.spawn([&]() -> tide::task<> {
          (void)co_await whole.tree(depth);
          ended = true;
        });
        for (int i = 0; i < 40; ++i) co_await tide::yield();  // until all wait
        scope.cancel();
        for (; !ended && turns <= most; ++turns) co_await tide::yield();
      });
      EXPECT_LE(turns, most) << "seed " << seed;
      EXPECT_EQ(whole.alive, 0);
    }
  });
}

}  // namespace
