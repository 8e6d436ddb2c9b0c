// Why a recording was refused: relay::practice::practice_errc in its own error category. What is wrong with a frame itself
// is said by wire::wire_errc.
//
//   auto frames = frame_file::load("frames.bin");
//   if (!frames) std::println(stderr, "{}", frames.error().message());      // "a record runs past the end of the file", …
#pragma once

#include <system_error>

namespace tide::relay::practice {

enum class practice_errc {
  no_frames = 1,     ///< an empty file
  truncated_record,  ///< a record's head or frame runs past the end
  missing_host,      ///< host numbers are not 0, 1, 2 … without a gap
};

[[nodiscard]] const std::error_category& practice_category() noexcept;
[[nodiscard]] std::error_code make_error_code(practice_errc code) noexcept;

}  // namespace tide::relay::practice

template <>
struct std::is_error_code_enum<tide::relay::practice::practice_errc> : std::true_type {};
