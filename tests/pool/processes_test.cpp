#include <tide/pool/pool.hpp>

#include <gtest/gtest.h>

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <random>
#include <vector>

#include "support.hpp"

namespace {

using tide::block;
using tide::block_kind;
using tide::pool;

constexpr tide::pool_options options{.block_size = 64, .maximum_blocks = 4096, .initial_blocks = 4, .growth_blocks = 32};

/// Allocates and releases at random; every block it holds bears its mark and nobody else's. 0 when all went well.
int work(pool& shared, std::uint64_t owner, int steps, std::size_t most) {
  std::mt19937_64 random(owner);
  std::vector<std::pair<block, std::uint64_t>> held;
  for (int step = 0; step < steps; ++step) {
    if (held.size() < most && random() % 2 == 0) {
      auto taken = shared.allocate(block_kind::non_recoverable, 16);
      if (!taken) return 2;
      const std::uint64_t mark = owner << 32U | static_cast<std::uint64_t>(step);
      std::memcpy(taken->data(), &mark, sizeof mark);
      held.emplace_back(std::move(*taken), mark);
    } else if (!held.empty()) {
      std::swap(held[random() % held.size()], held.back());
      std::uint64_t found = 0;
      std::memcpy(&found, held.back().first.data(), sizeof found);
      if (found != held.back().second) return 3;  // two owners
      held.back().first.release();
      held.pop_back();
    }
  }
  for (auto& each : held) each.first.release();
  return 0;
}

void run_processes(const std::function<tide::result<pool>()>& open) {
  auto keeper = open();
  ASSERT_TRUE(keeper);
  std::vector<tide_test::child> workers;
  for (std::uint64_t owner = 1; owner <= 4; ++owner) {
    workers.emplace_back([&] {
      auto own = open();
      if (!own) return 1;
      return work(*own, owner, 100'000, 200);
    });
  }
  for (auto& each : workers) EXPECT_EQ(each.wait(), 0);
  ASSERT_TRUE(keeper->reclaim());
  const auto audit = keeper->audit();
  EXPECT_TRUE(audit.consistent());
  EXPECT_EQ(audit.free, audit.blocks);
  EXPECT_GE(audit.blocks, 200U);
}

TEST(PoolProcesses, ShareAFileWithGrowth) {
  const tide_test::scratch directory{tide_test::disk()};
  run_processes([&] { return pool::open(directory / "a.pool", options); });
}

// All of them use one open file description: locks on it would exclude nobody.
TEST(PoolProcesses, ShareAnInheritedDescriptorWithGrowth) {
  const tide::descriptor file(::memfd_create("shared", MFD_CLOEXEC));
  run_processes([&] { return pool::open(file.get(), options); });
}

TEST(PoolProcesses, TwoPoolObjectsOfOneProcessAreLikeTwoProcesses) {
  const tide_test::scratch directory;
  auto first = pool::open(directory / "a.pool", options).value();
  auto second = pool::open(directory / "a.pool").value();
  EXPECT_TRUE(second.report().joined);
  auto held = first.allocate().value();
  auto same = second.attach(held.handle()).value();
  EXPECT_NE(held.data(), same.data());
  std::memcpy(held.data(), "both", 4);
  EXPECT_EQ(std::memcmp(same.data(), "both", 4), 0);
  const auto handle = held.handle();
  held.release();
  EXPECT_TRUE(second.attach(handle));
  same.release();
  EXPECT_EQ(second.attach(handle).error(), tide::pool_errc::stale);
  EXPECT_EQ(work(first, 1, 2000, 100) + work(second, 2, 2000, 100), 0);
}

// Whoever dies with the growth lock in its hand does not stop the others.
TEST(PoolProcesses, DeathsDuringTheWorkHurtNobody) {
  const tide_test::scratch directory;
  const auto path = directory / "a.pool";
  auto keeper = pool::open(path, options).value();
  std::mt19937_64 random(5);
  for (int round = 0; round < 15; ++round) {
    std::vector<tide_test::child> workers;
    for (std::uint64_t owner = 1; owner <= 3; ++owner) {
      workers.emplace_back([&] {
        auto own = pool::open(path);
        if (!own) return 1;
        return work(*own, owner, 5'000, 300);
      });
    }
    ::usleep(static_cast<useconds_t>(random() % 3000));  // some moment of its life
    workers[0].kill_and_wait();
    EXPECT_EQ(workers[1].wait(), 0);
    EXPECT_EQ(workers[2].wait(), 0);
    ASSERT_TRUE(keeper.reclaim());
    const auto audit = keeper.audit();
    ASSERT_TRUE(audit.consistent());
    ASSERT_EQ(audit.free, audit.blocks) << "round " << round;
  }
}

}  // namespace
