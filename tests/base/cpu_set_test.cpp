#include <tide/base/cpu_set.hpp>

#include <gtest/gtest.h>

#include <sched.h>

#include <string>
#include <thread>

namespace {

using tide::cpu_set;

TEST(CpuSet, ListsAreReadAndWritten) {
  EXPECT_EQ(cpu_set::parse("0-3,8,10-11\n").value(), (cpu_set{0, 1, 2, 3, 8, 10, 11}));
  EXPECT_EQ(cpu_set::parse("").value(), cpu_set());
  EXPECT_EQ((cpu_set{11, 3, 8, 0, 10, 1, 2, 2}.list()), "0-3,8,10-11");
  EXPECT_EQ(cpu_set().list(), "");
  for (const char* bad : {"a", "1-", "-1", "3-1", "1,,2", "1,", ",1", "1 2", "65536", "0-99999999", "4294967296"}) {
    EXPECT_EQ(cpu_set::parse(bad).error(), tide::errc::malformed) << bad;
  }
}

TEST(CpuSet, IsAnAlgebra) {
  const cpu_set a{0, 1, 2};
  const cpu_set b{2, 3};
  EXPECT_EQ(a & b, (cpu_set{2}));
  EXPECT_EQ(a | b, (cpu_set{0, 1, 2, 3}));
  EXPECT_EQ(a - b, (cpu_set{0, 1}));
  EXPECT_TRUE(a.contains(1));
  EXPECT_FALSE(a.contains(3));
}

TEST(CpuSet, OfAThreadIsItsAffinityMask) {
  std::thread([] {
    const cpu_set before = cpu_set::of_this_thread().value();
    ASSERT_FALSE(before.empty());
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(*before.begin(), &one);
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
    EXPECT_EQ(cpu_set::of_this_thread().value(), (cpu_set{*before.begin()}));
  }).join();
}

TEST(CpuSet, ARefusedCpuIsNamed) {
  const std::error_code error = tide::cpu_refused(17);
  EXPECT_EQ(error.category(), tide::cpu_category());
  EXPECT_NE(error.message().find("CPU 17 "), std::string::npos);
  EXPECT_TRUE(tide::cpu_refused(0)) << "an error, though the number is 0";
}

}  // namespace
