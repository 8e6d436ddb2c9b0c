#include <tide/pool/pool.hpp>

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "support.hpp"

namespace {

using tide::block;
using tide::pool;

struct record {
  std::uint64_t value;
};

constexpr tide::pool_options options{.block_size = 100, .maximum_blocks = 96, .initial_blocks = 32};

/// Everything a program may do with a pool, bounded by the pool's own numbers: what counts is that it ends.
void use(pool& damaged, std::mt19937& random) {
  std::uint32_t seen = 0;
  std::vector<block> taken;
  for (block& each : damaged.recovered()) {
    ASSERT_LE(++seen, damaged.maximum_blocks());
    ASSERT_LE(each.size(), each.capacity());
    std::memset(each.data(), 1, each.size());
    (void)each.intact();
    if (random() % 3 == 0)
      each.release();
    else if (random() % 3 == 0)
      taken.push_back(std::move(each));
  }
  for (record& each : damaged.recovered<record>()) each.value = 1;
  std::vector<block> all;
  for (auto each = damaged.allocate(); each; each = damaged.allocate()) {
    ASSERT_LE(all.size(), damaged.maximum_blocks());
    std::memset(each->data(), 2, each->capacity());
    all.push_back(std::move(*each));
  }
  for (std::uint32_t number = 0; number < damaged.maximum_blocks(); ++number) {
    (void)damaged.attach({.number = number, .generation = random() % 3});
    (void)damaged.free({.number = number, .generation = random() % 3});
  }
  const tide::pool_audit audit = damaged.audit();
  ASSERT_EQ(
      audit.free + audit.held + audit.detached + audit.orphaned + audit.retired + audit.quarantined + audit.contradictory,
      audit.blocks);
  ASSERT_EQ(audit.contradictory, 0U) << "recovery settles what it finds";
  (void)damaged.reclaim();
}

// Bytes of the control page, the leases, and the records of the blocks.
TEST(PoolDamage, TenThousandMutationsOfTheMetadataAreSurvived) {
  const tide_test::scratch directory;
  const auto path = directory / "a.pool";
  {
    auto made = pool::open(path, options).value();
    for (std::uint64_t value = 0; value < 24; ++value) made.make<record>(value).value();
    made.allocate(tide::block_kind::non_recoverable)->persist();
  }
  const auto good = tide_test::contents(path);
  std::mt19937 random(97);
  int opened = 0;
  int reported = 0;
  for (int mutation = 0; mutation < 10'000;) {
    auto damaged = good;
    const int here = 1 + static_cast<int>(random() % 20);
    mutation += here;
    for (int count = 0; count < here; ++count) {
      const std::size_t begin = random() % 4 == 0 ? 8192 : 16384;
      const std::size_t end = begin == 8192 ? 16384 : 16384 + 32 * 64;
      const std::size_t at = begin + random() % (end - begin);
      damaged[at] = random() % 2 == 0 ? static_cast<char>(random()) : static_cast<char>(damaged[at] ^ (1 << random() % 8));
    }
    {
      std::ofstream file(path, std::ios::binary);
      file.write(damaged.data(), static_cast<std::streamsize>(damaged.size()));
    }
    auto result = pool::open(path, options);
    if (!result) {
      ++reported;
      ASSERT_TRUE(result.error() == tide::pool_errc::truncated || result.error() == tide::pool_errc::corrupt_header)
          << result.error().message();
      continue;
    }
    ++opened;
    use(*result, random);
    if (HasFatalFailure()) FAIL() << "mutation " << mutation;
  }
  EXPECT_GT(opened, 100);
  RecordProperty("opened", opened);
  RecordProperty("reported", reported);
}

// Damage while the pool is open: a neighbour that writes where it should not.
TEST(PoolDamage, MutationsUnderAnOpenPoolStayInBounds) {
  const tide_test::scratch directory;
  const auto path = directory / "a.pool";
  std::mt19937 random(98);
  for (int round = 0; round < 200; ++round) {
    std::filesystem::remove(path);
    auto open_pool = pool::open(path, options).value();
    std::vector<block> held;
    for (int count = 0; count < 20; ++count) held.push_back(open_pool.allocate().value());
    for (int count = 0; count < 30; ++count) {
      const auto value = static_cast<char>(random());
      const std::uint64_t at = random() % 8 == 0 ? 8192 + 64 + random() % 64 : 16384 + random() % (32 * 64);
      tide_test::overwrite(path, at, &value, 1);
    }
    for (block& each : held) {
      ASSERT_LE(each.size(), each.capacity());
      if (random() % 2 == 0)
        each.release();
      else
        each.persist();
    }
    held.clear();
    std::size_t taken = 0;
    for (auto each = open_pool.allocate(); each && taken < 1000; each = open_pool.allocate(), ++taken) {
      std::memset(each->data(), 3, each->size());
      each->release();
    }
    const auto audit = open_pool.audit();
    ASSERT_LE(audit.blocks, open_pool.maximum_blocks());
  }
}

TEST(PoolDamage, ADamagedRecordIsReportedAndNeverHandedOut) {
  const tide_test::scratch directory;
  const auto path = directory / "a.pool";
  tide::block_handle handle;
  {
    auto made = pool::open(path, options).value();
    handle = made.make<record>(1u)->handle();
    made.make<record>(2u).value();
  }
  const std::uint64_t length = 101;  // of a block of 100 bytes
  tide_test::overwrite(path, 16384 + handle.number * 64 + 40, &length, sizeof length);
  auto opened = pool::open(path).value();
  EXPECT_EQ(opened.report().quarantined, 1U);
  EXPECT_EQ(opened.report().recovered, 1U);
  EXPECT_EQ(opened.attach(handle).error(), tide::pool_errc::stale);
  std::uint64_t sum = 0;
  for (const record& each : opened.recovered<record>()) sum += each.value;
  EXPECT_EQ(sum, 2U);
  EXPECT_EQ(opened.audit().quarantined, 1U);
  EXPECT_TRUE(opened.free(handle)) << "the owner may give it up for lost";
  EXPECT_EQ(opened.audit().quarantined, 0U);
}

}  // namespace
