#include <apps/relay/host_table.hpp>

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "scratch.hpp"

namespace {

using relay_test::scratch;
using tide::relay::host_table;

host_table open(const scratch& directory) {
  auto table = host_table::open(directory / "hosts.pool");
  if (!table) throw std::runtime_error("cannot open the table: " + table.error().message());
  return std::move(*table);
}

TEST(HostTable, KeepsCursorsOverACloseAndAnOpen) {
  const scratch directory;
  std::uint32_t first = 0;
  std::uint32_t second = 0;
  {
    auto table = open(directory);
    EXPECT_EQ(table.size(), 0u);
    auto* one = table.find_or_add("ws://one.example").value();
    auto* two = table.find_or_add("ws://two.example").value();
    EXPECT_EQ(one->cursor(), 0);
    one->advance(42);
    two->advance((std::int64_t{1} << 53) - 1);
    first = one->id();
    second = two->id();
  }
  auto table = open(directory);
  EXPECT_EQ(table.size(), 2u);
  auto* one = table.find_or_add("ws://one.example").value();
  EXPECT_EQ(one->cursor(), 42);
  EXPECT_EQ(one->id(), first);
  EXPECT_EQ(table.find(second)->cursor(), (std::int64_t{1} << 53) - 1);
  EXPECT_EQ(table.find(second)->url(), "ws://two.example");
  EXPECT_EQ(table.find(second + 1), nullptr);
  EXPECT_EQ(table.find(0), nullptr);
  EXPECT_EQ(table.size(), 2u);
}

TEST(HostTable, ACursorNeverGoesBack) {
  const scratch directory;
  auto table = open(directory);
  auto* host = table.find_or_add("ws://one.example").value();
  host->advance(10);
  for (const std::int64_t back : {std::int64_t{9}, std::int64_t{10}, std::int64_t{0}, std::int64_t{-1}}) host->advance(back);
  EXPECT_EQ(host->cursor(), 10);
  host->advance(11);
  EXPECT_EQ(host->cursor(), 11);
}

TEST(HostTable, NoTwoHostsHaveOneNumberEver) {
  const scratch directory;
  std::set<std::uint32_t> ids;
  for (int life = 0; life < 5; ++life) {
    auto table = open(directory);
    for (int i = 0; i < 10; ++i) {
      EXPECT_TRUE(ids.insert(table.find_or_add("ws://host" + std::to_string(life * 10 + i)).value()->id()).second);
    }
  }
  EXPECT_EQ(ids.count(0), 0u);
  EXPECT_EQ(ids.size(), 50u);
}

TEST(HostTable, EntriesStayWhereTheyAre) {
  const scratch directory;
  auto table = open(directory);
  auto* first = table.find_or_add("ws://first").value();
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(table.find_or_add("ws://host" + std::to_string(i)));
  EXPECT_EQ(table.find_or_add("ws://first").value(), first);
  EXPECT_EQ(first->url(), "ws://first");
}

TEST(HostTable, TakesTheLongestUrlAndRefusesALongerOne) {
  const scratch directory;
  const std::string longest = "ws://" + std::string(host_table::longest_url - 5, 'a');
  {
    auto table = open(directory);
    EXPECT_TRUE(table.find_or_add(longest));
    const auto refused = table.find_or_add(longest + "a");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), tide::errc::limit_exceeded);
    EXPECT_EQ(table.size(), 1u);
  }
  auto table = open(directory);
  EXPECT_EQ(table.find_or_add(longest).value()->url(), longest);
  EXPECT_EQ(table.size(), 1u);
}

TEST(HostTable, IsOpenOnce) {
  const scratch directory;
  const auto table = open(directory);
  const auto second = host_table::open(directory / "hosts.pool");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error(), tide::pool_errc::busy);
}

}  // namespace
