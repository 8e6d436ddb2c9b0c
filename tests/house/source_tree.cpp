#include "house/source_tree.hpp"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>

namespace house {
namespace {

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const auto end = text.find('\n');
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

bool is_word(char symbol) { return std::isalnum(static_cast<unsigned char>(symbol)) != 0 || symbol == '_'; }

/// Whether the quote at `at` is a digit separator, as in 1'000.
bool separates_digits(std::string_view text, std::size_t at) {
  auto start = at;
  while (start > 0 && (is_word(text[start - 1]) || text[start - 1] == '\'')) --start;
  return start < at && std::isdigit(static_cast<unsigned char>(text[start])) != 0;
}

/// The index behind the literal or comment that begins at `at`; `at` itself when there is none.
std::size_t skip(std::string_view text, std::size_t at) {
  const auto behind = [&](std::size_t found, std::size_t length) {
    return found == text.npos ? text.size() : found + length;
  };
  const std::string_view rest = text.substr(at);
  if (rest.starts_with("//")) return std::min(text.find('\n', at), text.size());
  if (rest.starts_with("/*")) return behind(text.find("*/", at + 2), 2);
  if (rest.starts_with("R\"") && (at == 0 || !is_word(text[at - 1]))) {
    const auto open = text.find('(', at);
    if (open == text.npos) return text.size();
    const std::string close = ")" + std::string(text.substr(at + 2, open - at - 2)) + "\"";
    return behind(text.find(close, open), close.size());
  }
  if (rest[0] != '"' && (rest[0] != '\'' || separates_digits(text, at))) return at;
  for (auto end = at + 1; end < text.size() && text[end] != '\n'; ++end) {
    if (text[end] == '\\') {
      ++end;
    } else if (text[end] == rest[0]) {
      return end + 1;
    }
  }
  return text.size();
}

std::string code_of(std::string text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto end = skip(text, at);
    if (end == at) {
      ++at;
      continue;
    }
    for (; at < end; ++at) {
      if (text[at] != '\n') text[at] = ' ';
    }
  }
  return text;
}

bool is_ignored(const std::filesystem::path& folder) {
  const auto name = folder.filename();
  return name == "node_modules" || name == ".git" || name == ".cache" ||
         (folder.parent_path().empty() && (name == "build" || name == "data"));
}

bool is_text(std::string_view content) { return content.substr(0, 4096).find('\0') == content.npos; }

}  // namespace

source_file make_file(std::string path, std::string_view text) {
  source_file file{.path = std::move(path), .lines = split(text), .code = {}};
  if (file.is_cpp()) file.code = split(code_of(std::string(text)));
  return file;
}

std::vector<source_file> read_tree(const std::filesystem::path& top) {
  std::vector<source_file> files;
  for (auto entry = std::filesystem::recursive_directory_iterator(top);
       entry != std::filesystem::recursive_directory_iterator(); ++entry) {
    const auto path = entry->path().lexically_relative(top);
    if (is_ignored(path)) {  // .git is a file in a work tree of its own
      if (entry->is_directory()) entry.disable_recursion_pending();
    } else if (entry->is_regular_file() && !entry->is_symlink()) {
      std::ifstream stream(entry->path(), std::ios::binary);
      const std::string content{std::istreambuf_iterator<char>(stream), {}};
      if (is_text(content)) files.push_back(make_file(path.generic_string(), content));
    }
  }
  std::ranges::sort(files, {}, &source_file::path);
  return files;
}

std::string_view room_of(std::string_view path) {
  constexpr std::string_view prefix = "tide/";
  if (!path.starts_with(prefix)) return {};
  path.remove_prefix(prefix.size());
  const auto end = path.find('/');
  return end == path.npos ? std::string_view() : path.substr(0, end);
}

bool is_detail(std::string_view path) { return path.find("/detail/") != path.npos; }

}  // namespace house
