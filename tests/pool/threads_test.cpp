#include <tide/pool/pool.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "support.hpp"

namespace {

using tide::block;
using tide::block_handle;
using tide::block_kind;
using tide::pool;

/// Marks a block as this owner's, does something else, and looks whether somebody else did the same.
bool owned_alone(block& held, std::uint64_t owner) {
  std::memcpy(held.data(), &owner, sizeof owner);
  std::this_thread::yield();
  std::uint64_t found = 0;
  std::memcpy(&found, held.data(), sizeof found);
  return found == owner;
}

TEST(PoolThreads, AllocateAndReleaseWithGrowth) {
  const tide_test::scratch directory;
  auto pool =
      pool::open(directory / "a.pool", {.block_size = 64, .maximum_blocks = 4096, .initial_blocks = 2, .growth_blocks = 16})
          .value();
  std::atomic<int> wrong{0};
  {
    std::vector<std::jthread> workers;
    for (std::uint64_t worker = 0; worker < 4; ++worker) {
      workers.emplace_back([&, worker] {
        std::mt19937_64 random(worker);
        std::vector<block> held;
        for (std::uint64_t step = 0; step < 20'000; ++step) {
          if (held.size() < 100 && random() % 2 == 0) {
            auto taken = pool.allocate(random() % 2 == 0 ? block_kind::recoverable : block_kind::non_recoverable, 16);
            if (!taken || !owned_alone(*taken, worker << 32U | step))
              ++wrong;
            else
              held.push_back(std::move(*taken));
          } else if (!held.empty()) {
            std::swap(held[random() % held.size()], held.back());
            held.back().release();
            held.pop_back();
          }
        }
        for (block& each : held) each.release();
      });
    }
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(pool.audit().free, pool.blocks());
}

TEST(PoolThreads, EightMeetAnEmptyPool) {
  const tide_test::scratch directory;
  for (int round = 0; round < 20; ++round) {
    const auto path = directory / "a.pool";
    std::filesystem::remove(path);
    auto pool =
        pool::open(path, {.block_size = 64, .maximum_blocks = 1024, .initial_blocks = 1, .growth_blocks = 64}).value();
    auto first = pool.allocate().value();
    {
      std::vector<std::jthread> workers;
      for (int worker = 0; worker < 8; ++worker) workers.emplace_back([&] { pool.allocate().value().persist(); });
    }
    EXPECT_EQ(pool.audit().detached, 8U);
    EXPECT_LE(pool.blocks(), 1U + 8 * 64);
    EXPECT_EQ((pool.blocks() - 1) % 64, 0U);
  }
}

// One block, many hands: attach by handle, share, release, persist and free race for it.
TEST(PoolThreads, RacesForOneBlockHaveOneWinner) {
  const tide_test::scratch directory;
  auto pool = pool::open(directory / "a.pool", {.block_size = 64, .maximum_blocks = 64, .initial_blocks = 64}).value();
  std::atomic<std::uint64_t> current{0};  // generation of the published handle, or 0
  std::atomic<std::uint32_t> number{0};
  std::atomic<int> wrong{0};
  std::atomic<std::uint64_t> freed{0};
  std::atomic<std::uint64_t> made{0};
  {
    std::vector<std::jthread> workers;
    for (std::uint64_t worker = 0; worker < 4; ++worker) {
      workers.emplace_back([&, worker] {
        std::mt19937_64 random(worker);
        for (int step = 0; step < 30'000; ++step) {
          const block_handle target{.number = number.load(), .generation = current.load()};
          switch (random() % 8) {
            case 0: {
              auto taken = pool.allocate(block_kind::recoverable, 16);
              if (!taken) break;
              ++made;
              number = taken->handle().number;
              current = taken->handle().generation;
              taken->persist();
              break;
            }
            case 1:
            case 2:
              if (pool.free(target)) ++freed;
              break;
            default: {
              auto held = pool.attach(target);
              if (!held) break;
              if (held->handle() != target) ++wrong;
              if (random() % 2 == 0) {
                auto second = held->share();
                if (!second || !pool.attach(target)) ++wrong;
              }
              held->persist();
            }
          }
        }
      });
    }
  }
  EXPECT_EQ(wrong, 0);
  const auto audit = pool.audit();
  EXPECT_TRUE(audit.consistent());
  EXPECT_EQ(audit.held, 0U) << "a reference was lost";
  EXPECT_EQ(audit.detached, made - freed) << "a block was freed twice, or never";
}

// Blocks are recycled all the time while others hold handles that went stale.
TEST(PoolThreads, StaleHandlesAreRefusedWhileBlocksAreRecycled) {
  const tide_test::scratch directory;
  auto pool = pool::open(directory / "a.pool", {.block_size = 64, .maximum_blocks = 8, .initial_blocks = 8}).value();
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> attached{0};
  std::vector<block_handle> stale;
  for (int count = 0; count < 64; ++count) {
    auto taken = pool.allocate().value();
    stale.push_back(taken.handle());
    taken.release();
  }
  {
    const std::jthread recycler([&] {
      for (int step = 0; step < 100'000; ++step) pool.allocate(block_kind::recoverable, 0).value().release();
      done = true;
    });
    std::vector<std::jthread> tries;
    for (int each = 0; each < 2; ++each) {
      tries.emplace_back([&] {
        while (!done) {
          for (const block_handle& handle : stale) attached += pool.attach(handle) ? 1 : 0;
        }
      });
    }
  }
  EXPECT_EQ(attached, 0U);
  EXPECT_EQ(pool.audit().free, 8U);
}

TEST(PoolThreads, WhatAThreadKeptForItselfIsFoundWhenItEnds) {
  const tide_test::scratch directory;
  auto pool = pool::open(directory / "a.pool", {.block_size = 64, .maximum_blocks = 1000, .initial_blocks = 100}).value();
  for (int round = 0; round < 5; ++round) {
    std::jthread([&] {
      std::vector<block> all;
      for (int count = 0; count < 100; ++count) all.push_back(pool.allocate().value());
      for (block& each : all) each.release();
    }).join();
  }
  std::vector<block> all;
  for (int count = 0; count < 100; ++count) all.push_back(pool.allocate().value());
  EXPECT_EQ(pool.blocks(), 100U) << "the pool grew although blocks were free";
}

// The last free block lies in another thread's magazine: that is not "full".
TEST(PoolThreads, FullMeansThatNoBlockIsFreeAnywhere) {
  const tide_test::scratch directory;
  auto pool = pool::open(directory / "a.pool", {.block_size = 64, .maximum_blocks = 64, .initial_blocks = 64}).value();
  auto mine = pool.allocate().value();  // the other 63 are this thread's candidates now
  std::jthread([&] {
    std::vector<block> all;
    for (int count = 0; count < 63; ++count) all.push_back(pool.allocate().value());
    EXPECT_EQ(pool.allocate().error(), tide::pool_errc::full);
  }).join();
}

TEST(PoolThreads, BlocksOutliveThePoolObjectOnManyThreads) {
  const tide_test::scratch directory;
  const auto path = directory / "a.pool";
  for (int round = 0; round < 20; ++round) {
    std::vector<std::jthread> workers;
    std::atomic<bool> closed{false};
    {
      auto pool = pool::open(path, {.block_size = 64, .maximum_blocks = 64}).value();
      for (int worker = 0; worker < 4; ++worker) {
        workers.emplace_back([&closed, held = pool.allocate(block_kind::non_recoverable).value()]() mutable {
          while (!closed) std::this_thread::yield();
          held.release();
        });
      }
    }
    closed = true;
    workers.clear();
    auto again = pool::open(path, {.alone = true});
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_TRUE(again->report().was_clean);
    EXPECT_EQ(again->audit().free, again->blocks());
  }
}

TEST(PoolThreads, SyncAuditAndGrowthRunBesideTheWork) {
  const tide_test::scratch directory;
  auto pool =
      pool::open(directory / "a.pool", {.block_size = 64, .maximum_blocks = 2048, .initial_blocks = 1, .growth_blocks = 8})
          .value();
  std::atomic<bool> done{false};
  {
    const std::jthread watcher([&] {
      while (!done) {
        EXPECT_TRUE(pool.sync());
        (void)pool.audit();
        EXPECT_TRUE(pool.reclaim());
        for (block& each : pool.recovered()) (void)each.size();
      }
    });
    std::vector<block> held;
    while (held.size() < 2000) held.push_back(pool.allocate(block_kind::recoverable, 8).value());
    done = true;
  }
  EXPECT_TRUE(pool.audit().consistent());
}

}  // namespace
