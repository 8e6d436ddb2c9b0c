#include <tide/fs/directory.hpp>

#include <dirent.h>
#include <fcntl.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include <tide/fs/paths.hpp>
#include <tide/runtime/blocking.hpp>

namespace tide::fs {
namespace {

entry_kind kind_of(unsigned char type) noexcept {
  switch (type) {
    case DT_UNKNOWN: return entry_kind::unknown;
    case DT_REG: return entry_kind::file;
    case DT_DIR: return entry_kind::directory;
    case DT_LNK: return entry_kind::symlink;
    default: return entry_kind::other;
  }
}

}  // namespace

struct directory_entries::batch {
  descriptor fd;
  std::array<char, 32768> memory;
};

directory_entries::directory_entries(descriptor fd) : batch_(std::make_shared<batch>()) { batch_->fd = std::move(fd); }

task<result<directory_entry>> directory_entries::next() {
  while (true) {
    if (read_ < end_) {
      auto entry = take();
      if (entry) co_return entry;
      continue;
    }
    const auto size = co_await blocking([into = batch_]() -> result<std::size_t> {
      const ssize_t count = ::getdents64(into->fd.get(), into->memory.data(), into->memory.size());
      if (count < 0) return fail_errno(errno);
      return static_cast<std::size_t>(count);
    });
    if (!size) co_return fail(size.error());
    if (*size == 0) co_return directory_entry();
    read_ = 0;
    end_ = *size;
  }
}

/// One entry of the batch; without a name for "." and "..".
directory_entry directory_entries::take() {
  const char* const here = batch_->memory.data() + read_;
  dirent64 head{};
  std::memcpy(&head, here, offsetof(dirent64, d_name));
  read_ += head.d_reclen;
  const std::string_view name(here + offsetof(dirent64, d_name));
  if (name == "." || name == "..") return {};
  return {.name = std::string(name), .inode = head.d_ino, .kind = kind_of(head.d_type)};
}

task<result<directory>> directory::open(place where, resolve_options resolve) {
  open_options wanted;
  wanted.more = O_DIRECTORY;
  wanted.resolve = resolve;
  auto opened = co_await file::open(std::move(where), wanted);
  if (!opened) co_return fail(opened.error());
  co_return directory(std::move(*opened));
}

task<result<directory>> directory::create(place where, mode_t mode) {
  if (auto made = co_await make_directory(where, mode); !made) co_return fail(made.error());
  co_return co_await open(std::move(where));
}

task<result<directory_entries>> directory::entries() const {
  auto again = co_await open(at("."));  // a position of its own
  if (!again) co_return fail(again.error());
  auto own = again->file_.duplicate();
  if (!own) co_return fail(own.error());
  co_return directory_entries(std::move(own->fd));
}

}  // namespace tide::fs
