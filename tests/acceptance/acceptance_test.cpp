// The pages of docs/acceptance say which test shows which promise. A row that names a test that ctest does not list is a
// promise that nobody keeps.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <format>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace {

using names = std::set<std::string, std::less<>>;

/// What `ctest -N` lists.
names listed_tests() {
  names found;
  const std::string command = std::format("'{}' --test-dir '{}' -N 2>&1", TIDE_CTEST, TIDE_BINARY_DIR);
  const std::unique_ptr<FILE, int (*)(FILE*)> listing(::popen(command.c_str(), "r"), &::pclose);
  std::string line(4096, '\0');
  while (std::fgets(line.data(), static_cast<int>(line.size()), listing.get()) != nullptr) {
    const std::string_view text(line.c_str());
    const auto name = text.find(": ");
    if (!text.starts_with("  Test") || name == text.npos) continue;
    // What an older CMake adds for types and parameters ("<Shared>", "  # GetParam() = …") is not part of the name.
    const std::string_view rest = text.substr(name + 2);
    found.emplace(rest.substr(0, std::min({rest.find('\n'), rest.find('<'), rest.find("  #")})));
  }
  return found;
}

/// What is wrong with a page: rows `| criterion | test |` whose last cell names no test, or one that is not in `known`.
std::vector<std::string> faults(std::istream& page, const names& known) {
  std::vector<std::string> out;
  std::size_t rows = 0;
  std::size_t number = 0;
  for (std::string line; std::getline(page, line);) {
    ++number;
    if (!line.starts_with("| ") || line.starts_with("| criterion") || line.starts_with("| ---")) continue;
    ++rows;
    const auto end = line.rfind('|');
    const std::string_view cell = std::string_view(line).substr(0, end);
    std::string_view tests = cell.substr(cell.rfind('|') + 1);
    std::size_t named = 0;
    for (auto open = tests.find('`'); open != tests.npos; open = tests.find('`')) {
      const auto close = tests.find('`', open + 1);
      if (close == tests.npos) break;
      const auto name = tests.substr(open + 1, close - open - 1);
      if (!known.contains(name)) out.push_back(std::format("line {}: there is no test {}", number, name));
      ++named;
      tests.remove_prefix(close + 1);
    }
    if (named == 0) out.push_back(std::format("line {}: no test is named", number));
  }
  if (rows == 0) out.emplace_back("no rows");
  return out;
}

TEST(Acceptance, EveryRowNamesTestsThatCtestLists) {
  const names known = listed_tests();
  ASSERT_TRUE(known.contains("Acceptance.EveryRowNamesTestsThatCtestLists")) << "the listing cannot be read";
  std::size_t pages = 0;
  for (const auto& each : std::filesystem::directory_iterator(std::string(TIDE_SOURCE_DIR) + "/docs/acceptance")) {
    std::ifstream page(each.path());
    for (const auto& fault : faults(page, known)) ADD_FAILURE() << each.path().filename() << " " << fault;
    ++pages;
  }
  EXPECT_GT(pages, 0u);
}

TEST(Acceptance, ARowWithoutItsTestIsFound) {
  const names known{"Suite.Name", "Suite.Other"};
  const auto check = [&](const char* text) {
    std::istringstream page(text);
    return faults(page, known).size();
  };
  EXPECT_EQ(check("| criterion | test |\n| --- | --- |\n| A1 kept | `Suite.Name` `Suite.Other` |\n"), 0u);
  EXPECT_EQ(check("| A1 kept | `Suite.Name` `Suite.Gone` |\n"), 1u);
  EXPECT_EQ(check("| A1 kept | later |\n| A2 kept | `Suite.Name |\n"), 2u);
  EXPECT_EQ(check("only words\n"), 1u);
}

}  // namespace
