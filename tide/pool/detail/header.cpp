#include <tide/pool/detail/header.hpp>

#include <algorithm>
#include <bit>
#include <cstring>

#include <tide/base/crc32c.hpp>
#include <tide/pool/detail/file.hpp>
#include <tide/pool/error.hpp>

namespace tide::pool_detail {
namespace {

/// Whether the numbers fit each other. A checksum says that they are the ones that were written, not that they make sense.
bool consistent(const header_slot& header) noexcept {
  return header.slot_bytes == sizeof(header_slot) && header.metadata_bytes == sizeof(block_metadata) &&
         header.lease_slots == lease_slots && header.metadata_offset == metadata_offset && header.maximum_blocks > 0 &&
         header.payload_offset == payload_offset_for(header.maximum_blocks) && std::has_single_bit(header.alignment) &&
         header.alignment >= 64 && header.alignment <= page && header.block_size > 0 && header.block_size <= header.stride &&
         header.stride % header.alignment == 0 && header.name_length <= name_limit &&
         header.stride <= (largest_file - header.payload_offset) / header.maximum_blocks;
}

/// How much an error of one slot says about the whole file; the most telling one is reported.
int weight(std::error_code error) noexcept {
  if (error == pool_errc::wrong_features || error == pool_errc::wrong_version) return 3;
  if (error == pool_errc::corrupt_header) return 2;
  if (error == pool_errc::wrong_magic) return 1;
  return 0;
}

}  // namespace

std::array<std::byte, sizeof(header_slot)> sealed(const header_slot& header) noexcept {
  auto bytes = std::bit_cast<std::array<std::byte, sizeof(header_slot)>>(header);
  const std::uint32_t checksum = crc32c(std::span(bytes).first(offsetof(header_slot, checksum)));
  std::memcpy(bytes.data() + offsetof(header_slot, checksum), &checksum, sizeof checksum);
  return bytes;
}

result<header_slot> read_slot(std::span<const std::byte> bytes) {
  if (std::ranges::all_of(bytes, [](std::byte each) { return each == std::byte{0}; })) return fail(pool_errc::incomplete);
  header_slot header{};
  std::memcpy(&header, bytes.data(), sizeof header);
  if (std::memcmp(header.magic, format_magic, sizeof format_magic) != 0) return fail(pool_errc::wrong_magic);
  if (crc32c(bytes.first(offsetof(header_slot, checksum))) != header.checksum) return fail(pool_errc::corrupt_header);
  if (header.version != format_version) return fail(pool_errc::wrong_version);
  if ((header.required_features & ~known_features) != 0) return fail(pool_errc::wrong_features);
  if (!consistent(header)) return fail(pool_errc::corrupt_header);
  return header;
}

result<header_found> read_header(int fd) {
  std::array<std::byte, sizeof(header_slot)> bytes[2] = {};
  std::size_t got[2] = {};
  for (unsigned slot = 0; slot < 2; ++slot) {
    const auto read = read_at(fd, header_offsets[slot], bytes[slot]);
    if (!read) return fail(read.error());
    got[slot] = *read;
  }
  const bool begins_as_pool = std::memcmp(bytes[0].data(), format_magic, sizeof format_magic) == 0;
  if (got[0] < bytes[0].size()) return fail(begins_as_pool ? pool_errc::truncated : pool_errc::wrong_magic);

  const result<header_slot> slots[2] = {read_slot(bytes[0]),
                                        got[1] == bytes[1].size() ? read_slot(bytes[1]) : fail(pool_errc::incomplete)};
  if (!slots[0] && !slots[1])
    return fail(weight(slots[0].error()) >= weight(slots[1].error()) ? slots[0].error() : slots[1].error());
  const unsigned best = !slots[0] ? 1 : !slots[1] ? 0 : slots[1]->sequence > slots[0]->sequence ? 1 : 0;
  return header_found{.header = *slots[best], .slot = best, .other_bad = !slots[1 - best]};
}

}  // namespace tide::pool_detail
