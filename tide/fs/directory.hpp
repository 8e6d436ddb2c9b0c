// Directories: what is in them, and making changes in them durable.
//
//   auto folder = co_await tide::fs::directory::open("logs");
//   auto reading = co_await folder->entries();
//   for (auto entry = co_await reading->next(); entry && *entry; entry = co_await reading->next()) use(entry->name);
//   co_await tide::fs::rename(folder->at("new"), folder->at("old"));
//   co_await folder->sync();
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <tide/base/result.hpp>
#include <tide/fs/file.hpp>
#include <tide/fs/options.hpp>
#include <tide/runtime/task.hpp>

namespace tide::fs {

/// unknown: the file system does not say; ask status().
enum class entry_kind : std::uint8_t { unknown, file, directory, symlink, other };

struct directory_entry {
  std::string name;
  std::uint64_t inode = 0;
  entry_kind kind = entry_kind::unknown;
  /// False behind the last one.
  [[nodiscard]] explicit operator bool() const noexcept { return !name.empty(); }
};

/// A walk through the names of a directory. There is no request for that: getdents64(2) runs on a thread of the blocking
/// pool, for 32 KiB of entries at a time. What is added or removed meanwhile may be seen or not.
class directory_entries {
 public:
  explicit directory_entries(descriptor fd);
  /// The next one, without "." and ".."; one without a name at the end. One call at a time.
  task<result<directory_entry>> next();

 private:
  struct batch;
  directory_entry take();
  std::shared_ptr<batch> batch_;  // shared with the thread, which may go on when the caller has been cancelled
  std::size_t read_ = 0;
  std::size_t end_ = 0;
};

/// An open directory: a place to name files from, whatever it is called meanwhile. Move-only.
class directory {
 public:
  static task<result<directory>> open(place where, resolve_options resolve = {});
  /// Makes it, and opens it; one that is there is an error: std::errc::file_exists.
  static task<result<directory>> create(place where, mode_t mode = 0755);

  /// A path from here on.
  [[nodiscard]] place at(std::string path) const { return {file_.native_handle(), std::move(path)}; }
  /// Names that were made, changed and removed are on the device.
  [[nodiscard]] status_operation sync() const noexcept { return file_.sync(); }
  /// From the first one on; several walks at a time are independent.
  task<result<directory_entries>> entries() const;
  [[nodiscard]] close_operation close() noexcept { return file_.close(); }
  [[nodiscard]] int native_handle() const noexcept { return file_.native_handle(); }

 private:
  explicit directory(file opened) noexcept : file_(std::move(opened)) {}
  file file_;
};

}  // namespace tide::fs
