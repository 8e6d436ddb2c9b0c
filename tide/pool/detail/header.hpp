// Reading and writing the two header slots.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <tide/base/result.hpp>
#include <tide/pool/detail/format.hpp>

namespace tide::pool_detail {

struct header_found {
  header_slot header{};
  unsigned slot = 0;       ///< 0 or 1: where it stands
  bool other_bad = false;  ///< the other copy is damaged
};

/// What one slot holds: the header, or why it cannot be used.
[[nodiscard]] result<header_slot> read_slot(std::span<const std::byte> bytes);

/// The header of a file, read without mapping or writing it. Errors: wrong_magic, wrong_version, wrong_features, incomplete,
/// corrupt_header, truncated.
[[nodiscard]] result<header_found> read_header(int fd);

/// The bytes of a slot, with the checksum computed.
[[nodiscard]] std::array<std::byte, sizeof(header_slot)> sealed(const header_slot& header) noexcept;

/// Bytes of the file when it holds `blocks` blocks; the mapping has the size for the maximum.
[[nodiscard]] constexpr std::uint64_t file_size_for(const header_slot& header, std::uint64_t blocks) noexcept {
  return header.payload_offset + blocks * header.stride;
}

}  // namespace tide::pool_detail
