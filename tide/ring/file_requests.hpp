// The requests that only files know, beside ring::request::read and write:
//
//   ring.start(op, tide::ring::file_requests::sync(fd, true));
//
// Every kernel from the floor (6.1) on takes them, but truncate (6.9, ring::features::truncate). What a request names
// (paths, pieces, places for results) stays valid until the operation's last completion.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstdint>
#include <span>

#include <tide/ring/request.hpp>

struct open_how;
struct statx;

namespace tide::ring::file_requests {

/// openat2(2).
request open(int at, const char* path, open_how* how) noexcept;
/// statx(2); an empty path with AT_EMPTY_PATH: of `at` itself.
request status(int at, const char* path, int flags, unsigned mask, struct statx* into) noexcept;
request read_vectored(int fd, std::span<const iovec> pieces, std::uint64_t offset) noexcept;
request write_vectored(int fd, std::span<const iovec> pieces, std::uint64_t offset) noexcept;
/// fsync(2), or fdatasync(2) for `data_only`.
request sync(int fd, bool data_only) noexcept;
/// sync_file_range(2); a size of 0, or above 4 GiB: to the end of the file.
request sync_range(int fd, std::uint64_t offset, std::uint64_t size, int flags) noexcept;
/// fallocate(2).
request allocate(int fd, int mode, std::uint64_t offset, std::uint64_t size) noexcept;
request truncate(int fd, std::uint64_t size) noexcept;
/// posix_fadvise(3); a size of 0, or above 4 GiB: to the end of the file.
request advise(int fd, std::uint64_t offset, std::uint64_t size, int advice) noexcept;
/// renameat2(2).
request rename(int from_at, const char* from, int to_at, const char* to, unsigned flags) noexcept;
/// unlinkat(2).
request unlink(int at, const char* path, int flags) noexcept;
request make_directory(int at, const char* path, mode_t mode) noexcept;
/// linkat(2).
request link(int from_at, const char* from, int to_at, const char* to, int flags) noexcept;
request symlink(const char* target, int at, const char* path) noexcept;
/// splice(2); an offset of -1: the descriptor's own position, and the only choice for a pipe.
request splice(int from, std::int64_t from_offset, int to, std::int64_t to_offset, unsigned size, unsigned flags) noexcept;

}  // namespace tide::ring::file_requests
