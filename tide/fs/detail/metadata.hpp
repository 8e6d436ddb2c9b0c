// What statx(2) says, as fs::metadata.
#pragma once

#include <sys/stat.h>

#include <chrono>

#include <tide/fs/file.hpp>

namespace tide::fs::detail {

inline std::chrono::sys_time<std::chrono::nanoseconds> time_of(const statx_timestamp& from) noexcept {
  return std::chrono::sys_time<std::chrono::nanoseconds>(std::chrono::seconds(from.tv_sec) +
                                                         std::chrono::nanoseconds(from.tv_nsec));
}

inline metadata metadata_of(const struct statx& from) noexcept {
  return {.size = from.stx_size,
          .allocated = from.stx_blocks * 512,
          .inode = from.stx_ino,
          .device = std::uint64_t{from.stx_dev_major} << 32U | from.stx_dev_minor,
          .links = from.stx_nlink,
          .owner = from.stx_uid,
          .group = from.stx_gid,
          .mode = from.stx_mode,
          .modified = time_of(from.stx_mtime),
          .changed = time_of(from.stx_ctime),
          .accessed = time_of(from.stx_atime),
          .born = time_of(from.stx_btime)};
}

}  // namespace tide::fs::detail
