#include <algorithm>
#include <filesystem>
#include <iterator>
#include <sstream>
#include <stdexcept>

#include "house/rules.hpp"

namespace house {
namespace {

struct include {
  std::size_t line;  ///< from 1
  std::string name;  ///< as a path from the top of the checkout where it is one of ours
};

/// Quoted names are looked up beside the file; where there is no such file they stand for the top folder, as <> does.
std::vector<include> includes_of(const source_file& file, const tree& files) {
  std::vector<include> found;
  for (std::size_t i = 0; i < file.code.size(); ++i) {
    const auto hash = file.code[i].find_first_not_of(" \t");
    if (hash == std::string::npos || file.code[i][hash] != '#') continue;
    const std::string& line = file.lines[i];
    const auto word = line.find("include", hash);
    const auto open = line.find_first_of("<\"", hash);
    if (word == std::string::npos || open == std::string::npos || word > open) continue;
    const auto close = line.find_first_of(">\"", open + 1);
    if (close == std::string::npos) continue;
    std::string name = line.substr(open + 1, close - open - 1);
    if (line[open] == '"') {
      const auto beside = (std::filesystem::path(file.path).parent_path() / name).lexically_normal().generic_string();
      if (std::ranges::binary_search(files, beside, {}, &source_file::path)) name = beside;
    }
    found.push_back({i + 1, std::move(name)});
  }
  return found;
}

std::vector<std::string> words(std::string_view text) {
  std::istringstream stream{std::string(text)};
  return {std::istream_iterator<std::string>(stream), {}};
}

}  // namespace

std::string to_string(const violation& each) {
  return each.path + (each.line == 0 ? "" : ":" + std::to_string(each.line)) + ": " + each.what;
}

room_table parse_rooms(std::string_view text) {
  room_table table;
  std::istringstream stream{std::string(text)};
  for (std::string line; std::getline(stream, line);) {
    if (line.empty() || line.starts_with('#')) continue;
    const auto colon = line.find(':');
    const auto left = words(line.substr(0, colon));
    if (colon == std::string::npos || left.size() < 2) throw std::invalid_argument("rooms: cannot read: " + line);
    const auto right = words(std::string_view(line).substr(colon + 1));
    if (left[0] == "library") {
      table.libraries.push_back({{left.begin() + 1, left.end()}, right});
      continue;
    }
    std::set<std::string> reached;
    for (const auto& room : right) {
      const auto known = table.rooms.find(room);
      if (known == table.rooms.end())
        throw std::invalid_argument("rooms: " + left[1] + " stands on " + room + ", which is not below it");
      reached.insert(known->second.begin(), known->second.end());
    }
    if (left[0] == "room" && !table.rooms.contains(left[1])) {
      reached.insert(left[1]);
      table.rooms[left[1]] = std::move(reached);
    } else if (left[0] == "file") {
      table.files[left[1]] = std::move(reached);
    } else {
      throw std::invalid_argument("rooms: cannot read: " + line);
    }
  }
  return table;
}

std::vector<violation> arrows_that_run_up(const tree& files, const room_table& table) {
  std::vector<violation> found;
  for (const auto& file : files) {
    if (!file.in("tide") || !file.is_cpp()) continue;
    const auto room = room_of(file.path);
    const auto granted = table.rooms.find(room);
    if (!room.empty() && granted == table.rooms.end()) {
      found.push_back({file.path, 0, "tests/house/rooms.txt has no room '" + std::string(room) + "'"});
      continue;
    }
    for (const auto& [line, name] : includes_of(file, files)) {
      for (const std::string_view above : {"apps/", "bindings/", "examples/", "bench/", "tests/"}) {
        if (name.starts_with(above)) found.push_back({file.path, line, "the library may not include " + name});
      }
      const auto target = room_of(name);
      if (room.empty() || target.empty()) continue;
      bool allowed = granted->second.contains(std::string(target));
      for (const auto& [prefix, more] : table.files)
        allowed = allowed || (file.path.starts_with(prefix) && more.contains(std::string(target)));
      if (!allowed)
        found.push_back({file.path, line, "room " + std::string(room) + " may not include room " + std::string(target)});
    }
    // Only the header of everything stands beside the rooms; nothing below may lean on it.
    if (room.empty()) continue;
    for (const auto& [line, name] : includes_of(file, files)) {
      if (name.starts_with("tide/") && room_of(name).empty())
        found.push_back({file.path, line, "a room may not include " + name});
    }
  }
  return found;
}

std::vector<violation> circles(const tree& files) {
  enum class state { fresh, open, done };
  std::map<std::string, std::vector<include>> graph;
  for (const auto& file : files) {
    if (file.is_cpp()) graph[file.path] = includes_of(file, files);
  }
  std::map<std::string, state> seen;
  std::vector<violation> found;
  const auto visit = [&](const auto& self, const std::string& path) -> void {
    seen[path] = state::open;
    for (const auto& [line, name] : graph[path]) {
      if (!graph.contains(name)) continue;
      if (seen[name] == state::open) found.push_back({path, line, "a circle: " + name + " leads back here"});
      if (seen[name] == state::fresh) self(self, name);
    }
    seen[path] = state::done;
  };
  for (const auto& file : files) {
    if (file.is_cpp() && seen[file.path] == state::fresh) visit(visit, file.path);
  }
  return found;
}

std::vector<violation> reaches_into_detail(const tree& files) {
  std::vector<violation> found;
  for (const auto& file : files) {
    if (!file.is_cpp()) continue;
    for (const auto& [line, name] : includes_of(file, files)) {
      const auto room = room_of(name);
      if (room.empty() || !is_detail(name)) continue;
      if (file.in("tide/" + std::string(room)) || file.in("tests/" + std::string(room))) continue;
      found.push_back({file.path, line, name + " is for room " + std::string(room) + " and its tests only"});
    }
  }
  return found;
}

std::vector<violation> libraries_out_of_place(const tree& files, const room_table& table) {
  std::vector<violation> found;
  for (const auto& file : files) {
    if (!file.is_cpp()) continue;
    for (const auto& [line, name] : includes_of(file, files)) {
      for (const auto& [headers, folders] : table.libraries) {
        const auto matches = [&](const std::string& header) {
          return header.ends_with('/') ? name.starts_with(header) : name == header;
        };
        const auto holds = [&](const std::string& folder) { return file.in(folder); };
        if (std::ranges::any_of(headers, matches) && std::ranges::none_of(folders, holds))
          found.push_back({file.path, line, "<" + name + "> has no place here (tests/house/rooms.txt)"});
      }
    }
  }
  return found;
}

}  // namespace house
