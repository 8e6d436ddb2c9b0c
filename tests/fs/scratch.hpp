// A directory of the test's own, gone with it, and files with a content that tells where it came from.
//
//   const support::scratch where;                      // or scratch("/dev/shm")
//   co_await support::write_pattern(where / "data", 100'000);
#pragma once

#include <stdlib.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <tide/base/bytes.hpp>

namespace support {

class scratch {
 public:
  explicit scratch(const std::filesystem::path& parent = std::filesystem::temp_directory_path()) {
    std::string pattern = (parent / "tide-fs-XXXXXX").string();
    if (const char* made = ::mkdtemp(pattern.data()); made != nullptr) root_ = made;
  }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;
  ~scratch() {
    std::error_code ignored;
    if (!root_.empty()) std::filesystem::remove_all(root_, ignored);
  }
  [[nodiscard]] std::string operator/(const char* name) const { return (root_ / name).string(); }
  [[nodiscard]] std::string path() const { return root_.string(); }

 private:
  std::filesystem::path root_;
};

/// Byte number `at` of a file that tells when a piece is lost, doubled or out of place.
inline std::byte pattern(std::uint64_t at) { return static_cast<std::byte>(at * 31 + at / 251 + at / 65'521); }

inline std::vector<std::byte> patterned(std::uint64_t from, std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = pattern(from + i);
  return bytes;
}

/// Where the bytes first differ from the pattern from `from` on; their number if they do not.
inline std::size_t fits(std::uint64_t from, tide::bytes_view bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != pattern(from + i)) return i;
  }
  return bytes.size();
}

/// Not through the library.
inline void write_pattern(const std::string& path, std::size_t size) {
  const auto bytes = patterned(0, size);
  std::ofstream(path, std::ios::binary).write(tide::text_of(bytes).data(), static_cast<std::streamsize>(size));
}

inline std::string content(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace support
