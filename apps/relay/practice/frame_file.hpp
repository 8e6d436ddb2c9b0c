// Recorded frames of several hosts, as a practice network plays them.
//
//   auto file = frame_file::load(default_frames());
//   if (!file) return fail(file.error());
//   for (std::size_t host = 0; host < file->hosts(); ++host)
//     for (const wire::frame& each : file->frames(host)) use(each.bytes);
//
// The file is {u16 host, u32 length, frame} again and again, little-endian; each host's frames in the order they were sent.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

#include <apps/relay/practice/error.hpp>
#include <apps/relay/wire/frame.hpp>
#include <tide/base/result.hpp>

namespace tide::relay::practice {

/// Move-only; owns the bytes that its frames view. Any number of threads may read it.
class frame_file {
 public:
  /// Reads and checks all of it. Errors: those of opening and reading, practice_errc, wire_errc; what is wrong with the
  /// contents is logged with its place.
  static result<frame_file> load(const std::filesystem::path& path);
  static result<frame_file> parse(std::vector<std::byte> bytes);
  frame_file(frame_file&&) noexcept = default;
  frame_file& operator=(frame_file&&) noexcept = default;

  [[nodiscard]] std::size_t hosts() const noexcept { return hosts_.size(); }
  /// At least one; every one has a seq.
  [[nodiscard]] std::span<const wire::frame> frames(std::size_t host) const noexcept { return hosts_[host]; }
  [[nodiscard]] std::size_t total() const noexcept;

 private:
  frame_file() = default;
  result<> add_record(std::size_t& at);
  std::vector<std::byte> bytes_;
  std::vector<std::vector<wire::frame>> hosts_;
};

/// The recording that comes with the program: ../share/tidepool/practice beside its folder, or that of the source tree.
[[nodiscard]] std::filesystem::path default_frames();

}  // namespace tide::relay::practice
