#include <tide/pool/pool.hpp>

#include <gtest/gtest.h>

#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <set>
#include <type_traits>
#include <vector>

#include "support.hpp"

namespace {

using tide::block;
using tide::block_handle;
using tide::block_kind;
using tide::pool;
using tide::pool_errc;

struct counter {
  std::uint64_t value;
};
struct other {
  std::uint64_t value;
};

static_assert(std::is_trivially_copyable_v<block_handle> && sizeof(block_handle) == 16);
static_assert(!std::is_copy_constructible_v<block> && !std::is_copy_constructible_v<tide::holder<counter>>);

class PoolBlock : public testing::Test {
 protected:
  tide_test::scratch directory_;
  pool pool_ = pool::open(directory_ / "a.pool", {.block_size = 256, .maximum_blocks = 128, .initial_blocks = 8}).value();
};

TEST_F(PoolBlock, IsZeroedAlignedAndAsLongAsAsked) {
  for (int round = 0; round < 200; ++round) {  // more often than there are blocks: they are used again
    auto taken = pool_.allocate(block_kind::recoverable, 100);
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->size(), 100U);
    EXPECT_EQ(taken->capacity(), 256U);
    EXPECT_EQ(std::bit_cast<std::uintptr_t>(taken->data()) % 64, 0U);
    EXPECT_TRUE(std::ranges::all_of(taken->bytes(), [](std::byte each) { return each == std::byte{0}; }));
    std::ranges::fill(taken->bytes(), std::byte{0xff});
    taken->release();
  }
  EXPECT_EQ(pool_.allocate(block_kind::recoverable, 257).error(), pool_errc::too_large);
}

TEST_F(PoolBlock, LengthIsTheUsersUpToTheCapacity) {
  auto taken = pool_.allocate(block_kind::recoverable, 0).value();
  EXPECT_EQ(taken.size(), 0U);
  EXPECT_TRUE(taken.resize(256));
  EXPECT_EQ(taken.size(), 256U);
  EXPECT_EQ(taken.resize(257).error(), pool_errc::too_large);
  EXPECT_EQ(taken.size(), 256U);
}

TEST_F(PoolBlock, KeepsItsPlaceThroughPersistAndIsFoundByItsHandle) {
  auto taken = pool_.allocate().value();
  std::memcpy(taken.data(), "here", 4);
  std::byte* const address = taken.data();
  const block_handle handle = taken.handle();
  taken.persist();
  EXPECT_FALSE(taken);
  EXPECT_EQ(pool_.audit().detached, 1U);
  auto again = pool_.attach(handle);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->data(), address);
  EXPECT_EQ(std::memcmp(again->data(), "here", 4), 0);
  EXPECT_EQ(again->handle(), handle);
  EXPECT_EQ(pool_.audit().held, 1U);
}

TEST_F(PoolBlock, LastReferenceDecides) {
  auto first = pool_.allocate().value();
  const block_handle handle = first.handle();
  auto second = first.share().value();
  auto third = pool_.attach(handle).value();
  first.release();
  second.release();
  EXPECT_TRUE(pool_.attach(handle)) << "two of three gave up";
  third.release();
  EXPECT_EQ(pool_.attach(handle).error(), pool_errc::stale);
  EXPECT_EQ(pool_.audit().free, pool_.blocks());
}

TEST_F(PoolBlock, DestructorDetachesWhatIsRecoverableAndFreesWhatIsNot) {
  const block_handle kept = pool_.allocate(block_kind::recoverable).value().handle();
  const block_handle gone = pool_.allocate(block_kind::non_recoverable).value().handle();
  EXPECT_TRUE(pool_.attach(kept));
  EXPECT_EQ(pool_.attach(kept)->kind(), block_kind::recoverable);
  EXPECT_EQ(pool_.attach(gone).error(), pool_errc::stale);
}

TEST_F(PoolBlock, ExceptionsDoNotDelete) {
  block_handle handle;
  try {
    auto state = pool_.make<counter>(5u).value();
    handle = state.handle();
    throw 1;
  } catch (int) {
  }
  EXPECT_EQ((*pool_.attach<counter>(handle))->value, 5U);
}

TEST_F(PoolBlock, FreeTakesOnlyWhatNobodyHolds) {
  auto taken = pool_.allocate().value();
  const block_handle handle = taken.handle();
  EXPECT_EQ(pool_.free(handle).error(), pool_errc::held);
  taken.persist();
  EXPECT_TRUE(pool_.free(handle));
  EXPECT_EQ(pool_.free(handle).error(), pool_errc::stale);
  EXPECT_EQ(pool_.free({}).error(), pool_errc::stale);
}

TEST_F(PoolBlock, StaleHandlesNeverFit) {
  std::vector<block_handle> old;
  for (int round = 0; round < 1000; ++round) {
    auto taken = pool_.allocate().value();
    for (const block_handle& each : old) {
      ASSERT_NE(each, taken.handle());
      ASSERT_EQ(pool_.attach(each).error(), pool_errc::stale);
    }
    if (round < 50) old.push_back(taken.handle());
    taken.release();
  }
  auto held = pool_.allocate().value();
  block_handle wrong = held.handle();
  for (const std::uint64_t generation : {held.handle().generation + 1, ~std::uint64_t{0}, std::uint64_t{1} << 45U}) {
    wrong.generation = generation;
    EXPECT_EQ(pool_.attach(wrong).error(), pool_errc::stale);
  }
  for (const std::uint32_t number : {pool_.blocks(), pool_.maximum_blocks(), 0xfffffffeU, 0xffffffffU}) {
    EXPECT_EQ(pool_.attach({.number = number}).error(), pool_errc::stale);
    EXPECT_EQ(pool_.free({.number = number}).error(), pool_errc::stale);
  }
}

TEST_F(PoolBlock, HolderMovesSharesAndKnowsItsType) {
  auto made = pool_.make<counter>(1u).value();
  auto moved = std::move(made);
  EXPECT_FALSE(made);  // NOLINT(bugprone-use-after-move): that it is empty is the promise
  auto& alias = moved;
  moved = std::move(alias);
  ASSERT_TRUE(moved);
  auto shared = moved.share().value();
  shared->value = 9;
  EXPECT_EQ((*moved).value, 9U);
  EXPECT_EQ(pool_.attach<other>(moved.handle()).error(), pool_errc::wrong_type);
  EXPECT_EQ(pool_.attach<counter>(pool_.allocate()->handle()).error(), pool_errc::wrong_type);
  const block_handle handle = moved.handle();
  moved.release();
  shared.release();
  EXPECT_EQ(pool_.attach<counter>(handle).error(), pool_errc::stale);
  EXPECT_EQ(pool_.make<counter>(3u).value()->value, 3U);
}

TEST_F(PoolBlock, SealFindsDamage) {
  auto taken = pool_.allocate(block_kind::recoverable, 64).value();
  EXPECT_FALSE(taken.sealed());
  EXPECT_EQ(taken.version(), 0U);
  taken.seal();
  EXPECT_TRUE(taken.sealed() && taken.intact());
  EXPECT_EQ(taken.version(), 1U);
  taken.data()[63] ^= std::byte{1};
  EXPECT_FALSE(taken.intact());
  taken.seal();
  EXPECT_TRUE(taken.intact());
  EXPECT_EQ(taken.version(), 2U);
}

TEST_F(PoolBlock, IdIsTheUsersAndStartsEmpty) {
  for (int round = 0; round < 2; ++round) {
    auto taken = pool_.allocate().value();
    EXPECT_EQ(taken.id(), (std::array<std::byte, 16>{}));
    taken.set_id({std::byte{1}, std::byte{2}});
    EXPECT_EQ(pool_.attach(taken.handle())->id(), (std::array<std::byte, 16>{std::byte{1}, std::byte{2}}));
    taken.release();
  }
}

TEST_F(PoolBlock, ReferencesOfOneProcessHaveALimitThatIsAnError) {
  auto taken = pool_.allocate().value();
  std::vector<block> references;
  for (std::uint32_t count = 1; count < (1U << 18U) - 1; ++count) references.push_back(taken.share().value());
  EXPECT_EQ(taken.share().error(), pool_errc::too_many_references);
  EXPECT_EQ(pool_.attach(taken.handle()).error(), pool_errc::too_many_references);
  references.clear();
  const block_handle handle = taken.handle();
  taken.release();
  EXPECT_EQ(pool_.attach(handle).error(), pool_errc::stale);
}

TEST_F(PoolBlock, FullIsAnErrorAndEveryBlockIsHadOnce) {
  std::vector<block> all;
  std::set<std::uint32_t> numbers;
  for (std::uint32_t count = 0; count < 128; ++count) {
    all.push_back(pool_.allocate().value());
    EXPECT_TRUE(numbers.insert(all.back().handle().number).second);
  }
  EXPECT_EQ(pool_.allocate().error(), pool_errc::full);
  EXPECT_EQ(pool_.blocks(), 128U);
  all[7].release();
  EXPECT_TRUE(pool_.allocate());
}

TEST_F(PoolBlock, SurvivesItsPoolObject) {
  block last;
  {
    auto pool = pool::open(directory_ / "b.pool", {.block_size = 64}).value();
    auto other_one = pool.allocate().value();
    last = other_one.share().value();
    block moved_away = std::move(other_one);
  }
  EXPECT_EQ(pool::open(directory_ / "b.pool", {.alone = true}).error(), pool_errc::busy) << "a block is still held";
  std::memcpy(last.data(), "alive", 5);
  const block_handle handle = last.handle();
  last = {};
  auto again = pool::open(directory_ / "b.pool", {.alone = true});
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->report().was_clean);
  EXPECT_EQ(std::memcmp(again->attach(handle)->data(), "alive", 5), 0);
}

TEST(PoolGrowth, AddressesNeverMove) {
  const tide_test::scratch directory;
  auto pool = tide::pool::open(directory / "a.pool",
                               {.block_size = 64, .maximum_blocks = 4096, .initial_blocks = 1, .growth_blocks = 2})
                  .value();
  auto first = pool.allocate().value();
  std::byte* const address = first.data();
  std::memcpy(address, "still", 5);
  std::vector<block> others;
  while (pool.blocks() < 4096) others.push_back(pool.allocate().value());
  EXPECT_EQ(first.data(), address);
  EXPECT_EQ(pool.attach(first.handle())->data(), address);
  EXPECT_EQ(std::memcmp(address, "still", 5), 0);
  for (const block& each : others) ASSERT_EQ(each.data() - address, static_cast<std::ptrdiff_t>(each.handle().number) * 64);
}

TEST(PoolGrowth, PagesOnRequestAndLargeBlocksArePlainMemory) {
  const tide_test::scratch directory;
  constexpr std::size_t mebibyte = std::size_t{1} << 20U;
  auto pool =
      tide::pool::open(directory / "log.pool", {.block_size = mebibyte, .maximum_blocks = 8, .alignment = 4096}).value();
  auto log = pool.allocate().value();
  EXPECT_EQ(std::bit_cast<std::uintptr_t>(log.data()) % 4096, 0U);
  // As an append-only log uses it: bytes first, then the length that publishes them.
  auto* const committed = static_cast<std::uint64_t*>(static_cast<void*>(log.data()));
  std::memcpy(log.data() + 8, "frame", 5);
  std::atomic_ref(*committed).store(5, std::memory_order_release);
  const auto handle = log.handle();
  log.persist();
  pool = tide::pool::open(directory / "log.pool").value();
  log = pool.attach(handle).value();
  EXPECT_EQ(std::atomic_ref(*static_cast<std::uint64_t*>(static_cast<void*>(log.data()))).load(std::memory_order_acquire),
            5U);
  EXPECT_EQ(std::memcmp(log.data() + 8, "frame", 5), 0);
}

TEST(PoolGrowth, AFileThatMayNotGrowIsAnErrorAndNotASignal) {
  tide::descriptor file(::memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  auto pool = tide::pool::open(file.get(), {.block_size = 64, .maximum_blocks = 1000, .initial_blocks = 4}).value();
  ASSERT_EQ(::fcntl(file.get(), F_ADD_SEALS, F_SEAL_GROW), 0);
  std::vector<block> all;
  for (int count = 0; count < 4; ++count) all.push_back(pool.allocate().value());
  EXPECT_EQ(pool.allocate().error(), std::errc::operation_not_permitted);
  EXPECT_EQ(pool.blocks(), 4U);
  all.pop_back();
  EXPECT_TRUE(pool.audit().consistent());
}

TEST(PoolGrowth, AFullDiskIsAnErrorAndNotASignal) {
  const tide_test::scratch directory;
  tide_test::child on_small_disk([&] {
    if (::unshare(CLONE_NEWNS) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return 77;
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return 77;
    if (::mount("tmpfs", directory.path().c_str(), "tmpfs", 0, "size=1m") != 0) return 77;
    auto pool = tide::pool::open(directory / "a.pool", {.block_size = 4096, .initial_blocks = 8});
    if (!pool) return 1;
    std::vector<block> all;
    for (;;) {
      auto taken = pool->allocate();
      if (!taken) {
        if (taken.error() != std::errc::no_space_on_device) return 2;
        break;
      }
      std::memset(taken->data(), 0x5a, taken->size());
      all.push_back(std::move(*taken));
    }
    if (all.size() < 200 || !pool->audit().consistent()) return 3;  // down to the last block that fits
    all.pop_back();
    if (tide::pool::open(directory / "b.pool", {.block_size = 1 << 20}).error() != std::errc::no_space_on_device) return 4;
    if (std::filesystem::exists(directory / "b.pool")) return 5;
    return 0;
  });
  const int status = on_small_disk.wait();
  if (status == 77) GTEST_SKIP() << "no right to mount a small file system";
  EXPECT_EQ(status, 0);
}

TEST(PoolSync, WritesDataThenHeader) {
  const tide_test::scratch directory{tide_test::disk()};
  auto pool =
      tide::pool::open(directory / "a.pool", {.block_size = 5000, .maximum_blocks = 16, .initial_blocks = 3}).value();
  auto taken = pool.allocate().value();
  const auto sequence = [&](unsigned slot) {
    const auto file = tide_test::contents(directory / "a.pool");
    std::uint64_t value = 0;
    std::memcpy(&value, file.data() + slot * 4096 + 16, sizeof value);
    return value;
  };
  const std::uint64_t before = std::max(sequence(0), sequence(1));
  EXPECT_TRUE(taken.sync());
  EXPECT_TRUE(pool.sync());
  EXPECT_EQ(std::max(sequence(0), sequence(1)), before + 1);
  EXPECT_EQ(std::min(sequence(0), sequence(1)), before) << "the other slot was not touched";
}

}  // namespace
