// How a file is opened and where it is:
//
//   auto log = co_await tide::fs::file::open("app.log", {.access = tide::fs::access::write_only, .create = true});
//   auto data = co_await tide::fs::file::open(folder.at("data"), {.direct = true, .resolve = {.beneath = true}});
#pragma once

#include <fcntl.h>
#include <sys/types.h>

#include <concepts>
#include <cstdint>
#include <string>
#include <utility>

namespace tide::fs {

/// A path, from the working directory or from an open directory (directory::at), which then stays open while it is used. A
/// path with a zero byte in it is refused as std::errc::invalid_argument.
struct place {
  template <class Path>
    requires std::convertible_to<Path, std::string>
  place(Path&& from) : path(std::forward<Path>(from)) {}  // NOLINT(google-explicit-constructor): a path is a place
  place(int descriptor, std::string from) : path(std::move(from)), at(descriptor) {}
  std::string path;
  int at = AT_FDCWD;
};

enum class access : std::uint8_t { read_only, write_only, read_write };

/// How the path may lead to the file; see openat2(2). Each that is set makes paths that do otherwise an error.
struct resolve_options {
  bool beneath = false;         ///< nowhere above where it begins: RESOLVE_BENEATH
  bool in_root = false;         ///< where it begins is its root: RESOLVE_IN_ROOT
  bool no_symlinks = false;     ///< RESOLVE_NO_SYMLINKS
  bool no_magic_links = false;  ///< none of /proc/PID/fd and the like: RESOLVE_NO_MAGICLINKS
  bool no_mounts = false;       ///< stays on one file system: RESOLVE_NO_XDEV
};

/// Nothing is implied: O_CLOEXEC alone is always set.
struct open_options {
  fs::access access = access::read_only;
  bool create = false;     ///< O_CREAT
  bool exclusive = false;  ///< O_EXCL: with `create`, it must not exist; with `temporary`, it can never get a name
  bool truncate = false;   ///< O_TRUNC
  bool append = false;     ///< O_APPEND: writes go to the end, whatever offset they name
  /// O_DIRECT: past the page cache. Where the file system does not, the file is opened without: see file::direct().
  bool direct = false;
  bool temporary = false;       ///< O_TMPFILE: the path is a directory, the file has no name until it is linked
  bool sync = false;            ///< O_SYNC: a write ends when file and metadata are on the device
  bool sync_data = false;       ///< O_DSYNC: the same for what is needed to read the data again
  bool no_follow = false;       ///< O_NOFOLLOW: a symbolic link at the end is an error
  bool no_access_time = false;  ///< O_NOATIME
  /// Reads and writes of a direct file go to the executor's polled ring (executor::options::poll_files), if the device can
  /// be polled: found by doing; else they go where all others go. See file::polled().
  bool polled = false;
  int more = 0;        ///< further O_ flags, as they are
  mode_t mode = 0644;  ///< of a file that is created, less the process's umask
  resolve_options resolve{};
};

}  // namespace tide::fs
