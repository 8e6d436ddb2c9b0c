// The recorded frames of the practice network, and bytes written as text, for the tests of the wire format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <tide/base/bytes.hpp>

namespace wire_fixture {

struct recorded_frame {
  unsigned host;
  std::string bytes;
};

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// u16 host, u32 length, bytes; little-endian.
inline std::vector<recorded_frame> recorded_frames() {
  const std::string data = read_file(TIDE_SOURCE_DIR "/apps/relay/practice/data/frames.bin");
  std::vector<recorded_frame> frames;
  std::size_t at = 0;
  const auto number = [&](std::size_t size) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i)
      value |= static_cast<std::uint32_t>(static_cast<unsigned char>(data[at + i])) << (8 * i);
    at += size;
    return value;
  };
  while (at + 6 <= data.size()) {
    const auto host = number(2);
    const auto size = number(4);
    frames.push_back({host, data.substr(at, size)});
    at += size;
  }
  return frames;
}

/// "a2 61 74" → three bytes; blanks are ignored.
inline std::string hex(std::string_view text) {
  std::string out;
  int high = -1;
  for (const char c : text) {
    if (c == ' ') continue;
    const int digit = c <= '9' ? c - '0' : c - 'a' + 10;
    if (high < 0) {
      high = digit;
    } else {
      out.push_back(static_cast<char>(high * 16 + digit));
      high = -1;
    }
  }
  return out;
}

/// A text of at most 23 bytes, or 24 to 255, as CBOR.
inline std::string text(std::string_view value) {
  std::string out;
  if (value.size() < 24) {
    out.push_back(static_cast<char>(0x60 + value.size()));
  } else {
    out.push_back('\x78');
    out.push_back(static_cast<char>(value.size()));
  }
  return out.append(value);
}

}  // namespace wire_fixture
