#include <algorithm>
#include <array>
#include <regex>
#include <sstream>
#include <string>

#include "house/rules.hpp"

namespace house {
namespace {

constexpr std::size_t longest = 420;

template <class Wanted, class Lines>
std::vector<violation> search(const tree& files, Wanted wanted, Lines lines, const std::regex& pattern,
                              const std::string& what) {
  std::vector<violation> found;
  for (const auto& file : files) {
    if (!wanted(file)) continue;
    const std::vector<std::string>& text = file.*lines;
    for (std::size_t i = 0; i < text.size(); ++i) {
      std::smatch match;
      if (std::regex_search(text[i], match, pattern)) found.push_back({file.path, i + 1, what + match.str()});
    }
  }
  return found;
}

bool is_public_header(const source_file& file) { return file.is_header() && file.in("tide") && !is_detail(file.path); }
bool is_header(const source_file& file) { return file.is_header(); }

/// Files written by people, as opposed to data and lock files.
bool is_source(const source_file& file) {
  constexpr std::array endings = {".hpp", ".cpp", ".c",  ".h",     ".lua",          ".cjs",
                                  ".mjs", ".js",  ".sh", ".cmake", "CMakeLists.txt"};
  return file.in("scripts") || std::ranges::any_of(endings, [&](const char* ending) { return file.path.ends_with(ending); });
}

}  // namespace

std::vector<violation> macros_in_headers(const tree& files) {
  return search(files, is_public_header, &source_file::code, std::regex(R"(^\s*#\s*define\s+\w+)"),
                "a macro in a public header:");
}

std::vector<violation> using_namespace_in_headers(const tree& files) {
  return search(files, is_header, &source_file::code, std::regex(R"(\busing\s+namespace\s+[\w:]+)"), "in a header: ");
}

std::vector<violation> headers_without_pragma_once(const tree& files) {
  std::vector<violation> found;
  for (const auto& file : files) {
    if (file.is_header() && std::ranges::find(file.lines, "#pragma once") == file.lines.end())
      found.push_back({file.path, 0, "no #pragma once"});
  }
  return found;
}

std::vector<violation> headers_without_introduction(const tree& files) {
  std::vector<violation> found;
  for (const auto& file : files) {
    if (!file.is_header()) continue;
    const auto end = std::ranges::find_if_not(file.lines, [](const std::string& line) { return line.starts_with("//"); });
    const bool paragraph = end != file.lines.begin() && file.lines.front().size() > 12;
    const bool shows_use =
        std::any_of(file.lines.begin(), end, [](const std::string& line) { return line.starts_with("//   "); });
    if (!paragraph) {
      found.push_back({file.path, 1, "a header starts with a paragraph that says what it gives"});
    } else if (is_public_header(file) && !shows_use) {
      found.push_back(
          {file.path, 1, "a public header shows its use (lines that start with '//   ') in its first paragraph"});
    }
  }
  return found;
}

std::vector<violation> notes_without_issue(const tree& files) {
  const auto wanted = [](const source_file& file) { return is_source(file) && !file.in("tests/house"); };
  return search(files, wanted, &source_file::lines, std::regex(R"(\b(TODO|FIXME|XXX)\b(?!\(#\d+\)))"),
                "a note without an issue, TODO(#12): ");
}

std::vector<violation> long_files(const tree& files, std::string_view reasons) {
  std::map<std::string, std::string, std::less<>> excused;
  std::istringstream stream{std::string(reasons)};
  for (std::string line; std::getline(stream, line);) {
    const auto colon = line.find(": ");
    if (!line.starts_with('#') && colon != std::string::npos) excused[line.substr(0, colon)] = line.substr(colon + 2);
  }
  std::vector<violation> found;
  for (const auto& file : files) {
    if (!is_source(file) || file.lines.size() <= longest || excused.erase(file.path) > 0) continue;
    found.push_back(
        {file.path, 0,
         std::to_string(file.lines.size()) + " lines: split it, or give the reason in tests/house/long_files.txt"});
  }
  for (const auto& [path, reason] : excused) found.push_back({path, 0, "needs no entry in tests/house/long_files.txt"});
  return found;
}

std::vector<violation> traces_of_a_machine(const tree& files) {
  const std::regex machine(
      R"((^|[\s"'=(:`])/(work|root|home/\w+|Users/\w+|tmp/\w+_jobs)/)"
      R"(|\bregistry\.[a-z0-9.-]+\.(org|com|dev|io)\b|\b[a-z0-9-]+\.pkg\.dev\b|\bsnapshot\.debian\.org\b|\bartifactory\b)"
      R"(|"resolved": "https?://)");
  const auto wanted = [](const source_file& file) { return !file.in("tests/house") && file.path != "LICENSE"; };
  return search(files, wanted, &source_file::lines, machine, "belongs to a machine, not to the project: ");
}

}  // namespace house
