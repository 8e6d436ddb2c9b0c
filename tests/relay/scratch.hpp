// A directory of a test's own, removed with the object; in memory where the machine has such a place.
//
//   const relay_test::scratch directory;  …  directory / "events.pool"
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <string_view>

namespace relay_test {

class scratch {
 public:
  scratch() {
    const auto parent =
        ::access("/dev/shm", W_OK) == 0 ? std::filesystem::path("/dev/shm") : std::filesystem::temp_directory_path();
    std::string pattern = (parent / "tide-relay-XXXXXX").string();
    if (const char* made = ::mkdtemp(pattern.data()); made != nullptr) directory_ = made;
  }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;
  ~scratch() {
    std::error_code ignored;
    if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
  }
  [[nodiscard]] std::filesystem::path operator/(std::string_view name) const { return directory_ / name; }
  [[nodiscard]] const std::filesystem::path& path() const { return directory_; }

 private:
  std::filesystem::path directory_;
};

}  // namespace relay_test
