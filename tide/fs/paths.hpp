// Names of files: rename, remove, create, link, look. Through the ring; results as values.
//
//   co_await tide::fs::rename("new.tmp", "data");                     // over what is there
//   co_await tide::fs::make_directory("logs");
//   auto found = co_await tide::fs::status("data");                   // result<metadata>
//
// None makes the change durable: sync the directory (directory::sync) for that.
#pragma once

#include <sys/types.h>

#include <tide/base/result.hpp>
#include <tide/fs/file.hpp>
#include <tide/fs/operations.hpp>
#include <tide/fs/options.hpp>

namespace tide::fs {

enum class rename_mode : std::uint8_t {
  replace,   ///< over what is there, in one step
  fresh,     ///< std::errc::file_exists if something is there
  exchange,  ///< the two change their names
};

[[nodiscard]] path_operation rename(place from, place to, rename_mode how = rename_mode::replace) noexcept;
/// A file, or a link and not what it leads to.
[[nodiscard]] path_operation unlink(place which) noexcept;
/// An empty directory.
[[nodiscard]] path_operation remove_directory(place which) noexcept;
[[nodiscard]] path_operation make_directory(place where, mode_t mode = 0755) noexcept;
/// A second name for a file.
[[nodiscard]] path_operation link(place existing, place fresh) noexcept;
/// A name for a file that has none (open_options::temporary): `from` stays open meanwhile. Needs /proc.
[[nodiscard]] path_operation link(const file& from, place fresh) noexcept;
/// A link that holds `target` as it is.
[[nodiscard]] path_operation symlink(std::string target, place fresh) noexcept;
/// Of what the path leads to; of the link itself if `follow` is false.
[[nodiscard]] task<result<metadata>> status(place which, bool follow = true);

}  // namespace tide::fs
