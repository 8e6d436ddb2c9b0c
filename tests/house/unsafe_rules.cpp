#include <algorithm>
#include <array>
#include <cstddef>
#include <regex>
#include <string>

#include "house/rules.hpp"

namespace house {
namespace {

constexpr std::array unsafe_folders = {"tide/ring", "tide/runtime/detail", "tide/sync/detail", "tide/pool/detail"};
constexpr std::string_view text_view = "tide/base/bytes.hpp";
constexpr std::size_t reason_within = 12;  ///< lines

/// The rules are about what users run; tests and benchmarks may do what they must.
bool ships(const source_file& file) {
  return file.is_cpp() && (file.in("tide") || file.in("apps") || file.in("bindings") || file.in("examples"));
}

bool may_be_unsafe(const source_file& file) {
  return file.path == text_view ||
         std::ranges::any_of(unsafe_folders, [&](std::string_view folder) { return file.in(folder); });
}

/// The name of what is unsafe in a line of code; empty when nothing is.
std::string unsafe_in(const std::string& code) {
  static const std::regex unsafe(
      R"(\breinterpret_cast\b|\b(mmap|mmap64|munmap|mremap)\s*\(|\bmemory_order(_relaxed|_consume|_acquire|_release|_acq_rel|_seq_cst)?\b)"
      R"(|\batomic_(thread|signal)_fence\b|\b__(atomic|sync)_\w+|\b(swap|make|set)context\b|\b\w+_fcontext\b|\b(asm|__asm__|__asm)\b)");
  std::smatch match;
  return std::regex_search(code, match, unsafe) ? match.str() : std::string();
}

bool has_reason(const source_file& file, std::size_t line) {
  const auto first = line < reason_within ? 0 : line - reason_within;
  for (auto i = first; i <= line; ++i) {
    const auto comment = file.lines[i].find("//");
    if (comment != std::string::npos && file.lines[i].find("SAFETY:", comment) != std::string::npos) return true;
  }
  return false;
}

/// Files whose atomics all follow one protocol say so once, in the comment they begin with: "SAFETY (for every … in this
/// file)". That speaks for memory orders only; a cast or a mapping has a reason of its own.
bool follows_one_protocol(const source_file& file) {
  for (const auto& line : file.lines) {
    if (!line.empty() && !line.starts_with("//") && !line.starts_with('#')) return false;
    if (line.starts_with("// SAFETY (for every ") && line.find(" in this file)") != std::string::npos) return true;
  }
  return false;
}

template <class Check>
std::vector<violation> look(const tree& files, Check check) {
  std::vector<violation> found;
  for (const auto& file : files) {
    if (!ships(file)) continue;
    for (std::size_t i = 0; i < file.code.size(); ++i) {
      if (auto what = check(file, i); !what.empty()) found.push_back({file.path, i + 1, std::move(what)});
    }
  }
  return found;
}

}  // namespace

std::vector<violation> unsafe_out_of_place(const tree& files) {
  return look(files, [](const source_file& file, std::size_t line) {
    const auto name = may_be_unsafe(file) ? std::string() : unsafe_in(file.code[line]);
    return name.empty() ? name : name + " stands outside the unsafe list";
  });
}

std::vector<violation> unsafe_without_reason(const tree& files) {
  return look(files, [](const source_file& file, std::size_t line) {
    const auto name = may_be_unsafe(file) ? unsafe_in(file.code[line]) : std::string();
    if (name.starts_with("munmap") || (name.starts_with("memory_order") && follows_one_protocol(file))) return std::string();
    return name.empty() || has_reason(file, line) ? std::string() : name + " has no SAFETY comment in the 12 lines above";
  });
}

std::vector<violation> ring_calls_out_of_place(const tree& files) {
  return look(files, [](const source_file& file, std::size_t line) {
    static const std::regex ring(R"(\b(io_uring_\w+|IORING_\w+|IOSQE_\w+|__NR_io_uring\w*|SYS_io_uring\w*)\b)");
    std::smatch match;
    if (file.in("tide/ring") || !std::regex_search(file.code[line], match, ring)) return std::string();
    // errc::io_uring_denied is the name of an error, not of a call.
    return match.str() == "io_uring_denied" ? std::string() : match.str() + ": only tide/ring speaks io_uring";
  });
}

}  // namespace house
