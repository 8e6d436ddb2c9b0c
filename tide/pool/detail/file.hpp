// The file under a pool: private descriptions, space that is really allocated, record locks that die with their owner.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include <tide/base/descriptor.hpp>
#include <tide/base/result.hpp>

namespace tide::pool_detail {

/// A descriptor of the same file with an open file description of its own, so that its locks are nobody else's: those of an
/// inherited or passed descriptor are shared with whoever has it. Needs /proc.
[[nodiscard]] result<descriptor> reopen(int fd);

/// Bytes of the file.
[[nodiscard]] result<std::uint64_t> size_of(int fd);
/// Bytes of the file that have a place on the disk: less than its size when it has holes.
[[nodiscard]] result<std::uint64_t> allocated_bytes(int fd);

/// Allocates the space of [offset, offset + length), which reads as zero where it was not allocated before, and extends the
/// file over it: touching mapped memory cannot fail for want of space afterwards. A full disk is an error here.
[[nodiscard]] result<> allocate_space(int fd, std::uint64_t offset, std::uint64_t length);

/// Reads up to `into.size()` bytes; fewer only at the end of the file.
[[nodiscard]] result<std::size_t> read_at(int fd, std::uint64_t offset, std::span<std::byte> into);
[[nodiscard]] result<> write_at(int fd, std::uint64_t offset, std::span<const std::byte> bytes);

/// True when the byte's lock is now ours; false when another description holds it.
[[nodiscard]] result<bool> try_lock_byte(int fd, std::uint64_t offset);
/// Waits until the lock is ours, `pool_errc::busy` after `patience`.
[[nodiscard]] result<> lock_byte(int fd, std::uint64_t offset, std::chrono::milliseconds patience);
void unlock_byte(int fd, std::uint64_t offset) noexcept;
/// Whether another description holds the byte's lock.
[[nodiscard]] bool locked_elsewhere(int fd, std::uint64_t offset) noexcept;

/// Unlocks on every way out.
class byte_lock {
 public:
  byte_lock(int fd, std::uint64_t offset) noexcept : fd_(fd), offset_(offset) {}
  byte_lock(const byte_lock&) = delete;
  byte_lock& operator=(const byte_lock&) = delete;
  ~byte_lock() { unlock_byte(fd_, offset_); }

 private:
  int fd_;
  std::uint64_t offset_;
};

}  // namespace tide::pool_detail
