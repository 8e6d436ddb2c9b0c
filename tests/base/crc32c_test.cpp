#include <tide/base/crc32c.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <random>
#include <vector>

namespace {

std::vector<std::byte> filled(std::size_t size, unsigned char value) {
  return std::vector<std::byte>(size, std::byte{value});
}

std::vector<std::byte> random_bytes(std::size_t size, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<std::byte> bytes(size);
  for (auto& each : bytes) each = static_cast<std::byte>(generator() & 0xffU);
  return bytes;
}

struct way {
  const char* name;
  std::uint32_t (*compute)(tide::bytes_view, std::uint32_t);
};

std::vector<way> ways() {
  std::vector<way> all{{"table", tide::crc32c_ways::table}, {"dispatched", tide::crc32c}};
  if (tide::crc32c_ways::hardware_available()) all.push_back({"hardware", tide::crc32c_ways::hardware});
  return all;
}

// Appendix B.4 of RFC 3720, and the check value of the catalogue of CRC algorithms.
TEST(Crc32c, GivesThePublishedVectors) {
  std::vector<std::byte> ascending(32);
  std::vector<std::byte> descending(32);
  for (std::size_t i = 0; i < 32; ++i) {
    ascending[i] = static_cast<std::byte>(i);
    descending[i] = static_cast<std::byte>(31 - i);
  }
  constexpr std::array<unsigned char, 48> command{0x01, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
                                                  0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00,
                                                  0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18, 0x28, 0x00, 0x00, 0x00,
                                                  0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00};
  for (const auto& [name, compute] : ways()) {
    EXPECT_EQ(compute({}, 0), 0U) << name;
    EXPECT_EQ(compute(tide::bytes_of("123456789"), 0), 0xe3069283U) << name;
    EXPECT_EQ(compute(filled(32, 0x00), 0), 0x8a9136aaU) << name;
    EXPECT_EQ(compute(filled(32, 0xff), 0), 0x62a8ab43U) << name;
    EXPECT_EQ(compute(ascending, 0), 0x46dd794eU) << name;
    EXPECT_EQ(compute(descending, 0), 0x113fdb5cU) << name;
    EXPECT_EQ(compute(std::as_bytes(std::span(command)), 0), 0xd9963a56U) << name;
  }
}

TEST(Crc32c, HardwareAndTableAgreeAtEveryAlignmentAndLength) {
  if (!tide::crc32c_ways::hardware_available()) GTEST_SKIP() << "this processor has no CRC32C instruction";
  const auto bytes = random_bytes(8192, 7);
  for (std::size_t alignment = 0; alignment < 64; ++alignment) {
    for (std::size_t length = 0; length <= 300; ++length) {
      const auto part = std::span(bytes).subspan(alignment, length);
      ASSERT_EQ(tide::crc32c_ways::hardware(part), tide::crc32c_ways::table(part)) << alignment << " " << length;
    }
  }
  for (std::size_t length = 1400; length <= 1700; ++length) {  // around the length at which three lanes begin
    const auto part = std::span(bytes).subspan(3, length);
    ASSERT_EQ(tide::crc32c_ways::hardware(part, 0x12345678U), tide::crc32c_ways::table(part, 0x12345678U)) << length;
  }
  EXPECT_EQ(tide::crc32c_ways::hardware(bytes), tide::crc32c_ways::table(bytes));
}

TEST(Crc32c, PiecesGiveTheSameAsTheWhole) {
  const auto bytes = random_bytes(5000, 11);
  for (const auto& [name, compute] : ways()) {
    const std::uint32_t whole = compute(bytes, 0);
    for (std::size_t cut = 0; cut <= bytes.size(); cut += 61) {
      const auto all = std::span(bytes);
      ASSERT_EQ(compute(all.subspan(cut), compute(all.first(cut), 0)), whole) << name << " " << cut;
    }
  }
}

TEST(Crc32c, SeesEverySingleBit) {
  auto bytes = random_bytes(600, 13);
  const std::uint32_t whole = tide::crc32c(bytes);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= std::byte{1} << static_cast<int>(bit % 8);
    ASSERT_NE(tide::crc32c(bytes), whole) << bit;
    bytes[bit / 8] ^= std::byte{1} << static_cast<int>(bit % 8);
  }
}

}  // namespace
