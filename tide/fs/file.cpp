#include <tide/fs/file.hpp>

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include <tide/fs/detail/metadata.hpp>
#include <tide/ring/file_requests.hpp>
#include <tide/runtime/blocking.hpp>
#include <tide/runtime/close.hpp>

namespace tide::fs {
namespace {

namespace requests = ring::file_requests;

std::uint64_t resolve_flags(const resolve_options& wanted) noexcept {
  return (wanted.beneath ? RESOLVE_BENEATH : 0U) | (wanted.in_root ? RESOLVE_IN_ROOT : 0U) |
         (wanted.no_symlinks ? RESOLVE_NO_SYMLINKS : 0U) | (wanted.no_magic_links ? RESOLVE_NO_MAGICLINKS : 0U) |
         (wanted.no_mounts ? RESOLVE_NO_XDEV : 0U);
}

int access_flag(access wanted) noexcept {
  switch (wanted) {
    case access::read_only: return O_RDONLY;
    case access::write_only: return O_WRONLY;
    default: return O_RDWR;
  }
}

open_how how_of(const open_options& wanted) noexcept {
  const int flags = access_flag(wanted.access) | O_CLOEXEC | (wanted.create ? O_CREAT : 0) |
                    (wanted.exclusive ? O_EXCL : 0) | (wanted.truncate ? O_TRUNC : 0) | (wanted.append ? O_APPEND : 0) |
                    (wanted.direct ? O_DIRECT : 0) | (wanted.temporary ? O_TMPFILE : 0) | (wanted.sync ? O_SYNC : 0) |
                    (wanted.sync_data ? O_DSYNC : 0) | (wanted.no_follow ? O_NOFOLLOW : 0) |
                    (wanted.no_access_time ? O_NOATIME : 0) | wanted.more;
  open_how how{};
  how.flags = static_cast<unsigned>(flags);
  how.mode = (how.flags & O_CREAT) != 0 || wanted.temporary ? wanted.mode : 0;  // else it is to be 0
  how.resolve = resolve_flags(wanted.resolve);
  return how;
}

int kernel_advice(advice about) noexcept {
  switch (about) {
    case advice::random: return POSIX_FADV_RANDOM;
    case advice::sequential: return POSIX_FADV_SEQUENTIAL;
    case advice::will_need: return POSIX_FADV_WILLNEED;
    case advice::dont_need: return POSIX_FADV_DONTNEED;
    case advice::no_reuse: return POSIX_FADV_NOREUSE;
    default: return POSIX_FADV_NORMAL;
  }
}

/// Its own descriptor of the file for a call on another thread, which may go on when the caller has been cancelled and has
/// closed the file.
result<descriptor> own_descriptor(int fd) noexcept {
  descriptor own(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!own) return fail_errno(errno);
  return own;
}

result<> set_extent_hint(int fd, std::uint32_t bytes) noexcept {
  fsxattr attributes{};
  if (::ioctl(fd, FS_IOC_FSGETXATTR, &attributes) < 0) return fail_errno(errno);
  attributes.fsx_xflags |= FS_XFLAG_EXTSIZE;
  attributes.fsx_extsize = bytes;
  if (::ioctl(fd, FS_IOC_FSSETXATTR, &attributes) < 0) return fail_errno(errno);
  return {};
}

}  // namespace

// ---- open and close ---------------------------------------------------------------------------------------------------

file::~file() {
  if (on_.fd < 0) return;
  count_closed();
  close_descriptor(on_.fd);
}

void file::count_closed() noexcept {
  if (executor* here = executor::current()) {
    if (auto* counting = here->used<statistics>()) ++counting->count().closed;
  }
}

task<result<file>> file::open(place where, open_options wanted) {
  if (where.path.find('\0') != std::string::npos) co_return fail_errno(EINVAL);
  open_how how = how_of(wanted);
  auto opened = co_await detail::open_operation(where.at, where.path, how);
  if (!opened && wanted.direct && opened.error() == std::errc::invalid_argument) {
    // The file system does not: then the file has been made already, if it was to be.
    how.flags &= ~static_cast<std::uint64_t>(O_DIRECT | (wanted.create ? O_EXCL : 0));
    if (wanted.exclusive && wanted.create) how.flags |= O_NOFOLLOW;
    opened = co_await detail::open_operation(where.at, where.path, how);
  }
  if (!opened) co_return fail(opened.error());
  file made = adopt(std::move(*opened));
  if ((how.flags & O_DIRECT) != 0) {
    if (auto learnt = co_await made.learn_alignment(); !learnt) co_return fail(learnt.error());
  }
  if (wanted.polled && made.direct() && wanted.access != access::write_only) co_await made.try_polling();
  co_return made;
}

task<result<>> file::learn_alignment() {
  struct statx said{};
  if (auto asked = co_await detail::statx_operation(on_.fd, "", AT_EMPTY_PATH, said); !asked) co_return asked;
  on_.direct = true;
  on_.alignment = on_.memory_alignment = 4096;  // what every device takes
  if ((said.stx_mask & STATX_DIOALIGN) == 0) co_return {};
  if (said.stx_dio_offset_align == 0) {  // not this file
    on_.direct = false;
    on_.alignment = on_.memory_alignment = 1;
    const int flags = ::fcntl(on_.fd, F_GETFL);
    if (flags < 0 || ::fcntl(on_.fd, F_SETFL, flags & ~O_DIRECT) < 0) co_return fail_errno(errno);
    co_return {};
  }
  on_.alignment = said.stx_dio_offset_align;
  on_.memory_alignment = std::max(said.stx_dio_mem_align, 1U);
  co_return {};
}

/// A device says by its answer whether it can be polled.
task<> file::try_polling() {
  if (executor::current()->polled_ring() == nullptr) co_return;
  on_.polled = true;
  const auto said = co_await read(0, on_.alignment);
  on_.polled = said.has_value();
}

file file::adopt(descriptor&& fd) noexcept {
  detail::handle how;
  how.fd = fd.get();
  return adopt(detached_file{std::move(fd), how});
}

file file::adopt(detached_file&& from) noexcept {
  detail::handle how = from.how;
  how.fd = from.fd.release();
  if (executor* here = executor::current()) {
    how.polled = how.polled && here->polled_ring() != nullptr;
    ++here->use<statistics>().count().opened;
  }
  return file(how);
}

result<detached_file> file::duplicate() const noexcept {
  auto own = own_descriptor(on_.fd);
  if (!own) return fail(own.error());
  return detached_file{std::move(*own), on_};
}

close_operation file::close() noexcept {
  if (on_.fd >= 0) count_closed();
  return close_operation(std::exchange(on_, {}).fd);
}

// ---- operations -------------------------------------------------------------------------------------------------------

size_operation file::read_vectored(std::uint64_t offset, std::span<const iovec> pieces) const noexcept {
  return size_operation(requests::read_vectored(on_.fd, pieces, offset));
}
size_operation file::write_vectored(std::uint64_t offset, std::span<const iovec> pieces) const noexcept {
  return size_operation(requests::write_vectored(on_.fd, pieces, offset));
}
status_operation file::sync() const noexcept { return status_operation(requests::sync(on_.fd, false)); }
status_operation file::sync_data() const noexcept { return status_operation(requests::sync(on_.fd, true)); }
status_operation file::sync_range(std::uint64_t offset, std::uint64_t size, int flags) const noexcept {
  return status_operation(requests::sync_range(on_.fd, offset, size, flags));
}
status_operation file::allocate(std::uint64_t offset, std::uint64_t size, bool keep_size) const noexcept {
  return status_operation(requests::allocate(on_.fd, keep_size ? FALLOC_FL_KEEP_SIZE : 0, offset, size));
}
status_operation file::punch_hole(std::uint64_t offset, std::uint64_t size) const noexcept {
  return status_operation(requests::allocate(on_.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, size));
}
status_operation file::advise(std::uint64_t offset, std::uint64_t size, advice about) const noexcept {
  return status_operation(requests::advise(on_.fd, offset, size, kernel_advice(about)));
}

task<result<>> file::truncate(std::uint64_t size) const {
  if (executor::current()->ring().available().truncate) {
    co_return co_await status_operation(requests::truncate(on_.fd, size));
  }
  auto own = own_descriptor(on_.fd);
  if (!own) co_return fail(own.error());
  co_return co_await blocking([fd = std::move(*own), size]() -> result<> {
    if (::ftruncate(fd.get(), static_cast<off_t>(size)) < 0) return fail_errno(errno);
    return {};
  });
}

task<result<metadata>> file::status() const {
  struct statx said{};
  if (auto asked = co_await detail::statx_operation(on_.fd, "", AT_EMPTY_PATH, said); !asked) co_return fail(asked.error());
  co_return detail::metadata_of(said);
}

task<result<std::uint64_t>> file::size() const {
  auto said = co_await status();
  if (!said) co_return fail(said.error());
  co_return said->size;
}

task<result<>> file::hint_extent_size(std::uint32_t bytes) const {
  auto own = own_descriptor(on_.fd);
  if (!own) co_return fail(own.error());
  co_return co_await blocking([fd = std::move(*own), bytes] { return set_extent_hint(fd.get(), bytes); });
}

size_operation splice(int from, std::int64_t from_offset, int to, std::int64_t to_offset, std::size_t size,
                      unsigned flags) noexcept {
  const auto at_once = static_cast<unsigned>(std::min<std::size_t>(size, std::numeric_limits<int>::max()));
  return size_operation(requests::splice(from, from_offset, to, to_offset, at_once, flags));
}

task<result<std::uint64_t>> copy(const file& from, std::uint64_t from_offset, const file& to, std::uint64_t to_offset,
                                 std::uint64_t size) {
  constexpr std::uint64_t most_at_once = std::uint64_t{64} << 20U;  // a cancel waits for no more
  std::uint64_t done = 0;
  while (done < size) {
    auto source = own_descriptor(from.native_handle());
    auto target = own_descriptor(to.native_handle());
    if (!source || !target) co_return fail(!source ? source.error() : target.error());
    const auto here = static_cast<std::size_t>(std::min(size - done, most_at_once));
    const auto moved = co_await blocking([in = std::move(*source), out = std::move(*target), in_at = from_offset + done,
                                          out_at = to_offset + done, here]() -> result<std::uint64_t> {
      auto read_at = static_cast<off_t>(in_at);
      auto write_at = static_cast<off_t>(out_at);
      const ssize_t count = ::copy_file_range(in.get(), &read_at, out.get(), &write_at, here, 0);
      if (count < 0) return fail_errno(errno);
      return static_cast<std::uint64_t>(count);
    });
    if (!moved) co_return fail(moved.error());
    if (*moved == 0) break;
    done += *moved;
  }
  co_return done;
}

}  // namespace tide::fs
