// The rules of docs/architecture.md as functions: each looks at files and names what breaks it.
//
//   auto files = house::read_tree(TIDE_SOURCE_DIR);
//   for (const auto& each : house::macros_in_headers(files)) std::cerr << house::to_string(each);
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "house/source_tree.hpp"

namespace house {

using tree = std::vector<source_file>;

struct violation {
  std::string path;
  std::size_t line = 0;  ///< from 1; 0 means the file as a whole
  std::string what;

  friend bool operator==(const violation&, const violation&) = default;
};

[[nodiscard]] std::string to_string(const violation& each);

/// rooms.txt, read and closed: `rooms` holds everything that a room reaches, itself included.
struct room_table {
  struct library {
    std::vector<std::string> headers;
    std::vector<std::string> folders;
  };
  std::map<std::string, std::set<std::string>, std::less<>> rooms;
  std::map<std::string, std::set<std::string>, std::less<>> files;
  std::vector<library> libraries;
};

/// Throws std::invalid_argument for a line it cannot read, a room that is not defined above its first use, or a circle.
[[nodiscard]] room_table parse_rooms(std::string_view text);

// What may be included (include_rules.cpp).
[[nodiscard]] std::vector<violation> arrows_that_run_up(const tree& files, const room_table& table);
[[nodiscard]] std::vector<violation> circles(const tree& files);
[[nodiscard]] std::vector<violation> reaches_into_detail(const tree& files);
[[nodiscard]] std::vector<violation> libraries_out_of_place(const tree& files, const room_table& table);

// The unsafe list (unsafe_rules.cpp).
[[nodiscard]] std::vector<violation> unsafe_out_of_place(const tree& files);
[[nodiscard]] std::vector<violation> unsafe_without_reason(const tree& files);
[[nodiscard]] std::vector<violation> ring_calls_out_of_place(const tree& files);

// What headers look like, and everything else (text_rules.cpp).
[[nodiscard]] std::vector<violation> macros_in_headers(const tree& files);
[[nodiscard]] std::vector<violation> using_namespace_in_headers(const tree& files);
[[nodiscard]] std::vector<violation> headers_without_pragma_once(const tree& files);
[[nodiscard]] std::vector<violation> headers_without_introduction(const tree& files);
[[nodiscard]] std::vector<violation> notes_without_issue(const tree& files);
/// `reasons` is the text of long_files.txt. An entry that is no longer needed is a violation too.
[[nodiscard]] std::vector<violation> long_files(const tree& files, std::string_view reasons);
[[nodiscard]] std::vector<violation> traces_of_a_machine(const tree& files);

}  // namespace house
