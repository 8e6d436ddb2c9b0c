// Random steps against a model that a reader can check by eye: a queue and a number. After each step the primitive must have
// let go exactly those whom the model lets go, in its order.
#include <gtest/gtest.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <optional>
#include <random>
#include <type_traits>
#include <utility>
#include <vector>

#include <tide/sync/rwlock.hpp>
#include <tide/sync/semaphore.hpp>

#include "support/run.hpp"
#include "support/sanitizers.hpp"
#include "sync/together.hpp"

namespace {

using sync_test::settle;

constexpr int seeds = support::sanitized ? 10 : 60;
constexpr int steps = 200;

int below(std::mt19937& random, std::size_t end) { return static_cast<int>(random() % end); }

/// One who waits or has: its own scope, so that it can be cancelled by itself.
template <class Guard>
struct client {
  int number = 0;
  std::uint32_t want = 0;
  std::optional<tide::cancel_node> node;
  std::optional<Guard> has;
  bool ended = false;
};

template <class Guard, class Operation>
tide::task<> get(client<Guard>& who, Operation operation, std::vector<int>& order) {
  auto given = co_await std::move(operation);
  who.ended = true;
  if (!given) co_return;
  order.push_back(who.number);
  who.has.emplace(std::move(*given));
}

template <class Guard, class Operation>
tide::task<> get_below(client<Guard>& who, Operation operation, std::vector<int>& order) {
  co_await get(who, std::move(operation), order).under(*who.node);
}

template <class Semaphore>
struct semaphore_case {
  static constexpr auto name = std::is_same_v<Semaphore, tide::semaphore> ? "Semaphore" : "LocalSemaphore";
  using guard = typename Semaphore::permit;
  static constexpr std::uint32_t total = 5;
  Semaphore subject{total};
  auto operation(std::uint32_t want) { return subject.acquire(want); }
  static std::uint32_t pick(std::mt19937& random) { return 1 + random() % 4; }
  static bool take(std::uint32_t& used, std::uint32_t want) { return used + want <= total && (used += want) > 0; }
  static void give(std::uint32_t& used, std::uint32_t want) { used -= want; }
  bool is_free() { return subject.available() == total; }
};

/// Readers want 1, writers all.
struct rwlock_case {
  static constexpr auto name = "Rwlock";
  static constexpr std::uint32_t writer = 1'000;
  struct guard {
    explicit guard(tide::rwlock::read_guard&& held) : reading(std::move(held)) {}
    explicit guard(tide::rwlock::write_guard&& held) : writing(std::move(held)) {}
    tide::rwlock::read_guard reading;
    tide::rwlock::write_guard writing;
  };
  tide::rwlock subject;
  tide::task<tide::result<guard>> operation(std::uint32_t want) {
    if (want == writer) {
      auto held = co_await subject.write();
      if (!held) co_return tide::fail(held.error());
      co_return guard(std::move(*held));
    }
    auto held = co_await subject.read();
    if (!held) co_return tide::fail(held.error());
    co_return guard(std::move(*held));
  }
  static std::uint32_t pick(std::mt19937& random) { return random() % 3 == 0 ? writer : 1; }
  static bool take(std::uint32_t& used, std::uint32_t want) { return used + want <= writer && (used += want) > 0; }
  static void give(std::uint32_t& used, std::uint32_t want) { used -= want; }
  bool is_free() { return subject.try_write().has_value(); }
};

template <class T>
class LineModel : public testing::Test {};
using cases = testing::Types<semaphore_case<tide::semaphore>, semaphore_case<tide::local::semaphore>, rwlock_case>;
TYPED_TEST_SUITE(LineModel, cases, sync_test::case_names);

template <class Case>
struct rig {
  using client_type = client<typename Case::guard>;
  rig(tide::scope& scope, unsigned seed) : inside(scope), random(seed) {}

  void come() {
    client_type& who = clients.emplace_back();
    who.number = next++;
    who.want = Case::pick(random);
    who.node.emplace(inside.node());
    line.push_back(&who);
    inside.spawn([](rig& all, client_type& one) { return get_below(one, all.subject.operation(one.want), all.order); },
                 std::ref(*this), std::ref(who));
  }
  void leave(bool cancelled) {
    auto& from = cancelled ? line : holders;
    if (from.empty()) return;
    const auto at = from.begin() + below(random, from.size());
    client_type& who = **at;
    if (!cancelled && !who.has) return who.node->request();  // let go in this turn: it has what it waited for all the same
    from.erase(at);
    if (cancelled) {
      who.node->request();
    } else {
      Case::give(used, who.want);
      who.has.reset();
    }
  }
  /// What must have happened by now, by the model.
  void advance_model() {
    while (!line.empty() && Case::take(used, line.front()->want)) {
      expected.push_back(line.front()->number);
      holders.push_back(line.front());
      line.pop_front();
    }
  }

  tide::scope& inside;
  std::mt19937 random;
  Case subject;
  std::list<client_type> clients;
  std::deque<client_type*> line;
  std::deque<client_type*> holders;
  std::uint32_t used = 0;
  int next = 0;
  std::vector<int> order;
  std::vector<int> expected;
};

TYPED_TEST(LineModel, RandomComingLeavingAndCancellingFollowsTheModel) {
  for (unsigned seed = 1; seed <= seeds; ++seed) {
    support::run_here([seed](tide::scope& scope) -> tide::task<> {
      rig<TypeParam> all(scope, seed);
      for (int step = 0; step < steps; ++step) {
        const int what = below(all.random, 10);
        if (what < 5) all.come();
        if (what >= 5 && what < 8) all.leave(false);
        if (what >= 8) all.leave(true);
        all.advance_model();
        // Often several leave in one turn: one is let go and cancelled at once, for instance.
        if (what >= 5 && below(all.random, 2) == 0) continue;
        co_await settle();
        EXPECT_EQ(all.order, all.expected) << "seed " << seed << " step " << step;
        if (all.order != all.expected) co_return;
      }
      while (!all.line.empty()) {
        all.leave(true);
        all.advance_model();
      }
      co_await settle();
      while (!all.holders.empty()) all.leave(false);
      co_await scope.join();
      EXPECT_TRUE(all.subject.is_free()) << "seed " << seed;
    });
  }
}

}  // namespace
