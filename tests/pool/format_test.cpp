#include <tide/pool/pool.hpp>

#include <gtest/gtest.h>

#include <cstring>

#include <tide/base/crc32c.hpp>

#include "support.hpp"

namespace tide_test_format {

struct session_state {
  std::uint64_t id;
  std::uint64_t bytes;
};
struct named {
  static constexpr std::string_view tide_schema = "session_state/2";
  std::uint64_t id;
};

}  // namespace tide_test_format

namespace {

template <class T>
T at(const std::vector<char>& file, std::size_t offset) {
  T value{};
  std::memcpy(&value, file.data() + offset, sizeof value);
  return value;
}

// The numbers here are those of docs/pool-format.md, written out again: a change of the format must change all three.
TEST(PoolFormat, BytesAreWhereTheDocumentSays) {
  const tide_test::scratch directory;
  const auto path = directory / "a.pool";
  std::array<std::byte, 16> uuid{};
  tide::block_handle handle;
  {
    auto pool = tide::pool::open(
        path, {.name = "golden", .block_size = 100, .maximum_blocks = 70, .initial_blocks = 4, .growth_blocks = 2});
    ASSERT_TRUE(pool);
    std::ranges::copy(pool->uuid(), uuid.begin());
    auto first = pool->allocate(tide::block_kind::recoverable, 5);
    std::memcpy(first->data(), "hello", 5);
    first->set_id({std::byte{0xab}});
    first->seal();
    handle = first->handle();
    auto second = pool->allocate(tide::block_kind::non_recoverable, 1);
    second->persist();
    pool->allocate()->release();
  }
  const auto file = tide_test::contents(path);
  ASSERT_EQ(file.size(), 24576U + 4 * 128U);
  unsigned newest = 0;
  for (const unsigned slot : {0U, 4096U}) {
    EXPECT_EQ(std::memcmp(file.data() + slot, "TIDEPOOL", 8), 0);
    EXPECT_EQ(at<std::uint32_t>(file, slot + 8), 1U);
    EXPECT_EQ(at<std::uint32_t>(file, slot + 12), 512U);
    EXPECT_EQ(at<std::uint64_t>(file, slot + 24), 0U);
    EXPECT_EQ(std::memcmp(file.data() + slot + 32, uuid.data(), 16), 0);
    EXPECT_EQ(at<std::uint64_t>(file, slot + 48), 0U);
    EXPECT_EQ(at<std::uint64_t>(file, slot + 56), 100U);
    EXPECT_EQ(at<std::uint64_t>(file, slot + 64), 128U);
    EXPECT_EQ(at<std::uint32_t>(file, slot + 72), 64U);
    EXPECT_EQ(at<std::uint32_t>(file, slot + 76), 70U);
    EXPECT_EQ(at<std::uint64_t>(file, slot + 80), 16384U);
    EXPECT_EQ(at<std::uint64_t>(file, slot + 88), 24576U);
    EXPECT_EQ(at<std::uint32_t>(file, slot + 96), 64U);
    EXPECT_EQ(at<std::uint32_t>(file, slot + 100), 16U);
    EXPECT_EQ(at<std::uint32_t>(file, slot + 116), 6U);
    EXPECT_EQ(std::memcmp(file.data() + slot + 120, "golden\0", 7), 0);
    EXPECT_EQ(at<std::uint32_t>(file, slot + 184), 2U);
    EXPECT_EQ(at<std::uint32_t>(file, slot + 508), tide::crc32c(std::as_bytes(std::span(file).subspan(slot, 508))));
    if (at<std::uint64_t>(file, slot + 16) > at<std::uint64_t>(file, newest + 16)) newest = slot;
  }
  EXPECT_EQ(at<std::uint32_t>(file, newest + 112), 1U) << "closed in good order";
  EXPECT_EQ(at<std::uint32_t>(file, 8192 + 64), 4U);
  for (unsigned lease = 0; lease < 16; ++lease) EXPECT_EQ(at<std::uint64_t>(file, 12288 + lease * 128), 0U);

  const std::size_t first = 16384 + handle.number * 64;
  EXPECT_EQ(at<std::uint64_t>(file, first), 0x10000U) << "recoverable, generation 0, held by nobody";
  EXPECT_EQ(at<std::uint64_t>(file, first + 8), 1U);
  EXPECT_EQ(static_cast<unsigned char>(file[first + 16]), 0xabU);
  EXPECT_EQ(at<std::uint64_t>(file, first + 32), 0U);
  EXPECT_EQ(at<std::uint64_t>(file, first + 40), 5U);
  EXPECT_EQ(at<std::uint64_t>(file, first + 48), 0x100000000U | tide::crc32c(tide::bytes_of("hello")));
  EXPECT_EQ(at<std::uint64_t>(file, first + 56), at<std::uint64_t>(file, 8192 + 72));
  EXPECT_EQ(std::memcmp(file.data() + 24576 + handle.number * 128, "hello", 5), 0);
  EXPECT_EQ(at<std::uint64_t>(file, first + 64), 0x20000U) << "non-recoverable, detached";
  EXPECT_EQ(at<std::uint64_t>(file, first + 128), std::uint64_t{1} << 19U) << "free, freed once";
}

// Fixed for ever: these ids stand in files that other builds wrote.
TEST(PoolFormat, TypeIdsDoNotDependOnTheCompiler) {
  EXPECT_EQ(tide::pool_detail::type_name<tide_test_format::session_state>(), "tide_test_format::session_state");
  EXPECT_EQ(tide::pool::type_of<tide_test_format::session_state>().id, 986199475077873350U);
  EXPECT_EQ(tide::pool::type_of<tide_test_format::named>().id, 2533732670701362348U);
  EXPECT_EQ(tide::pool::type_of<tide_test_format::session_state>().size, 16U);
  EXPECT_EQ(tide::pool::type_of<tide_test_format::session_state>().alignment, 8U);
}

}  // namespace
