// CRC32C (Castagnoli, reflected polynomial 0x82f63b78): the checksum of pool headers, blocks and the event log.
//
//   std::uint32_t whole = tide::crc32c(bytes);
//   std::uint32_t same = tide::crc32c(tail, tide::crc32c(head));   // in pieces
//   if (tide::crc32c(bytes) != stored) return tide::fail(tide::errc::malformed);
//
// The processor's own instruction is used where it has one; the choice is made once, at run time. It finds damage; it proves
// nothing about who wrote the bytes.
#pragma once

#include <cstdint>

#include <tide/base/bytes.hpp>

namespace tide {

/// The checksum of `bytes`, or of everything so far when `before` is the checksum of what came first. Any thread.
[[nodiscard]] std::uint32_t crc32c(bytes_view bytes, std::uint32_t before = 0) noexcept;

/// The two ways to the same number, for tests and benchmarks. The hardware one may only be called where it is available.
namespace crc32c_ways {
[[nodiscard]] bool hardware_available() noexcept;
[[nodiscard]] std::uint32_t hardware(bytes_view bytes, std::uint32_t before = 0) noexcept;
[[nodiscard]] std::uint32_t table(bytes_view bytes, std::uint32_t before = 0) noexcept;
}  // namespace crc32c_ways

}  // namespace tide
