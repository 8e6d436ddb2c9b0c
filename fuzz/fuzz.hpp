// What the fuzz targets share: an input is the bytes under test, followed by a few bytes that choose how they are fed.
//
//   const auto choice = tide_fuzz::input::from(data, size);
//   const auto whole = run(choice.bytes, {});
//   tide_fuzz::require(run(choice.bytes, choice.cuts) == whole);
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <tide/base/bytes.hpp>

namespace tide_fuzz {

/// Stops the fuzzer at this input.
inline void require(bool promise) {
  if (!promise) __builtin_trap();
}

struct input {
  tide::bytes_view bytes;
  unsigned mode = 0;               ///< the last byte
  std::array<unsigned, 4> cuts{};  ///< sizes of pieces, used over and over; from the four bytes before it

  static input from(const std::uint8_t* data, std::size_t size) {
    input out;
    const auto all = std::as_bytes(std::span(data, size));
    const std::size_t options = std::min<std::size_t>(size, 5);
    out.bytes = all.first(size - options);
    const auto chosen = all.last(options);
    if (!chosen.empty()) out.mode = std::to_integer<unsigned>(chosen.back());
    for (std::size_t i = 0; i + 1 < chosen.size(); ++i) out.cuts[i] = std::to_integer<unsigned>(chosen[i]);
    return out;
  }

  /// The bytes in pieces, each a heap block of exactly its size, so that a read past a piece is seen.
  [[nodiscard]] std::vector<std::vector<std::byte>> pieces() const {
    std::vector<std::vector<std::byte>> out;
    auto left = bytes;
    for (std::size_t i = 0; !left.empty(); ++i) {
      const std::size_t size = std::min<std::size_t>(left.size(), cuts[i % cuts.size()] + 1);
      out.emplace_back(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(size));
      left = left.subspan(size);
    }
    return out;
  }
};

}  // namespace tide_fuzz
