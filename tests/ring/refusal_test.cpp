// What a process hears that may not have a ring: one error that names the cause. Each case in a child, which limits itself.
#include <gtest/gtest.h>

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include <tide/ring/ring.hpp>

#include "support/child.hpp"

namespace {

using support::in_child;
using support::refuse;

std::error_code error_of_create(const tide::ring::options& wanted = {}) {
  auto made = tide::ring::ring::create(wanted);
  return made ? std::error_code() : made.error();
}

TEST(RingRefused, BySeccompOrSysctl) {
  EXPECT_TRUE(
      in_child([] { return refuse(SYS_io_uring_setup, EPERM) && error_of_create() == tide::errc::io_uring_denied; }));
  EXPECT_TRUE(
      in_child([] { return refuse(SYS_io_uring_setup, EACCES) && error_of_create() == tide::errc::io_uring_denied; }));
}

TEST(RingRefused, ByAKernelWithoutIt) {
  EXPECT_TRUE(in_child([] { return refuse(SYS_io_uring_setup, ENOSYS) && error_of_create() == tide::errc::no_io_uring; }));
}

TEST(RingRefused, ByTheLimitOfLockedMemory) {
  EXPECT_TRUE(
      in_child([] { return refuse(SYS_io_uring_setup, ENOMEM) && error_of_create() == tide::errc::no_memory_locked; }));
}

TEST(RingRefused, ByAFilterThatComesLater) {
  EXPECT_TRUE(in_child([] {
    auto ring = tide::ring::ring::create({});
    if (!ring || !refuse(SYS_io_uring_register, EPERM)) return false;
    return !(*ring)->enable();
  }));
}

TEST(RingRefused, ByAFilterOfOneOfTheThreeCalls) {
  EXPECT_TRUE(
      in_child([] { return refuse(SYS_io_uring_register, EPERM) && error_of_create() == tide::errc::io_uring_denied; }));
  EXPECT_TRUE(in_child([] {  // a loop over such a ring would never end
    if (!refuse(SYS_io_uring_enter, EPERM)) return false;
    auto ring = tide::ring::ring::create({});
    const auto enabled = ring ? (*ring)->enable() : tide::result<>();
    return ring && !enabled && enabled.error() == tide::errc::io_uring_denied;
  }));
}

TEST(RingRefused, ByALimitOfNothingOrServed) {
  EXPECT_TRUE(in_child([] {  // kernels from 5.12 to 6.13 do not count rings there, others do
    const rlimit none{.rlim_cur = 0, .rlim_max = 0};
    if (::setrlimit(RLIMIT_MEMLOCK, &none) != 0 || ::setuid(65534) != 0) return false;
    const std::error_code error = error_of_create();
    return !error || error == tide::errc::no_memory_locked;
  }));
}

TEST(RingRefused, ByTheSizeThatWasAskedFor) { EXPECT_EQ(error_of_create({.entries = 0}), std::errc::invalid_argument); }

TEST(RingRefused, WhenDescriptorsRunOut) {
  EXPECT_TRUE(in_child([] {
    rlimit before{};
    if (error_of_create() || ::getrlimit(RLIMIT_NOFILE, &before) != 0) return false;
    const rlimit none{.rlim_cur = 3, .rlim_max = before.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &none) != 0) return false;
    const std::error_code error = error_of_create();
    return ::setrlimit(RLIMIT_NOFILE, &before) == 0 && error == std::errc::too_many_files_open;
  }));
}

}  // namespace
