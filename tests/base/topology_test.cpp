#include <tide/base/topology.hpp>

#include <gtest/gtest.h>

#include <tide/base/cpu_quota.hpp>

#include "support/machine.hpp"

namespace {

using support::machine;
using tide::cpu_set;
using tide::topology;
using level = tide::topology::level;

TEST(Topology, CoresCachesPackagesAndNodes) {
  const machine amd({.nodes = 2, .caches = 2, .cores = 4, .threads = 2});
  const auto seen = topology::read(amd.root(), amd.all());
  EXPECT_EQ(seen.all(), amd.all());
  EXPECT_EQ(seen.groups(level::core).size(), 16u);
  EXPECT_EQ(seen.groups(level::core)[1], (cpu_set{1, 17}));
  ASSERT_EQ(seen.groups(level::cache).size(), 4u);
  EXPECT_EQ(seen.groups(level::cache)[1].list(), "4-7,20-23");
  ASSERT_EQ(seen.groups(level::package).size(), 2u);
  ASSERT_EQ(seen.groups(level::node).size(), 2u);
  EXPECT_EQ(seen.groups(level::node)[1].list(), "8-15,24-31");
}

TEST(Topology, IsNarrowedToWhatIsAllowedAndOnline) {
  const machine amd({.nodes = 2, .caches = 2, .cores = 4, .threads = 2});
  amd.write("sys/devices/system/cpu/online", "0-5,7-31");
  const auto seen = topology::read(amd.root(), {4, 6, 8, 20});
  EXPECT_EQ(seen.all(), (cpu_set{4, 8, 20}));
  EXPECT_EQ(seen.groups(level::core), (std::vector<cpu_set>{{4, 20}, {8}}));
  EXPECT_EQ(seen.groups(level::cache), (std::vector<cpu_set>{{4, 20}, {8}}));
}

TEST(Topology, EveryFileMayBeMissing) {
  const machine bare({.nodes = 2, .caches = 1, .cores = 2, .threads = 2});
  const auto path = [](unsigned cpu, const char* what) { return "sys/devices/system/cpu/cpu" + std::to_string(cpu) + what; };
  bare.remove("sys/devices/system/node");
  EXPECT_EQ(topology::read(bare.root(), bare.all()).groups(level::node), (std::vector<cpu_set>{bare.all()}));
  for (unsigned cpu = 0; cpu < 8; ++cpu) bare.remove(path(cpu, "/cache"));
  EXPECT_EQ(topology::read(bare.root(), bare.all()).groups(level::cache),
            topology::read(bare.root(), bare.all()).groups(level::package))
      << "no cache is known: those of a package may share one";
  for (unsigned cpu = 0; cpu < 8; ++cpu) bare.remove(path(cpu, "/topology"));
  auto seen = topology::read(bare.root(), bare.all());
  EXPECT_EQ(seen.groups(level::core).size(), 8u);
  EXPECT_EQ(seen.groups(level::cache).size(), 1u);
  bare.remove("sys");
  seen = topology::read(bare.root(), {1, 3});
  EXPECT_EQ(seen.all(), (cpu_set{1, 3}));
  EXPECT_EQ(seen.groups(level::node).size(), 1u);
}

TEST(Topology, NonsenseInAFileIsNotBelieved) {
  const machine odd({.nodes = 1, .caches = 1, .cores = 2, .threads = 1});
  odd.write("sys/devices/system/cpu/cpu1/topology/core_cpus_list", "0");  // a core that the CPU itself is not in
  odd.write("sys/devices/system/cpu/cpu0/cache/index1/shared_cpu_list", "what?");
  odd.write("sys/devices/system/node/has_cpu", "0-99999999999");
  const auto seen = topology::read(odd.root(), odd.all());
  EXPECT_EQ(seen.groups(level::core).size(), 2u);
  EXPECT_EQ(seen.groups(level::cache).size(), 1u);
}

TEST(Topology, NamesOfKernelsBeforeLinux53) {
  const machine old({.nodes = 1, .caches = 1, .cores = 2, .threads = 2});
  for (unsigned cpu = 0; cpu < 4; ++cpu) {
    const std::string here = "sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    old.remove(here + "core_cpus_list");
    old.remove(here + "package_cpus_list");
    old.write(here + "thread_siblings_list", cpu % 2 == 0 ? "0,2" : "1,3");
    old.write(here + "core_siblings_list", "0-3");
  }
  EXPECT_EQ(topology::read(old.root(), old.all()).groups(level::core), (std::vector<cpu_set>{{0, 2}, {1, 3}}));
}

TEST(Topology, OfThisMachine) {
  const auto seen = topology::of_this_thread();
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->all(), cpu_set::of_this_thread().value());
}

TEST(CpuQuota, OfTheUnifiedHierarchyTheTightestCounts) {
  const machine here({});
  EXPECT_EQ(tide::cpu_quota(here.root()), std::nullopt);
  here.write("proc/self/cgroup", "0::/a/b");
  here.write("sys/fs/cgroup/a/b/cpu.max", "max 100000");
  EXPECT_EQ(tide::cpu_quota(here.root()), std::nullopt);
  here.write("sys/fs/cgroup/a/b/cpu.max", "150000 100000");
  EXPECT_EQ(tide::cpu_quota(here.root()), 1.5);
  here.write("sys/fs/cgroup/a/cpu.max", "50000 100000");
  EXPECT_EQ(tide::cpu_quota(here.root()), 0.5);
}

TEST(CpuQuota, OfAContainerWhoseGroupHasTheHostsName) {
  const machine here({});
  here.write("proc/self/cgroup", "4:cpuset:/x\n3:cpu,cpuacct:/docker/1234\n1:name=systemd:/docker/1234");
  here.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1");
  here.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000");
  EXPECT_EQ(tide::cpu_quota(here.root()), std::nullopt);
  here.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "25000");
  EXPECT_EQ(tide::cpu_quota(here.root()), 0.25);
}

}  // namespace
