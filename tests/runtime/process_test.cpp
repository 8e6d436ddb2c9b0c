#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <string>
#include <utility>
#include <vector>

#include <tide/runtime/combine.hpp>
#include <tide/runtime/process.hpp>

#include "support/process.hpp"
#include "support/run.hpp"
#include "support/sanitizers.hpp"

namespace {

using namespace std::chrono_literals;
using support::run_here;
using tide::process;
using stdio = process::stdio;

process::options shell(const std::string& script) { return {.arguments = {"sh", "-c", script}}; }

tide::task<std::string> read_all(tide::pipe_end& from) {
  std::string all;
  std::array<char, 4096> part{};
  while (true) {
    const auto count = co_await from.read(std::as_writable_bytes(std::span(part)));
    EXPECT_TRUE(count);
    if (!count || *count == 0) co_return all;
    all.append(part.data(), *count);
  }
}

/// No child is left, not even a zombie.
bool childless() { return ::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD; }

TEST(Process, SaysHowItEnded) {
  run_here([](tide::scope&) -> tide::task<> {
    auto well = process::start({.arguments = {"true"}}).value();
    EXPECT_TRUE((co_await well.wait()).value().success());
    EXPECT_TRUE((co_await well.wait()).value().success()) << "as often as asked";
    EXPECT_TRUE(well.status()->success());
    auto badly = process::start(shell("exit 7")).value();
    EXPECT_EQ((co_await badly.wait()).value().code(), 7);
    auto by_signal = process::start(shell("kill -9 $$")).value();
    const auto end = (co_await by_signal.wait()).value();
    EXPECT_EQ(end.signal(), SIGKILL);
    EXPECT_FALSE(end.exited());
    EXPECT_EQ(by_signal.kill().error().value(), ESRCH) << "and reaches nobody else";
  });
  EXPECT_TRUE(childless());
}

TEST(Process, WhatCannotBeStartedIsAnErrorAndLeavesNothing) {
  run_here([](tide::scope&) -> tide::task<> {
    const auto descriptors = support::open_descriptors();
    EXPECT_EQ(
        process::start({.arguments = {"no-such-program-anywhere"}, .in = stdio::pipe, .out = stdio::pipe}).error().value(),
        ENOENT);
    EXPECT_EQ(process::start({.arguments = {}}).error().value(), EINVAL);
    EXPECT_EQ(process::start({.arguments = {"true"}, .directory = "/no/such/place"}).error().value(), ENOENT);
    EXPECT_EQ(support::open_descriptors(), descriptors);
    co_return;
  });
  EXPECT_TRUE(childless());
}

TEST(Process, TalksThroughItsThreeStreams) {
  run_here([](tide::scope&) -> tide::task<> {
    auto wanted = shell("sort; echo done >&2");
    wanted.in = wanted.out = wanted.error = stdio::pipe;
    auto child = process::start(wanted).value();
    EXPECT_TRUE(co_await child.in().write_all("pear\napple\n"));
    child.in().close();
    EXPECT_EQ(co_await read_all(child.out()), "apple\npear\n");
    EXPECT_EQ(co_await read_all(child.error()), "done\n");
    EXPECT_TRUE((co_await child.wait()).value().success());
  });
}

TEST(Process, MoreThanAPipeHolds) {
  run_here([](tide::scope&) -> tide::task<> {
    const std::string large(support::sanitized ? 1'000'000 : 5'000'000, 'x');
    auto child = process::start({.arguments = {"cat"}, .in = stdio::pipe, .out = stdio::pipe}).value();
    auto feed = [](tide::pipe_end& into, const std::string& text) -> tide::task<bool> {
      const auto written = co_await into.write_all(text);
      into.close();
      co_return written.has_value();
    };
    auto [fed, back] = co_await tide::all(feed(child.in(), large), read_all(child.out()));
    EXPECT_TRUE(fed);
    EXPECT_EQ(back, large);
    EXPECT_TRUE((co_await child.wait()).value().success());
  });
}

TEST(Process, WritingToOneThatReadsNoLongerIsAnErrorAndNoSignal) {
  run_here([](tide::scope&) -> tide::task<> {
    auto child = process::start({.arguments = {"true"}, .in = stdio::pipe}).value();
    (void)co_await child.wait();
    EXPECT_EQ((co_await child.in().write_all("anybody?")).error().value(), EPIPE);
  });
}

TEST(Process, InheritsNothingButItsThreeStreams) {
  const tide::descriptor careless(::open("/dev/null", O_RDONLY));  // without O_CLOEXEC
  sigset_t blocked;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGTERM);
  sigset_t before;
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  run_here([](tide::scope&) -> tide::task<> {
    auto wanted = shell("ls /proc/$$/fd; exec grep -E 'SigBlk|SigIgn' /proc/self/status");
    wanted.in = wanted.error = stdio::null;
    wanted.out = stdio::pipe;
    auto child = process::start(wanted).value();
    EXPECT_EQ(co_await read_all(child.out()), "0\n1\n2\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
    (void)co_await child.wait();
  });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST(Process, EnvironmentAndDirectory) {
  run_here([](tide::scope&) -> tide::task<> {
    auto wanted = shell("pwd; echo $NAME; echo $HOME");
    wanted.arguments[0] = "/bin/sh";
    wanted.environment = {"NAME=value"};
    wanted.directory = "/usr";
    wanted.out = stdio::pipe;
    auto child = process::start(wanted).value();
    EXPECT_EQ(co_await read_all(child.out()), "/usr\nvalue\n\n");
    (void)co_await child.wait();
  });
}

TEST(Process, ACancelledWaitKillsAndCollects) {
  run_here([](tide::scope&) -> tide::task<> {
    auto child = process::start({.arguments = {"sleep", "1000"}}).value();
    EXPECT_EQ((co_await tide::timeout(1ms, child.wait())).error(), tide::errc::timed_out);
    EXPECT_EQ(child.status()->signal(), SIGKILL);
    EXPECT_TRUE(childless());
    auto second = process::start({.arguments = {"sleep", "1000"}}).value();
    co_await tide::with_scope([&second](tide::scope& inside) -> tide::task<> {
      inside.cancel();
      EXPECT_EQ((co_await second.wait()).error(), tide::errc::canceled) << "cancelled before the wait began";
    });
    EXPECT_TRUE(childless());
  });
}

TEST(Process, ACancelledWaitLeavesItIfSoConfigured) {
  run_here([](tide::scope&) -> tide::task<> {
    auto child = process::start({.arguments = {"cat"}, .in = stdio::pipe, .on_drop = process::when_dropped::leave}).value();
    EXPECT_EQ((co_await tide::timeout(1ms, child.wait())).error(), tide::errc::timed_out);
    EXPECT_FALSE(child.status());
    child.in().close();
    EXPECT_TRUE((co_await child.wait()).value().success());
  });
}

TEST(Process, StopAsksThenKills) {
  run_here([](tide::scope&) -> tide::task<> {
    auto obedient = process::start({.arguments = {"sleep", "1000"}}).value();
    EXPECT_EQ((co_await obedient.stop(10h)).value().signal(), SIGTERM);
    auto wanted = shell("trap '' TERM; echo ready; while :; do sleep 1000; done");
    wanted.out = stdio::pipe;
    wanted.own_group = true;  // its sleep as well
    auto stubborn = process::start(wanted).value();
    std::array<std::byte, 16> line{};
    EXPECT_EQ((co_await stubborn.out().read(line)).value(), 6u);
    co_await tide::with_scope([&stubborn](tide::scope& inside) -> tide::task<> {
      inside.cancel();
      EXPECT_EQ((co_await stubborn.stop(1ms)).value().signal(), SIGKILL) << "also when the scope is cancelled";
    });
    EXPECT_EQ(co_await read_all(stubborn.out()), "") << "nobody of the group has the pipe any more";
  });
  EXPECT_TRUE(childless());
}

TEST(Process, DroppedOnesAreKilledAndCollected) {
  const auto descriptors = support::open_descriptors();
  run_here([](tide::scope&) -> tide::task<> {
    auto wanted = shell("echo $$; exec sleep 1000");
    wanted.out = stdio::pipe;
    pid_t id = -1;
    {
      auto child = process::start(wanted).value();
      id = child.id();
    }
    while (::kill(id, 0) == 0) co_await tide::sleep(100us);  // a zombie would be there for ever
    EXPECT_TRUE(childless());
    (void)process::start({.arguments = {"sleep", "1000"}}).value();  // for the executor's end
  });
  EXPECT_TRUE(childless());
  (void)process::start({.arguments = {"sleep", "1000"}}).value();  // with no executor
  EXPECT_TRUE(childless());
  EXPECT_EQ(support::open_descriptors(), descriptors);
}

TEST(Process, AHundredAtOnceLeaveNothing) {
  const auto descriptors = support::open_descriptors();
  run_here([](tide::scope& scope) -> tide::task<> {
    constexpr int count = support::sanitized ? 20 : 100;
    int ended = 0;
    for (int i = 0; i < count; ++i) {
      scope.spawn(
          [](int code, int& sum) -> tide::task<> {
            auto wanted = shell("exit " + std::to_string(code % 100));
            wanted.in = wanted.out = wanted.error = stdio::pipe;
            auto child = process::start(wanted).value();
            EXPECT_EQ((co_await child.wait()).value().code(), code % 100);
            ++sum;
          },
          i, std::ref(ended));
    }
    co_await scope.join();
    EXPECT_EQ(ended, count);
  });
  EXPECT_TRUE(childless());
  EXPECT_EQ(support::open_descriptors(), descriptors);
}

}  // namespace
