// The errors of pools: tide::pool_errc in tide::pool_category().
//
//   auto pool = tide::pool::open("sessions.pool");
//   if (!pool && pool.error() == tide::pool_errc::wrong_magic) …   // some other file stands there; it was not touched
//
// Errors of the kernel (no such file, disk full) come as they are, in std::system_category().
#pragma once

#include <system_error>
#include <type_traits>

#include <tide/base/result.hpp>

namespace tide {

enum class pool_errc {
  wrong_magic = 1,      ///< the file is not a pool
  wrong_version,        ///< a pool of a format version that this build does not read
  wrong_features,       ///< the pool uses a format feature that this build does not know
  wrong_name,           ///< the pool has another name than the one asked for
  wrong_type,           ///< the pool or block holds another type than the one asked for
  wrong_size,           ///< block size, alignment or maximum differ from the ones asked for
  truncated,            ///< the file is shorter than its own records say
  incomplete,           ///< creation was interrupted before the header was committed
  corrupt_header,       ///< neither copy of the header is whole
  busy,                 ///< another process holds the pool, or holds the right to open it for too long
  too_many_openers,     ///< every lease is held by a living process
  invalid_options,      ///< an option that no pool can have: name over 63 bytes, size of zero, alignment not a power of two
  too_large,            ///< more bytes than a block holds
  full,                 ///< every block is in use and the pool has its maximum size
  stale,                ///< the block was freed since the handle was taken, or never existed
  held,                 ///< the block cannot be freed while somebody holds it
  too_many_references,  ///< 262,143 references of one process to one block
  foreign_process,      ///< the pool was opened before fork(): the child must open it itself
};

[[nodiscard]] const std::error_category& pool_category() noexcept;
[[nodiscard]] std::error_code make_error_code(pool_errc code) noexcept;

[[nodiscard]] inline std::unexpected<std::error_code> fail(pool_errc code) noexcept { return fail(make_error_code(code)); }

}  // namespace tide

template <>
struct std::is_error_code_enum<tide::pool_errc> : std::true_type {};
