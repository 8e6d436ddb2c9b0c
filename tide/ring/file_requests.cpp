#include <tide/ring/file_requests.hpp>

#include <fcntl.h>
#include <liburing.h>
#include <linux/openat2.h>

#include <limits>

namespace tide::ring::file_requests {
namespace {

template <class Prepare>
request prepared(Prepare prepare) noexcept {
  io_uring_sqe entry{};
  prepare(&entry);
  return request::from(entry);
}

/// The field is of 32 bits; 0 stands for everything behind the offset.
unsigned short_size(std::uint64_t size) noexcept {
  return size > std::numeric_limits<unsigned>::max() ? 0 : static_cast<unsigned>(size);
}

}  // namespace

request open(int at, const char* path, open_how* how) noexcept {
  return prepared([&](io_uring_sqe* entry) { io_uring_prep_openat2(entry, at, path, how); });
}

request status(int at, const char* path, int flags, unsigned mask, struct statx* into) noexcept {
  return prepared([&](io_uring_sqe* entry) { io_uring_prep_statx(entry, at, path, flags, mask, into); });
}

request read_vectored(int fd, std::span<const iovec> pieces, std::uint64_t offset) noexcept {
  return prepared([&](io_uring_sqe* entry) {
    io_uring_prep_readv(entry, fd, pieces.data(), static_cast<unsigned>(pieces.size()), offset);
  });
}

request write_vectored(int fd, std::span<const iovec> pieces, std::uint64_t offset) noexcept {
  return prepared([&](io_uring_sqe* entry) {
    io_uring_prep_writev(entry, fd, pieces.data(), static_cast<unsigned>(pieces.size()), offset);
  });
}

request sync(int fd, bool data_only) noexcept {
  return prepared([&](io_uring_sqe* entry) { io_uring_prep_fsync(entry, fd, data_only ? IORING_FSYNC_DATASYNC : 0); });
}

request sync_range(int fd, std::uint64_t offset, std::uint64_t size, int flags) noexcept {
  return prepared([&](io_uring_sqe* entry) { io_uring_prep_sync_file_range(entry, fd, short_size(size), offset, flags); });
}

request allocate(int fd, int mode, std::uint64_t offset, std::uint64_t size) noexcept {
  return prepared([&](io_uring_sqe* entry) { io_uring_prep_fallocate(entry, fd, mode, offset, size); });
}

request truncate(int fd, std::uint64_t size) noexcept {
  return prepared([&](io_uring_sqe* entry) { io_uring_prep_ftruncate(entry, fd, static_cast<loff_t>(size)); });
}

request advise(int fd, std::uint64_t offset, std::uint64_t size, int advice) noexcept {
  return prepared([&](io_uring_sqe* entry) { io_uring_prep_fadvise(entry, fd, offset, short_size(size), advice); });
}

request rename(int from_at, const char* from, int to_at, const char* to, unsigned flags) noexcept {
  return prepared([&](io_uring_sqe* entry) { io_uring_prep_renameat(entry, from_at, from, to_at, to, flags); });
}

request unlink(int at, const char* path, int flags) noexcept {
  return prepared([&](io_uring_sqe* entry) { io_uring_prep_unlinkat(entry, at, path, flags); });
}

request make_directory(int at, const char* path, mode_t mode) noexcept {
  return prepared([&](io_uring_sqe* entry) { io_uring_prep_mkdirat(entry, at, path, mode); });
}

request link(int from_at, const char* from, int to_at, const char* to, int flags) noexcept {
  return prepared([&](io_uring_sqe* entry) { io_uring_prep_linkat(entry, from_at, from, to_at, to, flags); });
}

request symlink(const char* target, int at, const char* path) noexcept {
  return prepared([&](io_uring_sqe* entry) { io_uring_prep_symlinkat(entry, target, at, path); });
}

request splice(int from, std::int64_t from_offset, int to, std::int64_t to_offset, unsigned size, unsigned flags) noexcept {
  return prepared([&](io_uring_sqe* entry) { io_uring_prep_splice(entry, from, from_offset, to, to_offset, size, flags); });
}

}  // namespace tide::ring::file_requests
