// Bytes that tell when a piece of a stream is lost, doubled or out of place.
#pragma once

#include <cstddef>
#include <string>

#include <tide/base/bytes.hpp>

namespace support {

/// Byte number `at` of the stream.
inline char pattern(std::size_t at) { return static_cast<char>((at * 31 + at / 251 + at / 65'521) % 256); }

inline std::string patterned(std::size_t from, std::size_t size) {
  std::string text(size, ' ');
  for (std::size_t i = 0; i < size; ++i) text[i] = pattern(from + i);
  return text;
}

inline bool fits(std::size_t from, tide::bytes_view bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (static_cast<char>(bytes[i]) != pattern(from + i)) return false;
  }
  return true;
}

}  // namespace support
