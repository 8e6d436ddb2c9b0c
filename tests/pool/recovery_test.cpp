#include <tide/pool/pool.hpp>

#include <gtest/gtest.h>

#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "support.hpp"

namespace {

using tide::block;
using tide::block_handle;
using tide::block_kind;
using tide::pool;

struct number {
  std::uint64_t value;
};
struct pair {
  std::uint64_t first;
  std::uint64_t second;
};

class PoolRecovery : public testing::Test {
 protected:
  /// Leaves `count` numbers 0, 1, 2 … behind.
  void leave(std::uint64_t count) {
    auto made = open();
    for (std::uint64_t value = 0; value < count; ++value) ASSERT_TRUE(made.make<number>(value));
  }
  [[nodiscard]] pool open() {
    return pool::open(path_, {.block_size = 64, .maximum_blocks = 512, .initial_blocks = 4}).value();
  }

  tide_test::scratch directory_;
  std::filesystem::path path_ = directory_ / "a.pool";
};

TEST_F(PoolRecovery, GivesEveryRecoverableBlockOnceAndKeepsByDefault) {
  leave(100);
  for (int run = 0; run < 3; ++run) {
    auto pool = open();
    EXPECT_EQ(pool.report().recovered, 100U);
    std::set<std::uint64_t> seen;
    for (number& each : pool.recovered<number>()) EXPECT_TRUE(seen.insert(each.value).second);
    EXPECT_EQ(seen.size(), 100U);
    EXPECT_EQ(*seen.rbegin(), 99U);
    EXPECT_EQ(pool.audit().detached, 100U);
  }
}

TEST_F(PoolRecovery, DropsAndTakes) {
  leave(30);
  {
    auto pool = open();
    std::vector<tide::holder<number>> taken;
    auto all = pool.recovered<number>();
    for (auto at = all.begin(); at != all.end(); ++at) {
      const std::uint64_t value = at->value;
      if (value % 3 == 0)
        at.drop();
      else if (value % 3 == 1)
        taken.push_back(at.take());
    }
    EXPECT_EQ(pool.audit().held, 10U);
    EXPECT_EQ(pool.audit().detached, 10U);
    for (const auto& each : taken) EXPECT_EQ(each->value % 3, 1U);
    std::size_t left = 0;
    for (block& each : pool.recovered()) left += each ? 1 : 0;
    EXPECT_EQ(left, 10U) << "what was taken or dropped is not seen again";
  }
  EXPECT_EQ(open().report().recovered, 20U);
}

TEST_F(PoolRecovery, IsAPoolAtWork) {
  leave(60);
  auto pool = open();
  std::vector<block> fresh;
  std::uint64_t seen = 0;
  for (block& each : pool.recovered()) {
    ++seen;
    const block_handle handle = each.handle();
    fresh.push_back(pool.allocate().value());  // grows on the way
    auto second = pool.attach(handle).value();
    second.persist();
    if (seen % 2 == 0) {
      each.release();
      fresh.push_back(pool.allocate().value());  // may well be the same place: it must not come back as left over
    }
  }
  EXPECT_EQ(seen, 60U);
  EXPECT_EQ(pool.audit().held, 90U);
  EXPECT_EQ(pool.audit().detached, 30U);
}

TEST_F(PoolRecovery, WhatIsAllocatedNowIsNotLeftOver) {
  leave(10);
  auto pool = open();
  for (int count = 0; count < 20; ++count) ASSERT_TRUE(pool.make<number>(99u));  // detached at once
  EXPECT_EQ(std::ranges::distance(pool.recovered()), 10);
}

TEST_F(PoolRecovery, AnExceptionInTheLoopKeepsTheBlock) {
  leave(5);
  auto pool = open();
  EXPECT_THROW(
      {
        for ([[maybe_unused]] number& each : pool.recovered<number>()) throw 1;
      },
      int);
  EXPECT_EQ(pool.audit().detached, 5U);
  EXPECT_EQ(pool.audit().held, 0U);
}

TEST_F(PoolRecovery, TypesDoNotMix) {
  {
    auto pool = open();
    ASSERT_TRUE(pool.make<number>(1u));
    ASSERT_TRUE(pool.make<pair>(2u, 3u));
    ASSERT_TRUE(pool.allocate(block_kind::recoverable, sizeof(number)));
  }
  auto pool = open();
  std::size_t numbers = 0;
  for (const number& each : pool.recovered<number>()) numbers += each.value;
  EXPECT_EQ(numbers, 1U);
  std::size_t pairs = 0;
  for (const pair& each : pool.recovered<pair>()) pairs += each.first + each.second;
  EXPECT_EQ(pairs, 5U);
  EXPECT_EQ(std::ranges::distance(pool.recovered()), 3);
}

TEST_F(PoolRecovery, NonRecoverableBlocksAreFreed) {
  {
    auto pool = open();
    pool.allocate(block_kind::non_recoverable)->persist();
    pool.allocate(block_kind::recoverable)->persist();
    EXPECT_EQ(pool.audit().detached, 2U);
  }
  auto pool = open();
  EXPECT_EQ(pool.report().freed, 1U);
  EXPECT_EQ(pool.report().recovered, 1U);
  EXPECT_EQ(pool.audit().free, pool.blocks() - 1);
}

TEST_F(PoolRecovery, AJoinerRecoversNothingAndFreesNothing) {
  leave(10);
  auto first = open();
  auto mine = first.allocate(block_kind::non_recoverable).value();
  tide_test::child joiner([&] {
    auto second = pool::open(path_);
    if (!second || !second->report().joined || second->report().freed != 0) return 1;
    if (std::ranges::distance(second->recovered()) != 0) return 2;
    if (second->audit().held != 1 || second->audit().detached != 10) return 3;
    return second->attach(mine.handle()) ? 0 : 4;
  });
  EXPECT_EQ(joiner.wait(), 0);
  EXPECT_EQ(first.audit().held, 1U);
  EXPECT_EQ(std::ranges::distance(first.recovered()), 10);
}

TEST_F(PoolRecovery, ADeadHoldersReferencesAreTakenBackAndTheLivingKeepTheirs) {
  auto pool = open();
  auto shared = pool.allocate(block_kind::non_recoverable).value();
  tide_test::signal_pipe ready;
  tide_test::child holder([&] {
    auto own = pool::open(path_).value();
    std::vector<block> held;
    held.push_back(own.attach(shared.handle()).value());
    for (int count = 0; count < 100; ++count) {
      held.push_back(own.allocate(count % 2 == 0 ? block_kind::recoverable : block_kind::non_recoverable).value());
    }
    ready.give();
    ::pause();
    return 0;
  });
  ready.wait();
  EXPECT_EQ(pool.reclaim().value(), 0U) << "the holder lives";
  EXPECT_EQ(pool.audit().held, 101U);
  holder.kill_and_wait();
  EXPECT_EQ(pool.audit().orphaned, 100U);
  EXPECT_EQ(pool.reclaim().value(), 50U);
  const auto audit = pool.audit();
  EXPECT_EQ(audit.orphaned, 0U);
  EXPECT_EQ(audit.held, 1U);
  EXPECT_EQ(audit.detached, 50U);
  const block_handle handle = shared.handle();
  EXPECT_TRUE(pool.attach(handle));
  shared.release();
  EXPECT_EQ(pool.attach(handle).error(), tide::pool_errc::stale) << "the dead one's reference to a shared block is left";
}

TEST_F(PoolRecovery, ADeadHoldersReferencesAreTakenBackByTheNextOpener) {
  auto pool = open();
  tide_test::child victim([&] {
    auto own = pool::open(path_).value();
    auto held = own.allocate(block_kind::non_recoverable).value();
    ::raise(SIGKILL);
    return 0;
  });
  victim.wait();
  EXPECT_EQ(pool.audit().orphaned, 1U);
  auto next = pool::open(path_).value();
  EXPECT_TRUE(next.report().joined);
  EXPECT_EQ(next.report().freed, 1U);
  EXPECT_EQ(pool.audit().free, pool.blocks());
}

// A descriptor that outlives the process, as systemd's store keeps it, holds nobody's locks.
TEST_F(PoolRecovery, AnInheritedDescriptorDoesNotKeepTheDeadAlive) {
  leave(3);
  const tide::descriptor stored(::open(path_.c_str(), O_RDWR | O_CLOEXEC));
  tide_test::child victim([&] {
    auto own = pool::open(stored.get()).value();
    auto held = own.allocate().value();
    ::raise(SIGKILL);
    return 0;
  });
  victim.wait();
  {
    auto again = pool::open(stored.get());
    ASSERT_TRUE(again);
    EXPECT_FALSE(again->report().joined);
    EXPECT_EQ(again->report().recovered, 4U);
  }
  EXPECT_FALSE(pool::open(path_)->report().joined);
}

// A zombie has ended, and its grandchild that inherited everything is not the opener.
TEST_F(PoolRecovery, AZombieAndTheChildrenOfTheDeadDoNotCount) {
  const tide_test::signal_pipe ready;
  const tide_test::signal_pipe end;
  tide_test::child opener([&] {
    auto own = pool::open(path_, {.block_size = 64}).value();
    auto held = own.allocate().value();
    if (::fork() == 0) {  // has the description, and with it the lock of the lease
      ready.give();
      end.wait();
      ::_exit(0);
    }
    ready.wait();
    ::raise(SIGKILL);
    return 0;
  });
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(opener.pid()), &info, WEXITED | WNOWAIT), 0);  // dead, not reaped
  {
    auto next = pool::open(path_);
    ASSERT_TRUE(next) << next.error().message();
    EXPECT_FALSE(next->report().joined);
    EXPECT_EQ(next->report().recovered, 1U);
  }
  end.give();
  opener.wait();
}

// exec() ends the program but neither the process nor its start time.
TEST_F(PoolRecovery, AProgramThatReplacedItselfDoesNotCount) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  tide_test::child opener([&] {
    auto own = pool::open(path_, {.block_size = 64}).value();
    auto held = own.allocate().value();
    ::execl("/bin/sleep", "sleep", "1000", static_cast<char*>(nullptr));
    return 1;
  });
  ::close(ends[1]);
  char byte = 0;
  EXPECT_EQ(::read(ends[0], &byte, 1), 0) << "the end that exec closes";
  ::close(ends[0]);
  auto next = pool::open(path_).value();
  EXPECT_FALSE(next.report().joined);
  EXPECT_EQ(next.report().recovered, 1U);
}

TEST_F(PoolRecovery, AChildOfForkIsToldToOpenThePoolItself) {
  auto pool = open();
  auto held = pool.allocate().value();
  tide_test::child forked([&] {
    if (pool.allocate().error() != tide::pool_errc::foreign_process) return 1;
    if (pool.attach(held.handle()).error() != tide::pool_errc::foreign_process) return 2;
    if (held.share().error() != tide::pool_errc::foreign_process) return 3;
    if (pool.reclaim().error() != tide::pool_errc::foreign_process) return 4;
    held.release();  // the parent's reference: nothing happens
    auto own = pool::open(path_);
    if (!own || !own->report().joined) return 5;
    return own->attach(held.handle()) ? 0 : 6;
  });
  EXPECT_EQ(forked.wait(), 0);
  EXPECT_EQ(pool.audit().held, 1U);
  EXPECT_TRUE(pool.attach(held.handle()));
}

TEST_F(PoolRecovery, AGenerationThatIsUsedUpRetiresTheBlock) {
  block_handle handle;
  {
    auto pool = open();
    auto held = pool.allocate().value();
    handle = held.handle();
    held.persist();
  }
  const std::uint64_t last = (std::uint64_t{1} << 45U) - 1;
  const std::uint64_t word = last << 19U | 1U << 16U;
  tide_test::overwrite(path_, 16384 + handle.number * 64, &word, sizeof word);
  auto pool = open();
  handle.generation = last;
  auto held = pool.attach(handle);
  ASSERT_TRUE(held);
  held->release();
  EXPECT_EQ(pool.audit().retired, 1U);
  EXPECT_EQ(pool.attach(handle).error(), tide::pool_errc::stale);
  std::vector<block> all;
  for (auto taken = pool.allocate(); taken; taken = pool.allocate()) all.push_back(std::move(*taken));
  EXPECT_EQ(all.size(), 511U);
  for (const block& each : all) EXPECT_NE(each.handle().number, handle.number);
}

// A random history against a model, over several runs of the pool.
TEST_F(PoolRecovery, MatchesAModelAfterRandomHistories) {
  for (const unsigned seed : {1U, 2U, 3U}) {
    std::filesystem::remove(path_);
    std::mt19937 random(seed);
    std::map<std::uint64_t, block_handle> model;
    std::uint64_t next = 0;
    for (int run = 0; run < 10; ++run) {
      auto pool = open();
      std::map<std::uint64_t, block_handle> found;
      auto all = pool.recovered<number>();
      for (auto at = all.begin(); at != all.end(); ++at) {
        const std::uint64_t value = at->value;
        auto held = at.take();
        found[value] = held.handle();
      }
      ASSERT_EQ(found, model) << "seed " << seed << " run " << run;
      for (int step = 0; step < 300; ++step) {
        if (model.empty() || (random() % 5 < 3 && model.size() < 500)) {
          model[next] = pool.make<number>(next)->handle();
          ++next;
        } else {
          const auto victim = std::next(model.begin(), static_cast<std::ptrdiff_t>(random() % model.size()));
          if (random() % 2 == 0)
            ASSERT_TRUE(pool.free(victim->second));
          else
            pool.attach(victim->second)->release();
          model.erase(victim);
        }
      }
    }
  }
}

}  // namespace
