#include <tide/runtime/placement.hpp>

#include <gtest/gtest.h>

#include <set>

#include "support/machine.hpp"

namespace {

using support::machine;
using tide::cpu_set;
using tide::placement;
using tide::topology;
using level = tide::topology::level;
using sets = std::vector<cpu_set>;

class Placement : public testing::Test {
 protected:
  /// Two packages, two caches each, four cores a cache, two threads a core: 32 CPUs; n and n + 16 are siblings.
  const machine machine_{{.nodes = 2, .caches = 2, .cores = 4, .threads = 2}};
  const topology all_ = topology::read(machine_.root(), machine_.all());

  /// How many groups of a level the CPUs of `placed` are in.
  [[nodiscard]] std::size_t groups(const sets& placed, level of) const {
    std::set<unsigned> touched;
    for (const cpu_set& group : all_.groups(of)) {
      for (const cpu_set& each : placed) {
        if (!(each & group).empty()) touched.insert(*group.begin());
      }
    }
    return touched.size();
  }
};

TEST_F(Placement, UnboundFencedFixedCustom) {
  EXPECT_EQ(placement::unbound(3).on(all_).value(), sets(3));
  EXPECT_EQ(placement::fenced(2, {1, 2}).on(all_).value(), (sets{{1, 2}, {1, 2}}));
  EXPECT_EQ(placement::fixed(7).on(all_).value(), (sets{{7}}));
  EXPECT_EQ(placement::custom({{1}, {}, {2, 3}}).on(all_).value(), (sets{{1}, {}, {2, 3}}));
}

TEST_F(Placement, SpreadGoesAsFarAsItCan) {
  EXPECT_EQ(groups(placement::max_spread(2).on(all_).value(), level::node), 2u);
  EXPECT_EQ(groups(placement::max_spread(4).on(all_).value(), level::cache), 4u);
  EXPECT_EQ(groups(placement::max_spread(16).on(all_).value(), level::core), 16u);
  EXPECT_EQ(groups(placement::max_spread(32).on(all_).value(), level::core), 16u);
  const auto some = placement::max_spread(4, cpu_set{0, 1, 2, 3, 8, 16}).on(all_).value();
  EXPECT_EQ(groups(some, level::node), 2u);
  EXPECT_EQ(groups(some, level::core), 4u) << "not 0 and 16, which are one core";
}

TEST_F(Placement, PackStaysInOneCacheAndAvoidsSiblings) {
  for (std::size_t count = 1; count <= 4; ++count) {
    const auto placed = placement::max_pack(count).on(all_).value();
    EXPECT_EQ(placed.size(), count);
    EXPECT_EQ(groups(placed, level::cache), 1u);
    EXPECT_EQ(groups(placed, level::core), count);
  }
  const auto eight = placement::max_pack(8).on(all_).value();
  EXPECT_EQ(groups(eight, level::node), 1u);
  EXPECT_EQ(groups(eight, level::core), 8u);
  EXPECT_EQ(groups(placement::max_pack(20).on(all_).value(), level::core), 16u);
}

TEST_F(Placement, PackWithSiblingsFillsCoresFirst) {
  EXPECT_EQ(groups(placement::max_pack(2, placement::siblings::use).on(all_).value(), level::core), 1u);
  const auto eight = placement::max_pack(8, placement::siblings::use).on(all_).value();
  EXPECT_EQ(groups(eight, level::cache), 1u);
  EXPECT_EQ(groups(eight, level::core), 4u);
}

TEST_F(Placement, PackChoosesTheCacheThatFits) {
  const topology some = topology::read(machine_.root(), {0, 1, 4, 5, 6, 7, 8, 9, 10});
  EXPECT_EQ(placement::max_pack(3).on(some).value(), (sets{{8}, {9}, {10}}));
  EXPECT_EQ(placement::max_pack(2).on(some).value(), (sets{{0}, {1}}));
  EXPECT_EQ(placement::max_pack(5).on(some).value(), (sets{{4}, {5}, {6}, {7}, {0}})) << "then the nearest cache";
}

TEST_F(Placement, OnePerCache) {
  EXPECT_EQ(placement::one_per_cache().on(all_).value(), all_.groups(level::cache));
  EXPECT_EQ(placement::one_per_cache(cpu_set{1, 2, 9}).on(all_).value(), (sets{{1, 2}, {9}}));
}

TEST_F(Placement, WhatCannotBeIsRefusedByName) {
  EXPECT_EQ(placement::fixed(99).on(all_).error(), tide::cpu_refused(99));
  EXPECT_EQ(placement::fenced(1, {3, 40, 41}).on(all_).error(), tide::cpu_refused(40));
  EXPECT_EQ(placement::custom({{0}, {77}}).on(all_).error(), tide::cpu_refused(77));
  EXPECT_EQ(placement::max_spread(2, cpu_set{50}).on(all_).error(), tide::cpu_refused(50));
  const topology narrow = topology::read(machine_.root(), {0, 1});
  EXPECT_EQ(placement::fixed(2).on(narrow).error(), tide::cpu_refused(2)) << "there, but not for this process";
  EXPECT_EQ(placement::max_pack(3).on(narrow).error(), tide::errc::limit_exceeded);
  EXPECT_EQ(placement::max_spread(0).on(all_).error(), std::errc::invalid_argument);
  EXPECT_EQ(placement::unbound(0).on(all_).error(), std::errc::invalid_argument);
  EXPECT_EQ(placement::fenced(2, {}).on(all_).error(), std::errc::invalid_argument);
}

}  // namespace
