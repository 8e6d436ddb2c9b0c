// What a turn of the run loop costs does not depend on how much lies idle. Not measured in time but counted: the
// instructions of a child that is taken through its turns step by step.
#include <gtest/gtest.h>

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <deque>
#include <memory>

#include <tide/runtime/run.hpp>
#include <tide/runtime/time.hpp>
#include <tide/sync/channel.hpp>
#include <tide/sync/event.hpp>
#include <tide/sync/spsc.hpp>

#include "support/sanitizers.hpp"

namespace {

using namespace std::chrono_literals;

std::uint64_t now_ns = 0;  // each turn takes the executor's quantum, so that turns are counted alike on any machine

/// Of each kind so many, and a coroutine that waits at each.
struct idle_world {
  std::deque<tide::channel<int>> channels;
  std::deque<tide::event> events;
  std::deque<tide::spsc<int>::sender> senders;
};

tide::task<> waits_at_channel(tide::channel<int>& at) { (void)co_await at.receive(); }
tide::task<> waits_at_event(tide::event& at) { (void)co_await at.wait(); }
tide::task<> waits_at_spsc(tide::spsc<int>::receiver at) { (void)co_await at.receive(); }
tide::task<> sleeps() { (void)co_await tide::sleep(1h); }

void fill(tide::scope& scope, idle_world& idle, int count) {
  for (int i = 0; i < count; ++i) {
    scope.spawn(waits_at_channel, std::ref(idle.channels.emplace_back(4)));
    scope.spawn(waits_at_event, std::ref(idle.events.emplace_back()));
    auto [sender, receiver] = tide::spsc<int>::create(4);
    idle.senders.push_back(std::move(sender));
    scope.spawn(waits_at_spsc, std::move(receiver));
    scope.spawn(sleeps);
  }
}

[[noreturn]] void child(int idle_count) {
  constexpr int turns = 20;
  ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  auto executor = tide::executor::create({.task_clock = []() noexcept { return now_ns; }}).value();
  executor->run([&](tide::scope& scope) -> tide::task<> {
    idle_world idle;
    fill(scope, idle, idle_count);
    const auto turn = []() -> tide::task<> {
      now_ns += 2'000'000;
      co_await tide::yield();
    };
    for (int i = 0; i < 50; ++i) co_await turn();  // everybody waits, every cache is warm
    ::raise(SIGSTOP);
    for (int i = 0; i < turns; ++i) co_await turn();
    ::raise(SIGSTOP);
    ::_exit(0);
  });
  ::_exit(1);
}

/// 0 if there can be no tracing.
std::uint64_t instructions(int idle_count) {
  const pid_t traced = ::fork();
  if (traced == 0) child(idle_count);
  int status = 0;
  if (::waitpid(traced, &status, 0) != traced || !WIFSTOPPED(status)) return 0;
  std::uint64_t steps = 0;
  while (::ptrace(PTRACE_SINGLESTEP, traced, nullptr, nullptr) == 0 && ::waitpid(traced, &status, 0) == traced &&
         WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP) {
    ++steps;
  }
  const bool whole = WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP;
  ::kill(traced, SIGKILL);
  ::waitpid(traced, &status, 0);
  return whole ? steps : 0;
}

TEST(IdleCost, ATurnOfTheRunLoopCostsTheSameBesideOneIdleChannelAndAThousand) {
  if (support::sanitized) GTEST_SKIP() << "counts the program's own instructions, not a sanitizer's";
  const std::uint64_t one = instructions(1);
  if (one == 0) GTEST_SKIP() << "no tracing here";
  const std::uint64_t thousand = instructions(1'000);
  ASSERT_GT(one, 20u * 50) << "turns were counted";
  EXPECT_LE(static_cast<double>(thousand), static_cast<double>(one) * 1.05) << one << " and " << thousand;
}

}  // namespace
