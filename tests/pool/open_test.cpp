#include <tide/pool/pool.hpp>

#include <gtest/gtest.h>

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include <tide/base/crc32c.hpp>

#include "support.hpp"

namespace {

using tide::pool;
using tide::pool_errc;
using tide::pool_mode;
using tide_test::contents;

struct point {
  std::uint64_t x;
  std::uint64_t y;
};
struct other_point {
  std::uint64_t x;
  std::uint64_t y;
};

const tide::pool_options small{.name = "small", .block_size = 100, .maximum_blocks = 64, .initial_blocks = 16};

std::error_code error_of(const tide::result<pool>& opened) { return opened ? std::error_code() : opened.error(); }

TEST(PoolOpen, ModesSayWhatTheyDo) {
  const tide_test::scratch directory;
  const auto path = directory / "a.pool";
  EXPECT_EQ(error_of(pool::open(path, {.mode = pool_mode::open_existing})), std::errc::no_such_file_or_directory);
  EXPECT_FALSE(std::filesystem::exists(path));
  {
    auto created = pool::open(path, {.mode = pool_mode::create_exclusive, .block_size = 8});
    ASSERT_TRUE(created);
    EXPECT_TRUE(created->report().created);
    EXPECT_FALSE(created->report().joined);
  }
  EXPECT_EQ(error_of(pool::open(path, {.mode = pool_mode::create_exclusive, .block_size = 8})), std::errc::file_exists);
  auto opened = pool::open(path, {.mode = pool_mode::open_existing});
  ASSERT_TRUE(opened);
  EXPECT_FALSE(opened->report().created);
  EXPECT_TRUE(opened->report().was_clean);
}

TEST(PoolOpen, OptionsThatNoPoolCanHaveAreRefused) {
  const tide_test::scratch directory;
  const auto refused = [&](const tide::pool_options& options) {
    const auto path = directory / "never.pool";
    return error_of(pool::open(path, options)) == pool_errc::invalid_options && !std::filesystem::exists(path);
  };
  const std::string longest(63, 'n');
  const std::string too_long(64, 'n');
  EXPECT_TRUE(refused({}));  // no size
  EXPECT_TRUE(refused({.name = too_long, .block_size = 8}));
  EXPECT_TRUE(refused({.block_size = 8, .alignment = 96}));
  EXPECT_TRUE(refused({.block_size = 8, .alignment = 8192}));
  EXPECT_TRUE(refused({.type = pool::type_of<point>(), .block_size = 8}));
  EXPECT_TRUE(refused({.block_size = 8, .maximum_blocks = 4, .initial_blocks = 5}));
  EXPECT_TRUE(refused({.block_size = std::size_t{1} << 45U, .maximum_blocks = 1U << 20U}));
  EXPECT_TRUE(refused({.block_size = ~std::size_t{0}}));
  EXPECT_TRUE(pool::open(directory / "longest.pool", {.name = longest, .block_size = 8}));
  EXPECT_EQ(pool::open(directory / "longest.pool")->name(), longest);
  EXPECT_EQ(error_of(pool::open(directory / "longest.pool", {.name = too_long})), pool_errc::invalid_options);
}

TEST(PoolOpen, NamesMayBeAnyBytesAndPrefixesDiffer) {
  const tide_test::scratch directory;
  const auto path = directory / "a.pool";
  ASSERT_TRUE(pool::open(path, {.name = "größe\n", .block_size = 8}));
  EXPECT_EQ(pool::open(path)->name(), "größe\n");
  EXPECT_EQ(error_of(pool::open(path, {.name = "größe"})), pool_errc::wrong_name);
  EXPECT_EQ(error_of(pool::open(path, {.name = "größe\n2"})), pool_errc::wrong_name);
}

TEST(PoolOpen, EachMismatchHasItsErrorAndTouchesNothing) {
  const tide_test::scratch directory;
  const auto path = directory / "a.pool";
  {
    auto made = pool::open(path, {.name = "a", .type = pool::type_of<point>(), .maximum_blocks = 64});
    ASSERT_TRUE(made);
    ASSERT_TRUE(made->make<point>(1u, 2u));
  }
  const auto before = contents(path);
  EXPECT_EQ(error_of(pool::open(path, {.name = "b"})), pool_errc::wrong_name);
  EXPECT_EQ(error_of(pool::open(path, {.type = pool::type_of<other_point>()})), pool_errc::wrong_type);
  EXPECT_EQ(error_of(pool::open(path, {.block_size = 24})), pool_errc::wrong_size);
  EXPECT_EQ(error_of(pool::open(path, {.maximum_blocks = 65})), pool_errc::wrong_size);
  EXPECT_EQ(error_of(pool::open(path, {.alignment = 4096})), pool_errc::wrong_size);
  EXPECT_EQ(contents(path), before);
  EXPECT_TRUE(pool::open(path, {.name = "a", .type = pool::type_of<point>(), .block_size = 16, .maximum_blocks = 64}));
}

TEST(PoolOpen, AForeignFileIsNotAPoolAndStaysAsItIs) {
  const tide_test::scratch directory;
  for (const std::size_t size : {0U, 1U, 7U, 8U, 511U, 512U, 4096U, 20000U}) {
    const auto path = directory / "notes.txt";
    std::ofstream(path, std::ios::binary) << std::string(size, 'x');
    const auto before = contents(path);
    EXPECT_EQ(error_of(pool::open(path, small)), pool_errc::wrong_magic) << size;
    EXPECT_EQ(contents(path), before) << size;
  }
  EXPECT_EQ(error_of(pool::open(directory.path(), small)), std::errc::is_a_directory);
}

/// A header changed in the middle and sealed again, in both slots.
void change_header(const std::filesystem::path& path, std::size_t offset, std::uint32_t value) {
  for (const std::uint64_t slot : {0U, 4096U}) {
    auto file = contents(path);
    std::memcpy(file.data() + slot + offset, &value, sizeof value);
    const std::uint32_t checksum = tide::crc32c(std::as_bytes(std::span(file).subspan(slot, 508)));
    std::memcpy(file.data() + slot + 508, &checksum, sizeof checksum);
    tide_test::overwrite(path, slot, file.data() + slot, 512);
  }
}

TEST(PoolOpen, FutureVersionsAndFeaturesAreRefused) {
  const tide_test::scratch directory;
  const auto path = directory / "a.pool";
  ASSERT_TRUE(pool::open(path, small));
  change_header(path, 8, 2);
  EXPECT_EQ(error_of(pool::open(path)), pool_errc::wrong_version);
  change_header(path, 8, 0x01000000);  // the version of a machine of the other byte order
  EXPECT_EQ(error_of(pool::open(path)), pool_errc::wrong_version);
  change_header(path, 8, 1);
  change_header(path, 24, 1);
  EXPECT_EQ(error_of(pool::open(path)), pool_errc::wrong_features);
  change_header(path, 24, 0);
  change_header(path, 28, 0xffffffff);  // optional features are nobody's business
  EXPECT_TRUE(pool::open(path));
}

TEST(PoolOpen, NumbersThatContradictEachOtherAreRefusedEvenWithARightChecksum) {
  const tide_test::scratch directory;
  const auto path = directory / "a.pool";
  ASSERT_TRUE(pool::open(path, small));
  const auto good = contents(path);
  for (const std::size_t offset : {12U, 56U, 60U, 64U, 68U, 72U, 76U, 80U, 84U, 88U, 92U, 96U, 100U, 116U}) {
    for (const std::uint32_t value : {0xffffffffU, 0x80000001U, 3U}) {
      change_header(path, offset, value);
      const auto opened = pool::open(path);
      ASSERT_TRUE(!opened || opened->blocks() <= opened->maximum_blocks()) << offset << " " << value;
      if (!opened) {
        EXPECT_TRUE(opened.error() == pool_errc::corrupt_header || opened.error() == pool_errc::truncated)
            << opened.error().message();
      }
      tide_test::overwrite(path, 0, good.data(), good.size());
    }
  }
}

TEST(PoolOpen, EveryFlippedBitOfOneHeaderIsSurvived) {
  const tide_test::scratch directory;
  const auto path = directory / "a.pool";
  ASSERT_TRUE(pool::open(path, small));
  const auto good = contents(path);
  for (const std::size_t slot : {0U, 4096U}) {
    for (std::size_t bit = 0; bit < 512 * 8; bit += 3) {
      const char flipped = static_cast<char>(good[slot + bit / 8] ^ (1 << bit % 8));
      tide_test::overwrite(path, slot + bit / 8, &flipped, 1);
      const auto opened = pool::open(path, small);
      ASSERT_TRUE(opened) << bit << " " << opened.error().message();
      ASSERT_TRUE(opened->report().header_damaged) << bit;
      tide_test::overwrite(path, 0, good.data(), 8192);
    }
  }
}

TEST(PoolOpen, EveryFlippedBitOfBothHeadersIsReported) {
  const tide_test::scratch directory;
  const auto path = directory / "a.pool";
  ASSERT_TRUE(pool::open(path, small));
  const auto good = contents(path);
  for (std::size_t bit = 0; bit < 512 * 8; ++bit) {
    for (const std::size_t slot : {0U, 4096U}) {
      const char flipped = static_cast<char>(good[slot + bit / 8] ^ (1 << bit % 8));
      tide_test::overwrite(path, slot + bit / 8, &flipped, 1);
    }
    const auto opened = pool::open(path, small);
    ASSERT_FALSE(opened) << bit;
    const bool expected = opened.error() == (bit < 64 ? pool_errc::wrong_magic : pool_errc::corrupt_header);
    ASSERT_TRUE(expected) << bit << " " << opened.error().message();
    tide_test::overwrite(path, 0, good.data(), 8192);
  }
}

TEST(PoolOpen, EveryTruncationIsAnErrorAndNeverASignal) {
  const tide_test::scratch directory;
  const auto path = directory / "a.pool";
  {
    auto made = pool::open(path, {.block_size = 4096, .maximum_blocks = 256, .initial_blocks = 8, .alignment = 4096});
    ASSERT_TRUE(made);
    for (int block = 0; block < 8; ++block) ASSERT_TRUE(made->allocate());
  }
  const auto whole = contents(path);
  std::vector<std::size_t> lengths;
  for (std::size_t length = 0; length <= 4096; length += 61) lengths.push_back(length);
  for (std::size_t length = 0; length < whole.size(); length += 4096)
    lengths.insert(lengths.end(), {length, length + 1, length + 4095});
  for (const std::size_t length : lengths) {
    std::ofstream(path, std::ios::binary).write(whole.data(), static_cast<std::streamsize>(length));
    const auto opened = pool::open(path);
    ASSERT_FALSE(opened) << length;
    const bool expected = opened.error() == pool_errc::truncated || (length < 8 && opened.error() == pool_errc::wrong_magic);
    ASSERT_TRUE(expected) << length << " " << opened.error().message();
    ASSERT_EQ(contents(path).size(), length);
  }
}

TEST(PoolOpen, AFileThatGrewWithoutBeingCountedGivesItsBlocks) {
  const tide_test::scratch directory;
  const auto path = directory / "a.pool";
  ASSERT_TRUE(pool::open(path, small));
  std::filesystem::resize_file(path, std::filesystem::file_size(path) + 128 * 3 + 17);
  auto opened = pool::open(path);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->blocks(), 19U);
  EXPECT_EQ(opened->audit().free, 19U);
}

TEST(PoolOpen, AnInterruptedCreationInPlaceIsReported) {
  tide::descriptor file(::memfd_create("half", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(file.get(), 1 << 20), 0);
  EXPECT_EQ(error_of(pool::open(file.get(), small)), pool_errc::incomplete);
}

TEST(PoolOpen, ADescriptorWithoutANameIsAPoolToo) {
  tide::descriptor file(::memfd_create("pool", MFD_CLOEXEC));
  EXPECT_EQ(error_of(pool::open(file.get(), {.mode = pool_mode::open_existing})), pool_errc::wrong_magic);
  tide::block_handle handle;
  {
    auto made = pool::open(file.get(), small);
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_TRUE(made->report().created);
    auto block = made->allocate();
    ASSERT_TRUE(block);
    std::memcpy(block->data(), "kept", 4);
    handle = block->handle();
  }
  EXPECT_EQ(error_of(pool::open(file.get(), {.mode = pool_mode::create_exclusive, .block_size = 8})),
            std::errc::file_exists);
  auto again = pool::open(file.get());
  ASSERT_TRUE(again);
  EXPECT_EQ(std::memcmp(again->attach(handle)->data(), "kept", 4), 0);
}

TEST(PoolOpen, TheCleanMarkTellsADeathFromAGoodEnd) {
  const tide_test::scratch directory;
  const auto path = directory / "a.pool";
  ASSERT_TRUE(pool::open(path, small));
  EXPECT_TRUE(pool::open(path)->report().was_clean);
  tide_test::child victim([&] {
    auto opened = pool::open(path);
    ::raise(SIGKILL);
    return 0;
  });
  ASSERT_EQ(victim.wait(), -SIGKILL);
  EXPECT_FALSE(pool::open(path)->report().was_clean);
  EXPECT_TRUE(pool::open(path)->report().was_clean);
}

TEST(PoolOpen, SeveralCreatorsAtOnceMakeOnePool) {
  const tide_test::scratch directory;
  for (int round = 0; round < 10; ++round) {
    const auto path = directory / "raced.pool";
    std::filesystem::remove(path);
    std::vector<tide_test::child> openers;
    for (int each = 0; each < 4; ++each) {
      openers.emplace_back([&] {
        auto opened = pool::open(path, small);
        if (!opened) return 1;
        return opened->make<point>(1u, 1u) ? 0 : 2;
      });
    }
    for (auto& each : openers) ASSERT_EQ(each.wait(), 0);
    auto opened = pool::open(path);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->report().recovered, 4U);
  }
}

TEST(PoolOpen, WhoWantsThePoolAloneHasIt) {
  const tide_test::scratch directory;
  const auto path = directory / "a.pool";
  auto first = pool::open(path, small);
  ASSERT_TRUE(first);
  EXPECT_EQ(error_of(pool::open(path, {.alone = true})), pool_errc::busy);
  first = pool::open(directory / "b.pool", {.block_size = 8, .alone = true});
  ASSERT_TRUE(first);
  EXPECT_EQ(error_of(pool::open(directory / "b.pool")), pool_errc::busy);
  EXPECT_TRUE(pool::open(path, {.alone = true}));
}

TEST(PoolOpen, SixteenMayHaveItOpenAndTheNextIsTold) {
  const tide_test::scratch directory;
  const auto path = directory / "a.pool";
  std::vector<pool> openers;
  for (int each = 0; each < 16; ++each) {
    auto opened = pool::open(path, small);
    ASSERT_TRUE(opened) << each;
    openers.push_back(std::move(*opened));
  }
  EXPECT_EQ(error_of(pool::open(path)), pool_errc::too_many_openers);
  openers.pop_back();
  EXPECT_TRUE(pool::open(path));
}

}  // namespace
