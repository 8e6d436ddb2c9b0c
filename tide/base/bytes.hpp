// Bytes and text: the library's buffers are spans of std::byte, protocols speak char.
//
//   stream.write_all(tide::bytes_of("hello"));
//   std::string_view line = tide::text_of(chunk.bytes());
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace tide {

using bytes_view = std::span<const std::byte>;
using bytes_span = std::span<std::byte>;

[[nodiscard]] inline bytes_view bytes_of(std::string_view text) noexcept { return std::as_bytes(std::span(text)); }

/// The same bytes seen as text; no copy, no check of any encoding.
[[nodiscard]] inline std::string_view text_of(bytes_view bytes) noexcept {
  // SAFETY: char may alias any object, and the view keeps the length; the caller keeps the bytes alive.
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace tide
