// A process that forks while it has executors: the child shares the rings' memory with its parent, and must not touch it.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "support/event.hpp"
#include "support/run.hpp"

namespace {

using namespace std::chrono_literals;
using support::make_executor;

bool exits_with_0(pid_t child) {
  int status = 0;
  return child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

tide::task<> nothing() { co_return; }

TEST(Fork, AChildThatTouchesNothingHarmsNothing) {
  auto executor = make_executor();
  executor->run([](tide::scope& scope) -> tide::task<> {
    for (int i = 0; i < 20; ++i) scope.spawn([]() -> tide::task<> { EXPECT_TRUE(co_await tide::sleep(1ms)); });
    co_await tide::yield();
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    EXPECT_TRUE(exits_with_0(child));
    co_await scope.join();
  });
  EXPECT_EQ(executor->ring().count().stale, 0u);
}

TEST(Fork, AChildThatGoesOnInATaskGetsAnErrorAndTheParentGoesOn) {
  bool in_child = false;
  auto executor = make_executor();
  try {
    executor->run([&](tide::scope& scope) -> tide::task<> {
      scope.spawn([]() -> tide::task<> { EXPECT_TRUE(co_await tide::sleep(2ms)); });
      co_await tide::yield();
      const pid_t child = ::fork();
      in_child = child == 0;
      EXPECT_TRUE(in_child || exits_with_0(child));
      EXPECT_TRUE(co_await tide::sleep(1ms));
      if (in_child) ::_exit(1);  // it came back
      co_await scope.join();
    });
  } catch (const std::system_error& error) {
    if (in_child) {
      const bool right = error.code() == tide::errc::other_process && tide::executor::current() == nullptr;
      executor.reset();
      ::_exit(right ? 0 : 2);
    }
    throw;
  }
  EXPECT_FALSE(in_child);
}

TEST(Fork, WhatAChildCallsOfItsParentsIsRefused) {
  auto idle = make_executor();
  auto handle = idle->handle();
  auto running = make_executor();
  auto to_running = running->handle();
  running->run([&](tide::scope&) -> tide::task<> {
    const pid_t child = ::fork();
    if (child == 0) {
      int right = handle.post([] {}) || to_running.post([] {}) || to_running.spawn(nothing) ? 1 : 0;
      to_running.wake();
      try {
        idle->run([](tide::scope&) -> tide::task<> { co_return; });
        right = 2;
      } catch (const std::system_error& error) {
        if (error.code() != tide::errc::other_process) right = 3;
      }
      idle.reset();
      ::_exit(right);
    }
    EXPECT_TRUE(exits_with_0(child));
    support::event posted;
    EXPECT_TRUE(to_running.post([&] { posted.set(); }));
    co_await posted;
  });
  EXPECT_EQ(idle->run([](tide::scope&) -> tide::task<int> { co_return 5; }), 5) << "the child destroyed its copy, not ours";
}

TEST(Fork, AChildMakesExecutorsOfItsOwn) {
  auto parents = make_executor();
  const pid_t child = ::fork();
  if (child == 0) {
    auto own = tide::executor::create({});
    if (!own) ::_exit(1);
    const int said = (*own)->run([&](tide::scope&) -> tide::task<int> {
      support::event posted;
      if (!(*own)->handle().post([&] { posted.set(); })) co_return 2;
      co_await posted;
      co_return co_await tide::sleep(1us) ? 0 : 3;
    });
    ::_exit(said);
  }
  EXPECT_TRUE(exits_with_0(child));
}

TEST(Fork, NoDescriptorSurvivesAnExec) {
  for (const bool futex : {false, true}) {
    auto executor = make_executor({.ring = {.without = {.futex = futex}}, .poll_files = true});
    executor->run([](tide::scope&) -> tide::task<> {
      for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code gone;
        const auto what = std::filesystem::read_symlink(each.path(), gone).string();
        if (what.find("anon_inode:") == std::string::npos) continue;
        EXPECT_NE(::fcntl(std::stoi(each.path().filename()), F_GETFD) & FD_CLOEXEC, 0) << what;
      }
      co_return;
    });
  }
}

}  // namespace
