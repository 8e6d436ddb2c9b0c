#include <tide/fs/lock.hpp>

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include <tide/runtime/time.hpp>

namespace tide::fs {
namespace {

int set_lock(int fd, short kind, std::uint64_t offset, std::uint64_t size) noexcept {
  struct flock part{};
  part.l_type = kind;
  part.l_whence = SEEK_SET;
  part.l_start = static_cast<off_t>(offset);
  part.l_len = static_cast<off_t>(size);
  return ::fcntl(fd, F_OFD_SETLK, &part) < 0 ? errno : 0;
}

}  // namespace

void file_lock::unlock() noexcept {
  if (held_) set_lock(held_.get(), F_UNLCK, offset_, size_);
  held_.reset();
}

result<file_lock> file_lock::attempt(int fd, lock_kind kind, std::uint64_t offset, std::uint64_t size) noexcept {
  file_lock made;
  made.offset_ = offset;
  made.size_ = size;
  descriptor own(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!own) return fail_errno(errno);
  if (const int error = set_lock(fd, kind == lock_kind::shared ? F_RDLCK : F_WRLCK, offset, size); error != 0) {
    return fail_errno(error == EACCES ? EAGAIN : error);  // POSIX allows either
  }
  made.held_ = std::move(own);
  return made;
}

task<result<file_lock>> file_lock::take(int fd, lock_kind kind, std::uint64_t offset, std::uint64_t size) {
  using namespace std::chrono_literals;
  for (clock::duration wait = 100us;; wait = std::min<clock::duration>(wait * 2, 10ms)) {
    auto made = attempt(fd, kind, offset, size);
    if (made || made.error() != std::errc::resource_unavailable_try_again) co_return made;
    if (auto slept = co_await sleep(wait); !slept) co_return fail(slept.error());
  }
}

}  // namespace tide::fs
