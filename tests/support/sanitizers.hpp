// Whether this build runs under a sanitizer: there some things are ten times slower, and memory is not what it is elsewhere.
//
//   constexpr int rounds = support::sanitized ? 1'000 : 10'000;
#pragma once

namespace support {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif

}  // namespace support
