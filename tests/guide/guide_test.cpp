// The pieces of code in docs/guide are cut from programs that compile: each ```cpp block stands, line by line, in the
// program of examples that its page names last before it.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace {

const std::filesystem::path root = TIDE_SOURCE_DIR;

std::string read(const std::filesystem::path& path) {
  std::ifstream stream(path);
  return {std::istreambuf_iterator<char>(stream), {}};
}

TEST(Guide, EveryPieceOfCodeStandsInAProgramThatRuns) {
  std::size_t pieces = 0;
  for (const auto& page : std::filesystem::directory_iterator(root / "docs/guide")) {
    std::ifstream lines(page.path());
    std::string program;
    std::string piece;
    bool inside = false;
    for (std::string line; std::getline(lines, line);) {
      constexpr std::string_view link = "(../../examples/";
      if (const auto at = line.find(link); at != line.npos && line.find(".cpp)", at) != line.npos) {
        program = line.substr(at + link.size(), line.find(')', at + link.size()) - at - link.size());
      }
      if (line == "```cpp") {
        inside = true;
        piece.clear();
      } else if (inside && line == "```") {
        inside = false;
        ++pieces;
        EXPECT_NE(read(root / "examples" / program).find(piece), std::string::npos)
            << page.path().filename() << ": not in " << program << ":\n"
            << piece;
      } else if (inside) {
        piece += line + "\n";
      }
    }
    EXPECT_FALSE(inside) << page.path().filename();
  }
  EXPECT_GE(pieces, 10u);
}

}  // namespace
