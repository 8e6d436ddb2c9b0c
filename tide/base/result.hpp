// Errors are values. Every call of the library that can fail at run time returns tide::result<T>:
//
//   tide::result<int> parse(std::string_view text);
//   auto port = parse("80");
//   if (!port) return tide::fail(port.error());      // hand the error on
//   if (port.error() == tide::errc::canceled) …      // or look at it
//
// Errors of the kernel are std::error_code in std::system_category(); our own are tide::errc (see error.hpp).
#pragma once

#include <expected>
#include <system_error>

#include <tide/base/error.hpp>

namespace tide {

template <class T = void>
using result = std::expected<T, std::error_code>;

/// An error to return from a function whose result is any result<T>.
[[nodiscard]] inline std::unexpected<std::error_code> fail(std::error_code code) noexcept {
  return std::unexpected<std::error_code>(code);
}
[[nodiscard]] inline std::unexpected<std::error_code> fail(errc code) noexcept { return fail(make_error_code(code)); }

/// The error of a system call; `number` is errno, or its negative as completions carry it.
[[nodiscard]] inline std::unexpected<std::error_code> fail_errno(int number) noexcept {
  return fail(std::error_code(number < 0 ? -number : number, std::system_category()));
}

}  // namespace tide
