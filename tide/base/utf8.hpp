// UTF-8 check: what RFC 3629 allows, no more (no overlong forms, no surrogates, nothing above U+10FFFF).
//
//   if (!tide::valid_utf8(tide::text_of(payload))) return tide::fail(tide::errc::malformed);
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace tide {

/// True when the whole text is valid UTF-8. Looks at each byte once; eight ASCII bytes at a time.
[[nodiscard]] inline bool valid_utf8(std::string_view text) noexcept {
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto tail = [&](const char* p, unsigned char low, unsigned char high) {
    const auto c = static_cast<unsigned char>(*p);
    return c >= low && c <= high;
  };
  while (at != end) {
    if (end - at >= 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, at, sizeof word);
      if ((word & 0x8080808080808080u) == 0) {
        at += 8;
        continue;
      }
    }
    const auto lead = static_cast<unsigned char>(*at);
    if (lead < 0x80) {
      ++at;
    } else if (lead >= 0xc2 && lead <= 0xdf) {
      if (end - at < 2 || !tail(at + 1, 0x80, 0xbf)) return false;
      at += 2;
    } else if (lead >= 0xe0 && lead <= 0xef) {
      const unsigned char low = lead == 0xe0 ? 0xa0 : 0x80;
      const unsigned char high = lead == 0xed ? 0x9f : 0xbf;
      if (end - at < 3 || !tail(at + 1, low, high) || !tail(at + 2, 0x80, 0xbf)) return false;
      at += 3;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      const unsigned char low = lead == 0xf0 ? 0x90 : 0x80;
      const unsigned char high = lead == 0xf4 ? 0x8f : 0xbf;
      if (end - at < 4 || !tail(at + 1, low, high) || !tail(at + 2, 0x80, 0xbf) || !tail(at + 3, 0x80, 0xbf)) return false;
      at += 4;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace tide
