// A fiber that runs over its stack ends the process with its name, and other faults go where they went before.
#include <gtest/gtest.h>

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>

#include <tide/runtime/fiber.hpp>

#include "support/run.hpp"
#include "support/sanitizers.hpp"

namespace {

using support::run_here;
namespace fiber = tide::fiber;

[[gnu::noinline]] int deeper(volatile char* above, int left) {
  volatile char here[512];
  here[0] = above == nullptr ? '\0' : above[0];
  return left == 0 ? 0 : deeper(here, left - 1) + here[0];
}

void overflow() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  run_here([](tide::scope& scope) -> tide::task<> {
    fiber::spawn(scope, {.stack_bytes = 65'536, .name = "digger"}, [] {
      fiber::yield();
      (void)deeper(nullptr, 1'000'000);
    });
    co_await scope.join();
  });
}

// A sanitizer's own handler, called after ours, ends the process in its own way.
TEST(FiberOverflowDeathTest, NamesTheFiber) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(overflow(), "tide: fiber 'digger' ran over its stack of 65536 bytes");
}

TEST(FiberOverflowDeathTest, EndsByTheSignalAsWithoutUs) {
  if (support::sanitized) GTEST_SKIP() << "the sanitizer's handler exits by itself";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(overflow(), testing::KilledBySignal(SIGSEGV), "digger");
}

extern "C" void exit_with_seven(int) { ::_exit(7); }

TEST(FiberOverflowDeathTest, CallsTheFormerHandlerAfterwards) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        ::signal(SIGSEGV, exit_with_seven);
        overflow();
      },
      testing::ExitedWithCode(7), "digger");
}

TEST(FiberOverflowDeathTest, AFaultThatIsNoOverflowIsLeftToTheOthers) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        ::signal(SIGSEGV, exit_with_seven);
        run_here([](tide::scope&) -> tide::task<> {
          co_await fiber::call({.name = "innocent"}, [] { (void)::raise(SIGSEGV); });
        });
      },
      testing::ExitedWithCode(7), "^((.|\n)*[^i])?$");
}

}  // namespace
