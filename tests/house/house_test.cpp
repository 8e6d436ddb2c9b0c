// The rules of the house, held against the tree.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "house/rules.hpp"

namespace {

std::string read(const std::string& path) {
  std::ifstream stream(std::string(TIDE_SOURCE_DIR) + "/" + path);
  return {std::istreambuf_iterator<char>(stream), {}};
}

const house::tree& files() {
  static const house::tree all = house::read_tree(TIDE_SOURCE_DIR);
  return all;
}

house::room_table table() { return house::parse_rooms(read("tests/house/rooms.txt")); }

void expect_none(const std::vector<house::violation>& found) {
  for (const auto& each : found) ADD_FAILURE() << house::to_string(each);
}

TEST(House, TheTreeIsRead) {
  EXPECT_GT(files().size(), 50u);
  EXPECT_TRUE(std::ranges::any_of(files(), [](const auto& file) { return file.path == "tide/base/result.hpp"; }));
}

TEST(House, ArrowsRunDown) { expect_none(house::arrows_that_run_up(files(), table())); }
TEST(House, NoFileStandsInACircle) { expect_none(house::circles(files())); }
TEST(House, DetailStaysInItsRoom) { expect_none(house::reaches_into_detail(files())); }
TEST(House, LibrariesStayInTheirPlaces) { expect_none(house::libraries_out_of_place(files(), table())); }
TEST(House, UnsafeCodeStaysInItsPlaces) { expect_none(house::unsafe_out_of_place(files())); }
TEST(House, UnsafeCodeSaysWhyItIsSound) { expect_none(house::unsafe_without_reason(files())); }
TEST(House, OnlyTheRingSpeaksIoUring) { expect_none(house::ring_calls_out_of_place(files())); }
TEST(House, PublicHeadersDefineNoMacro) { expect_none(house::macros_in_headers(files())); }
TEST(House, HeadersOpenNoNamespace) { expect_none(house::using_namespace_in_headers(files())); }
TEST(House, HeadersAreReadOnce) { expect_none(house::headers_without_pragma_once(files())); }
TEST(House, HeadersIntroduceThemselves) { expect_none(house::headers_without_introduction(files())); }
TEST(House, NotesNameAnIssue) { expect_none(house::notes_without_issue(files())); }
TEST(House, FilesAreShort) { expect_none(house::long_files(files(), read("tests/house/long_files.txt"))); }
TEST(House, NoTraceOfAMachine) { expect_none(house::traces_of_a_machine(files())); }

}  // namespace
