#include <tide/base/crc32c.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace tide {
namespace {

constexpr std::uint32_t polynomial = 0x82f63b78U;  // x^32 + x^28 + … + 1, bits reversed

using byte_table = std::array<std::uint32_t, 256>;

/// tables[k][b] is the checksum of the byte b followed by k zero bytes: eight bytes are then eight look-ups.
constexpr std::array<byte_table, 8> make_tables() {
  std::array<byte_table, 8> tables{};
  for (std::uint32_t value = 0; value < 256; ++value) {
    std::uint32_t crc = value;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? polynomial : 0U);
    tables[0][value] = crc;
  }
  for (std::size_t zeros = 1; zeros < tables.size(); ++zeros) {
    for (std::size_t value = 0; value < 256; ++value) {
      const std::uint32_t crc = tables[zeros - 1][value];
      tables[zeros][value] = (crc >> 8U) ^ tables[0][crc & 0xffU];
    }
  }
  return tables;
}

constexpr auto tables = make_tables();

std::uint64_t load(const std::byte* from) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, from, sizeof word);
  if constexpr (std::endian::native == std::endian::big) word = std::byteswap(word);
  return word;
}

std::uint32_t step(std::uint32_t crc, std::byte value) noexcept {
  return (crc >> 8U) ^ tables[0][(crc ^ std::to_integer<std::uint32_t>(value)) & 0xffU];
}

#if defined(__x86_64__)

constexpr std::size_t lane = 512;  // bytes; the instruction has a latency of three cycles, so three lanes keep it busy

/// The linear map "append `lane` zero bytes" of a checksum register, one table for each of its four bytes. The map of a
/// word is the exclusive or of the maps of its bits, so it is enough to move each bit through the zeros.
constexpr std::array<byte_table, 4> make_shift() {
  std::array<std::uint32_t, 32> moved{};
  for (std::uint32_t bit = 0; bit < 32; ++bit) {
    std::uint32_t crc = 1U << bit;
    for (std::size_t zero = 0; zero < lane; ++zero) crc = (crc >> 8U) ^ tables[0][crc & 0xffU];
    moved[bit] = crc;
  }
  std::array<byte_table, 4> shift{};
  for (std::uint32_t place = 0; place < 4; ++place) {
    for (std::uint32_t value = 0; value < 256; ++value) {
      for (std::uint32_t bit = 0; bit < 8; ++bit) {
        if ((value >> bit & 1U) != 0) shift[place][value] ^= moved[place * 8 + bit];
      }
    }
  }
  return shift;
}

constexpr auto shift_tables = make_shift();

std::uint32_t shift(std::uint32_t crc) noexcept {
  return shift_tables[0][crc & 0xffU] ^ shift_tables[1][crc >> 8U & 0xffU] ^ shift_tables[2][crc >> 16U & 0xffU] ^
         shift_tables[3][crc >> 24U];
}

__attribute__((target("sse4.2"))) std::uint32_t with_instruction(bytes_view bytes, std::uint32_t before) noexcept {
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t crc = ~before;
  while (left >= 3 * lane) {
    std::uint64_t second = 0;
    std::uint64_t third = 0;
    for (std::size_t offset = 0; offset < lane; offset += 8) {
      crc = _mm_crc32_u64(crc, load(at + offset));
      second = _mm_crc32_u64(second, load(at + lane + offset));
      third = _mm_crc32_u64(third, load(at + 2 * lane + offset));
    }
    crc = shift(shift(static_cast<std::uint32_t>(crc)) ^ static_cast<std::uint32_t>(second)) ^
          static_cast<std::uint32_t>(third);
    at += 3 * lane;
    left -= 3 * lane;
  }
  for (; left >= 8; at += 8, left -= 8) crc = _mm_crc32_u64(crc, load(at));
  auto narrow = static_cast<std::uint32_t>(crc);
  for (; left > 0; ++at, --left) narrow = _mm_crc32_u8(narrow, std::to_integer<unsigned char>(*at));
  return ~narrow;
}

#endif

}  // namespace

namespace crc32c_ways {

std::uint32_t table(bytes_view bytes, std::uint32_t before) noexcept {
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint32_t crc = ~before;
  for (; left >= 8; at += 8, left -= 8) {
    const std::uint64_t word = load(at) ^ crc;
    crc = 0;
    for (std::size_t place = 0; place < 8; ++place) crc ^= tables[7 - place][word >> (8 * place) & 0xffU];
  }
  for (; left > 0; ++at, --left) crc = step(crc, *at);
  return ~crc;
}

#if defined(__x86_64__)
bool hardware_available() noexcept { return __builtin_cpu_supports("sse4.2") != 0; }
std::uint32_t hardware(bytes_view bytes, std::uint32_t before) noexcept { return with_instruction(bytes, before); }
#else
bool hardware_available() noexcept { return false; }
std::uint32_t hardware(bytes_view bytes, std::uint32_t before) noexcept { return table(bytes, before); }
#endif

}  // namespace crc32c_ways

std::uint32_t crc32c(bytes_view bytes, std::uint32_t before) noexcept {
  static const bool hardware = crc32c_ways::hardware_available();
  return hardware ? crc32c_ways::hardware(bytes, before) : crc32c_ways::table(bytes, before);
}

}  // namespace tide
