// Stacks: how many, how long they are kept, what they cost.
#include <gtest/gtest.h>

#include <unistd.h>

#include <cstddef>
#include <fstream>
#include <new>
#include <string>

#include <tide/runtime/detail/fiber_stack.hpp>
#include <tide/runtime/fiber.hpp>
#include <tide/sync/local.hpp>

#include "support/allocations.hpp"
#include "support/process.hpp"
#include "support/run.hpp"
#include "support/sanitizers.hpp"

namespace {

using support::run_here;
using tide::detail::stack_guard;
namespace fiber = tide::fiber;

#if defined(__SANITIZE_THREAD__)
constexpr int scale = 100;  // ThreadSanitizer has room for some 8,000 fibers
#elif defined(__SANITIZE_ADDRESS__)
constexpr int scale = 20;
#else
constexpr int scale = 1;
#endif

int lines_of(const char* path) {
  std::ifstream file(path);
  int count = 0;
  for (std::string line; std::getline(file, line);) ++count;
  return count;
}

bool has_guard_markers() {
  auto* const probe = tide::detail::map_stack(1);
  const int before = lines_of("/proc/self/maps");
  auto* const second = tide::detail::map_stack(1, stack_guard::mapping);
  const int after = lines_of("/proc/self/maps");
  tide::detail::unmap_stack(second);
  tide::detail::unmap_stack(probe);
  std::ifstream limit("/proc/sys/kernel/osrelease");
  int major = 0;
  int minor = 0;
  char dot = 0;
  limit >> major >> dot >> minor;
  EXPECT_GT(after, before) << "a guard of its own mapping";
  return major > 6 || (major == 6 && minor >= 13);
}

TEST(FiberStack, AMillionSpawnedAndJoinedInConstantMemory) {
  constexpr int rounds = 1'000'000 / scale;
  run_here([](tide::scope& scope) -> tide::task<> {
    int ran = 0;
    std::size_t memory = 0;
    const support::allocations counted;
    std::size_t allocations = 0;
    for (int i = 0; i < rounds; ++i) {
      if (i == rounds / 10) {
        memory = support::resident_bytes();
        allocations = counted.so_far();
      }
      fiber::spawn(scope, [&ran] { ++ran; });
      co_await scope.join();
    }
    EXPECT_TRUE(ran == rounds);
    if (support::counts_allocations) {
      EXPECT_LE(counted.so_far() - allocations, 4u) << "but for the ways to measure";
    }
    if (!support::sanitized) {
      EXPECT_LT(support::resident_bytes(), memory + (1U << 20U));
    }
  });
}

TEST(FiberStack, AMillionAtOnceUseOneStackWhenNoneOfThemWaits) {
  constexpr int count = 1'000'000 / scale;
  run_here([](tide::scope& scope) -> tide::task<> {
    const auto memory = support::resident_bytes();
    const void* first = nullptr;
    int elsewhere = 0;
    for (int i = 0; i < count; ++i) {
      fiber::spawn(scope, [&] {
        const char here = 0;
        if (first == nullptr) first = &here;
        elsewhere += &here != first ? 1 : 0;
      });
    }
    co_await scope.join();
    if (!support::sanitized) {
      EXPECT_EQ(elsewhere, 0);
      EXPECT_LT(support::resident_bytes(), memory + count * std::size_t{320}) << "frames only";
    }
  });
}

TEST(FiberStack, MoreAtATimeThanTheProcessMayHaveMappings) {
  if (!has_guard_markers()) GTEST_SKIP() << "needs MADV_GUARD_INSTALL (Linux 6.13): here every stack takes two mappings";
  constexpr int count = 40'000 / scale;
  run_here([](tide::scope& scope) -> tide::task<> {
    tide::local::condition open;
    int waiting = 0;
    for (int i = 0; i < count; ++i) {
      fiber::spawn(scope, {.stack_bytes = 8'192}, [&] {
        ++waiting;
        EXPECT_TRUE(fiber::await(open.wait()));
        --waiting;
      });
    }
    while (waiting < count) co_await tide::yield();
    if (!support::sanitized) {
      EXPECT_LT(lines_of("/proc/self/maps"), 1'000);
    }
    open.notify_all();
    co_await scope.join();
    EXPECT_EQ(waiting, 0);
  });
}

TEST(FiberStack, IsAsLargeAsAskedForAndItsLastByteCanBeUsed) {
  for (const auto guard : {stack_guard::best, stack_guard::mapping}) {
    auto* const stack = tide::detail::map_stack(50'000, guard);
    EXPECT_GE(stack->usable, 50'000u);
    EXPECT_EQ(stack->usable % static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)), 0u);
    *stack->lowest = std::byte{1};
    EXPECT_FALSE(in_guard(*stack, stack->lowest));
    EXPECT_TRUE(in_guard(*stack, stack->lowest - 1));
    EXPECT_TRUE(in_guard(*stack, stack->lowest - 16'384));
    EXPECT_FALSE(in_guard(*stack, stack->lowest - 16'385));
    tide::detail::unmap_stack(stack);
  }
}

TEST(FiberStack, TheDeepestTouchIsNotKeptForEver) {
  run_here([](tide::scope& scope) -> tide::task<> {
    constexpr int count = 2 * static_cast<int>(tide::detail::fiber_stacks::kept) / (support::sanitized ? 20 : 1);
    const auto memory = support::resident_bytes();
    tide::local::condition open;
    int waiting = 0;
    for (int i = 0; i < count; ++i) {
      fiber::spawn(scope, [&] {
        ++waiting;
        (void)fiber::await(open.wait());
      });
    }
    while (waiting < count) co_await tide::yield();
    open.notify_all();
    co_await scope.join();
    // What is kept are stacks with two or three touched pages.
    if (!support::sanitized) {
      EXPECT_LT(support::resident_bytes(), memory + tide::detail::fiber_stacks::kept * 16'384);
    }
  });
}

TEST(FiberStack, NoMemoryForAStackIsAnExceptionForTheJoiner) {
  run_here([](tide::scope&) -> tide::task<> {
    for (const std::size_t bytes : {~std::size_t{0}, ~std::size_t{0} - 100'000, std::size_t{1} << 60U}) {
      EXPECT_THROW(co_await fiber::call({.stack_bytes = bytes}, [] { ADD_FAILURE() << "on which stack?"; }), std::bad_alloc);
    }
    EXPECT_EQ(co_await fiber::call([] { return 1; }), 1) << "the next one has a stack";
  });
}

}  // namespace
