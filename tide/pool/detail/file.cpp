#include <tide/pool/detail/file.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include <tide/pool/error.hpp>

namespace tide::pool_detail {
namespace {

struct flock byte_at(std::uint64_t offset, short type) noexcept {
  struct flock lock{};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(offset);
  lock.l_len = 1;
  return lock;
}

/// For file systems without fallocate: writes what is there, zeros behind the end. Nobody else touches the range meanwhile:
/// it belongs to blocks that do not exist yet, or the pool is being recovered.
result<> rewrite(int fd, std::uint64_t offset, std::uint64_t length) {
  std::vector<std::byte> chunk(65536);
  for (std::uint64_t at = offset; at < offset + length;) {
    const auto part = std::span(chunk).first(std::min<std::uint64_t>(chunk.size(), offset + length - at));
    const auto got = read_at(fd, at, part);
    if (!got) return fail(got.error());
    std::ranges::fill(part.subspan(*got), std::byte{0});
    if (auto written = write_at(fd, at, part); !written) return written;
    at += part.size();
  }
  return {};
}

}  // namespace

result<descriptor> reopen(int fd) {
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  descriptor own(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!own) return fail_errno(errno);
  return own;
}

result<std::uint64_t> size_of(int fd) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return fail_errno(errno);
  if (!S_ISREG(status.st_mode)) return fail(pool_errc::wrong_magic);
  return static_cast<std::uint64_t>(status.st_size);
}

result<std::uint64_t> allocated_bytes(int fd) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return fail_errno(errno);
  return static_cast<std::uint64_t>(status.st_blocks) * 512;  // st_blocks counts in this unit whatever the file system's is
}

result<> allocate_space(int fd, std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return {};
  while (::fallocate(fd, 0, static_cast<off_t>(offset), static_cast<off_t>(length)) != 0) {
    if (errno == EOPNOTSUPP) return rewrite(fd, offset, length);
    if (errno != EINTR) return fail_errno(errno);
  }
  return {};
}

result<std::size_t> read_at(int fd, std::uint64_t offset, std::span<std::byte> into) {
  std::size_t done = 0;
  while (done < into.size()) {
    const ssize_t got = ::pread(fd, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

result<> write_at(int fd, std::uint64_t offset, std::span<const std::byte> bytes) {
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t put = ::pwrite(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail_errno(errno);
    done += static_cast<std::size_t>(put);
  }
  return {};
}

result<bool> try_lock_byte(int fd, std::uint64_t offset) {
  auto lock = byte_at(offset, F_WRLCK);
  while (::fcntl(fd, F_OFD_SETLK, &lock) != 0) {
    if (errno == EAGAIN || errno == EACCES) return false;
    if (errno != EINTR) return fail_errno(errno);
  }
  return true;
}

result<> lock_byte(int fd, std::uint64_t offset, std::chrono::milliseconds patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  for (;;) {
    const auto locked = try_lock_byte(fd, offset);
    if (!locked) return fail(locked.error());
    if (*locked) return {};
    if (std::chrono::steady_clock::now() >= until) return fail(pool_errc::busy);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // record locks have no timed wait
  }
}

void unlock_byte(int fd, std::uint64_t offset) noexcept {
  auto lock = byte_at(offset, F_UNLCK);
  ::fcntl(fd, F_OFD_SETLK, &lock);
}

bool locked_elsewhere(int fd, std::uint64_t offset) noexcept {
  auto lock = byte_at(offset, F_WRLCK);
  return ::fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

}  // namespace tide::pool_detail
