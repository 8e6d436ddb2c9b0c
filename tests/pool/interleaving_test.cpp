// Races made certain: at a labelled point in the middle of one operation, another one runs to its end. `other` stands for
// another process: a pool object of its own on the same file shares nothing with `pool` but the file.
#include <gtest/gtest.h>

#include <cstring>

#include "kill_model.hpp"
#include "support.hpp"

namespace {

using tide::block;
using tide::block_handle;
using tide::block_kind;
using tide::pool_errc;
using tide::pool_detail::fault_point;
using tide_test::interfere;

class PoolInterleaving : public testing::Test {
 protected:
  /// A block that nobody holds.
  [[nodiscard]] block_handle detached() {
    auto made = pool_.allocate(block_kind::recoverable, 8).value();
    const block_handle handle = made.handle();
    made.persist();
    return handle;
  }

  tide_test::scratch directory_;
  std::filesystem::path path_ = directory_ / "a.pool";
  tide::pool pool_ = tide::pool::open(path_, {.block_size = 64, .maximum_blocks = 64, .initial_blocks = 8}).value();
  tide::pool other_ = tide::pool::open(path_).value();
};

TEST_F(PoolInterleaving, TwoWhoSeeTheSameFreeBlockDoNotBothGetIt) {
  block others;
  interfere(fault_point::claim_looked, [&] { others = other_.allocate().value(); });
  auto mine = pool_.allocate().value();
  EXPECT_NE(mine.handle().number, others.handle().number);
  EXPECT_EQ(pool_.audit().held, 2U);
}

TEST_F(PoolInterleaving, ABlockFreedUnderAnAttachIsStale) {
  for (const auto point : {fault_point::attach_looked, fault_point::attach_begun}) {
    const block_handle handle = detached();
    interfere(point, [&] { ASSERT_TRUE(other_.free(handle)); });
    EXPECT_EQ(pool_.attach(handle).error(), pool_errc::stale);
    EXPECT_EQ(pool_.audit().free, pool_.blocks());
    EXPECT_TRUE(pool_.audit().consistent());
  }
}

TEST_F(PoolInterleaving, ABlockReusedUnderAnAttachIsStaleAndItsNewUserUnharmed) {
  for (const auto point : {fault_point::attach_looked, fault_point::attach_begun}) {
    for (const bool by_other : {false, true}) {
      const block_handle handle = detached();
      block reused;
      interfere(point, [&] {
        auto& user = by_other ? other_ : pool_;
        ASSERT_TRUE(user.free(handle));
        do {
          reused = user.allocate(block_kind::non_recoverable).value();
        } while (reused.handle().number != handle.number);
      });
      EXPECT_EQ(pool_.attach(handle).error(), pool_errc::stale);
      const block_handle now = reused.handle();
      {
        auto second = pool_.attach(now).value();
      }
      EXPECT_TRUE(reused.share()) << "the new user's reference was lost";
      EXPECT_EQ(pool_.audit().held, 1U);
      reused.release();
      EXPECT_EQ(pool_.attach(now).error(), pool_errc::stale);
      EXPECT_EQ(pool_.audit().free, pool_.blocks());
    }
  }
}

TEST_F(PoolInterleaving, ABlockAttachedUnderAFreeIsHeld) {
  const block_handle handle = detached();
  block holder;
  interfere(fault_point::free_looked, [&] { holder = other_.attach(handle).value(); });
  EXPECT_EQ(pool_.free(handle).error(), pool_errc::held);
  EXPECT_TRUE(holder.share());
}

TEST_F(PoolInterleaving, TwoWhoFreeOneBlockFreeItOnce) {
  const block_handle handle = detached();
  interfere(fault_point::free_looked, [&] { EXPECT_TRUE(other_.free(handle)); });
  EXPECT_EQ(pool_.free(handle).error(), pool_errc::stale);
  auto fresh = pool_.allocate().value();
  EXPECT_EQ(pool_.audit().held, 1U);
}

TEST_F(PoolInterleaving, ABlockAttachedUnderItsLastReleaseLivesOn) {
  auto mine = pool_.allocate(block_kind::non_recoverable, 8).value();
  const block_handle handle = mine.handle();
  block others;
  interfere(fault_point::drop_begun, [&] { others = other_.attach(handle).value(); });
  mine.release();
  EXPECT_TRUE(pool_.attach(handle));
  others.release();
  EXPECT_EQ(pool_.attach(handle).error(), pool_errc::stale);
  EXPECT_EQ(pool_.audit().free, pool_.blocks());
}

TEST_F(PoolInterleaving, AStagedBlockIsSeenByNobody) {
  const auto others_view = [&] {
    for (std::uint32_t number = 0; number < 8; ++number) {
      if (other_.attach({.number = number})) return false;
      if (other_.free({.number = number})) return false;
    }
    return true;
  };
  for (const auto point : {fault_point::claim_staged, fault_point::claim_filled}) {
    bool unseen = false;
    interfere(point, [&] { unseen = others_view(); });
    auto made = pool_.make<std::uint64_t>(7u);
    EXPECT_TRUE(unseen);
    made->release();
  }
}

TEST_F(PoolInterleaving, GrowthHappensUnderALockThatNamesItsOwner) {
  const auto owner = [&] {
    const auto file = tide_test::contents(path_);
    std::uint64_t token = 0;
    std::memcpy(&token, file.data() + 8192, sizeof token);
    bool known = false;
    for (std::size_t lease = 0; lease < 16; ++lease) known |= std::memcmp(file.data() + 12288 + lease * 128, &token, 8) == 0;
    return known ? token : 0;
  };
  std::vector<block> all;
  while (all.size() < 8) all.push_back(pool_.allocate().value());
  std::uint64_t during = 0;
  interfere(fault_point::grow_metadata, [&] { during = owner(); });
  all.push_back(pool_.allocate().value());
  EXPECT_NE(during, 0U);
  EXPECT_EQ(pool_.blocks(), 64U);
  std::uint64_t after = 1;
  const auto file = tide_test::contents(path_);
  std::memcpy(&after, file.data() + 8192, sizeof after);
  EXPECT_EQ(after, 0U);
}

}  // namespace
