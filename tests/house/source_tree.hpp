// The tree as text, for the rules to look at: every file of the checkout with its lines, and its code without comments and
// the insides of literals.
//
//   auto files = house::read_tree(TIDE_SOURCE_DIR);
//   auto planted = house::make_file("tide/net/tcp.hpp", "#pragma once\n");
//   for (const auto& line : planted.code) …
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace house {

struct source_file {
  std::string path;                ///< from the top of the checkout, with '/'
  std::vector<std::string> lines;  ///< as they stand
  std::vector<std::string> code;   ///< the same lines with blanks for comments and for what stands in quotes; C++ files only

  [[nodiscard]] bool is_header() const { return path.ends_with(".hpp"); }
  [[nodiscard]] bool is_cpp() const { return is_header() || path.ends_with(".cpp"); }
  /// Whether the file is in that folder or below, "tide/ring" say.
  [[nodiscard]] bool in(std::string_view folder) const {
    return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
  }
};

[[nodiscard]] source_file make_file(std::string path, std::string_view text);

/// All text files but those that git ignores: build, data, node_modules. Throws std::filesystem::filesystem_error.
[[nodiscard]] std::vector<source_file> read_tree(const std::filesystem::path& top);

/// The tide/ room of a path or an include ("tide/ring/ring.hpp" → "ring"), empty when it is in none.
[[nodiscard]] std::string_view room_of(std::string_view path);

/// Whether a path or an include is in a detail/ folder.
[[nodiscard]] bool is_detail(std::string_view path);

}  // namespace house
