// How a pool is opened, and what opening found.
//
//   tide::pool::open("log.pool", {.mode = tide::pool_mode::open_existing, .name = "event log"});
//   tide::pool::open("log.pool", {.block_size = 1 << 20, .maximum_blocks = 256, .alignment = 4096});
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <tide/pool/type.hpp>

namespace tide {

enum class pool_mode : std::uint8_t {
  open_or_create,
  open_existing,     ///< no file: the kernel's ENOENT
  create_exclusive,  ///< a file stands there, whatever it is: the kernel's EEXIST
};

/// What is left at zero or empty is not asked for: an existing pool keeps what it was created with, a new one takes the
/// default. What is given must match an existing pool (wrong_name, wrong_type, wrong_size).
struct pool_options {
  pool_mode mode = pool_mode::open_or_create;
  std::string_view name{};           ///< at most 63 bytes
  pool_type type{};                  ///< what the blocks hold; default: any bytes
  std::size_t block_size = 0;        ///< bytes a block offers; default: type.size
  std::uint32_t maximum_blocks = 0;  ///< default: 2^20. Address space and a sparse file are laid out for this many.
  std::uint32_t initial_blocks = 0;  ///< new pools only; default: one growth step
  std::uint32_t growth_blocks = 0;   ///< new pools only: blocks a growth step adds; default: an eighth, at least 1 MiB
  std::uint32_t alignment = 0;       ///< of every block's bytes: a power of two from 64 (the default) to 4096
  bool alone = false;                ///< refuse (busy) when another process has the pool open, and refuse later ones
  std::chrono::milliseconds patience{10'000};  ///< how long to wait for another process that is just opening: then busy
  unsigned permissions = 0600;                 ///< of a new file, under the umask
};

/// What opening found.
struct pool_report {
  bool created = false;           ///< the file did not exist
  bool joined = false;            ///< others have the pool open: nothing was recovered
  bool was_clean = false;         ///< the last process closed the pool in good order
  bool header_damaged = false;    ///< one of the two headers was damaged; the other one was used
  std::uint32_t recovered = 0;    ///< recoverable blocks found in use
  std::uint32_t freed = 0;        ///< blocks of the dead that are not recoverable
  std::uint32_t quarantined = 0;  ///< blocks whose record is damaged: never handed out, see pool::audit
};

/// Every block counted once; consistent when nobody changes the pool meanwhile.
struct pool_audit {
  std::uint32_t blocks = 0;
  std::uint32_t free = 0;
  std::uint32_t held = 0;      ///< in use by a living process
  std::uint32_t detached = 0;  ///< in use, held by nobody
  std::uint32_t orphaned = 0;  ///< held by a process that died; pool::reclaim takes them back
  std::uint32_t retired = 0;   ///< out of generations
  std::uint32_t quarantined = 0;
  std::uint32_t contradictory = 0;  ///< free and yet held, or of no known state: damage while the pool was open

  [[nodiscard]] bool consistent() const noexcept {
    return contradictory == 0 && free + held + detached + orphaned + retired + quarantined == blocks;
  }
  friend bool operator==(const pool_audit&, const pool_audit&) = default;
};

}  // namespace tide
