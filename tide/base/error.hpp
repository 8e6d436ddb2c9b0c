// The errors that are the library's own, beside those of the kernel: tide::errc in tide::error_category().
//
//   auto chunk = co_await tide::timeout(5s, stream.receive());
//   if (!chunk && chunk.error() == tide::errc::timed_out) …
//
// Cancelled and timed out are different errors, and neither is ever the kernel's ECANCELED or ETIMEDOUT.
#pragma once

#include <system_error>
#include <type_traits>

namespace tide {

enum class errc {
  canceled = 1,      ///< the surrounding scope was told to stop
  timed_out,         ///< a tide::timeout around the operation ran out
  end_of_stream,     ///< the other end closed in good order before the bytes that were asked for
  closed,            ///< the object was closed on this side
  limit_exceeded,    ///< a limit named in an options struct was passed
  malformed,         ///< foreign bytes that do not follow their format
  not_supported,     ///< the kernel or the build lacks what the call needs
  io_uring_denied,   ///< the kernel refuses io_uring to this process (sysctl kernel.io_uring_disabled, or a seccomp filter)
  no_memory_locked,  ///< RLIMIT_MEMLOCK is too low for a ring's memory, or what is registered with it
  no_io_uring,       ///< the kernel has no io_uring, or one older than Linux 6.1
  wrong_executor,    ///< used on another executor than the one it belongs to
  other_process,     ///< made by the process that forked this one, and of no use here
};

[[nodiscard]] const std::error_category& error_category() noexcept;
[[nodiscard]] std::error_code make_error_code(errc code) noexcept;

}  // namespace tide

template <>
struct std::is_error_code_enum<tide::errc> : std::true_type {};
