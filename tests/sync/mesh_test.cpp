// mesh and sharded: every executor to every other, a start that waits for all without spinning.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <tide/runtime/time.hpp>
#include <tide/sync/sharded.hpp>

#include "support/run.hpp"
#include "support/sanitizers.hpp"
#include "sync/together.hpp"

namespace {

using namespace std::chrono_literals;
using support::run_here;
using sync_test::settle;
using sync_test::together;

constexpr int messages = support::sanitized ? 300 : 2'000;

using port = tide::mesh<int>::port;

tide::task<> send_numbers(port& mine, std::size_t peer) {
  for (int i = 0; i < messages; ++i) EXPECT_TRUE(co_await mine.to(peer).send(static_cast<int>(mine.rank()) * messages + i));
  mine.to(peer) = {};
}

tide::task<> expect_numbers(port& mine, std::size_t peer) {
  int expected = static_cast<int>(peer) * messages;
  while (auto next = co_await mine.from(peer).receive()) EXPECT_EQ(*next, expected++);
  EXPECT_EQ(expected, static_cast<int>(peer + 1) * messages);
}

TEST(Mesh, EveryPairBothWaysInOrder) {
  for (const std::size_t size : {1U, 2U, 4U}) {
    tide::mesh<int> net(size, 1);
    together all;
    for (std::size_t rank = 0; rank < size; ++rank) {
      all.executor([&net, rank, size](tide::scope& scope) -> tide::task<> {
        auto mine = co_await net.join(rank);
        EXPECT_EQ(mine->rank(), rank);
        EXPECT_EQ(mine->size(), size);
        for (std::size_t peer = 0; peer < size; ++peer) {
          if (peer == rank) continue;
          scope.spawn(send_numbers, std::ref(*mine), peer);
          scope.spawn(expect_numbers, std::ref(*mine), peer);
        }
        co_await scope.join();
        EXPECT_FALSE(mine->to(rank).try_send(1));  // there is no channel to oneself
      });
    }
  }
}

double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

TEST(Mesh, WaitingForAPeerThatNeverJoinsTakesNoTurnsAndCanBeCancelled) {
  run_here([](tide::scope&) -> tide::task<> {
    tide::mesh<int> net(2, 4);
    const double before = cpu_seconds();
    auto alone = co_await tide::timeout(50ms, net.join(0));
    EXPECT_EQ(alone.error(), tide::errc::timed_out);
    EXPECT_LT(cpu_seconds() - before, 0.025);  // a join that spun would have used twice that
    auto late = co_await net.join(1);          // goes on, and finds the other closed
    EXPECT_TRUE(late);
    auto nothing = co_await late->from(0).receive();
    EXPECT_EQ(nothing.error(), tide::errc::closed);
  });
}

TEST(Mesh, JoiningTwiceOrWithNoSuchRankIsAnError) {
  run_here([](tide::scope&) -> tide::task<> {
    tide::mesh<int> net(1, 4);
    auto stranger = co_await net.join(1);
    EXPECT_EQ(stranger.error(), std::errc::invalid_argument);
    auto first = co_await net.join(0);
    EXPECT_TRUE(first);
    auto second = co_await net.join(0);
    EXPECT_EQ(second.error(), std::errc::already_connected);
  });
}

/// One on each executor; nothing in it is atomic.
struct counters {
  using message = std::string;
  tide::task<> handle(message key, std::size_t from) {
    EXPECT_LT(from, 4U);
    ++count[key];
    ++handled;
    co_return;
  }
  std::map<std::string, int> count;
  int handled = 0;
};

TEST(Sharded, EachKeyIsHandledByItsOwnerAndNoMessageIsLost) {
  constexpr std::size_t size = 3;
  constexpr int keys = 20;
  tide::sharded<counters> all_shards(size, 16);
  std::vector<counters> state(size);
  together all;
  for (std::size_t rank = 0; rank < size; ++rank) {
    all.executor([&, rank](tide::scope& scope) -> tide::task<> {
      auto mine = co_await all_shards.start(scope, rank, state[rank]);
      for (int i = 0; i < messages; ++i) {
        auto key = std::to_string(i % keys);
        const auto owner = mine->owner_of(key);
        EXPECT_TRUE(co_await mine->send(owner, std::move(key)));
      }
      mine->close();
      co_await scope.join();  // the receiving tasks end when every peer has closed
    });
  }
  all.join();
  std::map<std::string, int> seen;
  int handled = 0;
  for (const counters& each : state) {
    for (const auto& [key, count] : each.count) {
      EXPECT_EQ(seen.count(key), 0U) << key << " has two owners";
      seen[key] = count;
    }
    handled += each.handled;
  }
  EXPECT_EQ(handled, messages * static_cast<int>(size));
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(keys));
}

struct throwing {
  using message = int;
  static tide::task<> handle(message, std::size_t) {
    throw std::runtime_error("handler");
    co_return;
  }
};

TEST(Sharded, AHandlersExceptionComesOutOfItsScopeAndTheSenderIsTold) {
  tide::sharded<throwing> both(2, 1);
  std::vector<throwing> state(2);
  together all;
  all.thread([&] {
    EXPECT_THROW(run_here([&](tide::scope& scope) -> tide::task<> {
                   auto mine = co_await both.start(scope, 0, state[0]);
                   co_await scope.join();
                 }),
                 std::runtime_error);
  });
  all.executor([&](tide::scope& scope) -> tide::task<> {
    auto mine = co_await both.start(scope, 1, state[1]);
    while (co_await mine->send(0, 1)) {
    }
    mine->close();
  });
}

}  // namespace
