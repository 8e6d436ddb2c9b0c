#include <tide/fs/paths.hpp>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>

#include <tide/fs/detail/metadata.hpp>
#include <tide/ring/file_requests.hpp>

namespace tide::fs {
namespace {

namespace requests = ring::file_requests;
using detail::path_arguments;

ring::request rename_request(const path_arguments& with) noexcept {
  return requests::rename(with.at, with.path.c_str(), with.to_at, with.to.c_str(), with.flags);
}
ring::request unlink_request(const path_arguments& with) noexcept {
  return requests::unlink(with.at, with.path.c_str(), static_cast<int>(with.flags));
}
ring::request make_directory_request(const path_arguments& with) noexcept {
  return requests::make_directory(with.at, with.path.c_str(), with.mode);
}
ring::request link_request(const path_arguments& with) noexcept {
  return requests::link(with.at, with.path.c_str(), with.to_at, with.to.c_str(), static_cast<int>(with.flags));
}
ring::request symlink_request(const path_arguments& with) noexcept {
  return requests::symlink(with.path.c_str(), with.to_at, with.to.c_str());
}

path_arguments two(place from, place to, unsigned flags) noexcept {
  return {.at = from.at, .path = std::move(from.path), .to_at = to.at, .to = std::move(to.path), .flags = flags};
}

}  // namespace

path_operation rename(place from, place to, rename_mode how) noexcept {
  constexpr unsigned flags[] = {0, RENAME_NOREPLACE, RENAME_EXCHANGE};
  return {rename_request, two(std::move(from), std::move(to), flags[static_cast<unsigned>(how)])};
}
path_operation unlink(place which) noexcept { return {unlink_request, two(std::move(which), {AT_FDCWD, std::string()}, 0)}; }
path_operation remove_directory(place which) noexcept {
  return {unlink_request, two(std::move(which), {AT_FDCWD, std::string()}, AT_REMOVEDIR)};
}
path_operation make_directory(place where, mode_t mode) noexcept {
  auto with = two(std::move(where), {AT_FDCWD, std::string()}, 0);
  with.mode = mode;
  return {make_directory_request, std::move(with)};
}
path_operation link(place existing, place fresh) noexcept {
  return {link_request, two(std::move(existing), std::move(fresh), 0)};
}
path_operation link(const file& from, place fresh) noexcept {
  return {link_request, two("/proc/self/fd/" + std::to_string(from.native_handle()), std::move(fresh), AT_SYMLINK_FOLLOW)};
}
path_operation symlink(std::string target, place fresh) noexcept {
  return {symlink_request, two(std::move(target), std::move(fresh), 0)};
}

task<result<metadata>> status(place which, bool follow) {
  if (which.path.find('\0') != std::string::npos) co_return fail_errno(EINVAL);
  struct statx said{};
  const int flags = follow ? 0 : AT_SYMLINK_NOFOLLOW;
  auto asked = co_await detail::statx_operation(which.at, which.path.c_str(), flags, said);
  if (!asked) co_return fail(asked.error());
  co_return detail::metadata_of(said);
}

}  // namespace tide::fs
