// Stalls: a task keeps the thread until the watch has said so. Nothing here depends on how long that takes.
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <tide/runtime/detail/heartbeat.hpp>

#include "support/run.hpp"
#include "support/sanitizers.hpp"

/// Its name is looked for in the reports.
extern "C" [[gnu::noinline]] void keep_the_thread_until(const std::atomic<int>& reports, int wanted) {
  while (reports < wanted) static_cast<void>(std::chrono::steady_clock::now());
}
extern "C" [[gnu::noinline]] void throw_all_the_time_until(const std::atomic<int>& reports, int wanted) {
  while (reports < wanted) {
    try {
      throw std::runtime_error("in the midst of this");
    } catch (const std::runtime_error&) {
    }
  }
}

namespace {

using namespace std::chrono_literals;
using support::make_executor;

class witness_stand {
 public:
  tide::executor::options options(std::chrono::nanoseconds threshold = 2ms) {
    return {.stalls = {.threshold = threshold, .sink = [this](const tide::stall_report& found) {
                         const std::lock_guard lock(guard_);
                         reports_.push_back(found);
                         ++count;
                       }}};
  }
  std::vector<tide::stall_report> reports() {
    const std::lock_guard lock(guard_);
    return reports_;
  }
  /// True if a report names both.
  bool heard(std::string_view queue, std::string_view function) {
    for (const auto& each : reports()) {
      if (each.queue == queue && each.text().find(function) != std::string::npos) return true;
    }
    return false;
  }
  std::string all() {
    std::string text;
    for (const auto& each : reports()) text += each.text() + "\n";
    return text;
  }

  std::atomic<int> count{0};

 private:
  std::mutex guard_;
  std::vector<tide::stall_report> reports_;
};

TEST(Stall, NamesTheQueueAndTheFunction) {
  witness_stand stand;
  auto executor = make_executor(stand.options());
  executor->run([&](tide::scope& scope) -> tide::task<> {
    auto& queue = executor->make_queue({.name = "suspect"});
    executor->make_queue({.name = "innocent"});
    scope.spawn_into(queue, [&]() -> tide::task<> {
      while (!stand.heard("suspect", "keep_the_thread_until")) {
        const int wanted = stand.count + 1;
        EXPECT_TRUE(co_await tide::sleep(1us));  // another turn of the executor
        keep_the_thread_until(stand.count, wanted);
      }
    });
    co_await scope.join();
  });
  EXPECT_TRUE(stand.heard("suspect", "keep_the_thread_until")) << stand.all();
  EXPECT_FALSE(stand.heard("innocent", "keep_the_thread_until"));
  for (const auto& each : stand.reports()) EXPECT_GE(each.lasted, 2ms);
}

TEST(Stall, OneStallIsOneReport) {
  witness_stand stand;
  auto executor = make_executor(stand.options(1ms));
  executor->run([&](tide::scope&) -> tide::task<> {
    keep_the_thread_until(stand.count, 1);
    const int before = stand.count;
    const auto begun = tide::clock::now();
    while (tide::clock::now() - begun < 10ms) {
    }
    EXPECT_EQ(stand.count, before) << "told already";
    EXPECT_TRUE(co_await tide::sleep(1us));
    keep_the_thread_until(stand.count, before + 1);  // the next one
  });
}

TEST(Stall, InTheMidstOfAThrow) {
  witness_stand stand;
  auto executor = make_executor(stand.options(1ms));
  executor->run([&](tide::scope&) -> tide::task<> {
    for (int i = 0; i < 20; ++i) {
      const int wanted = stand.count + 1;
      EXPECT_TRUE(co_await tide::sleep(1us));
      throw_all_the_time_until(stand.count, wanted);
    }
  });
  EXPECT_GE(stand.count, 20);
}

TEST(Stall, TwoExecutorsWithOneSignalEachFindTheirOwn) {
  witness_stand here;
  witness_stand there;
  const auto stall = [](witness_stand& stand, const char* name) {
    auto executor = make_executor(stand.options());
    executor->run([&](tide::scope& scope) -> tide::task<> {
      auto& queue = executor->make_queue({.name = name});
      scope.spawn_into(queue, [&]() -> tide::task<> {
        while (!stand.heard(name, "keep_the_thread_until")) {
          const int wanted = stand.count + 1;
          EXPECT_TRUE(co_await tide::sleep(1us));  // another turn of the executor
          keep_the_thread_until(stand.count, wanted);
        }
      });
      co_await scope.join();
    });
  };
  std::thread other([&] { stall(there, "there"); });
  stall(here, "here");
  other.join();
  EXPECT_TRUE(here.heard("here", "keep_the_thread_until"));
  EXPECT_FALSE(here.heard("there", ""));
  EXPECT_FALSE(there.heard("here", ""));
}

TEST(Stall, RunsWithAWatchStartAndEndManyTimes) {
  witness_stand stand;
  auto executor = make_executor(stand.options(1us));
  for (int i = 0; i < 200; ++i) {
    executor->run([](tide::scope&) -> tide::task<> {
      for (int turn = 0; turn < 20; ++turn) co_await tide::yield();
    });
  }
}

TEST(Stall, AForkedChildHasNoWatchAndDoesNotWaitForOne) {
  if (support::sanitized) GTEST_SKIP() << "the watch's thread may hold a lock of the sanitizer's allocator during the fork";
  witness_stand stand;
  bool in_child = false;
  auto executor = make_executor(stand.options(1h));
  try {
    executor->run([&](tide::scope&) -> tide::task<> {
      const pid_t child = ::fork();
      in_child = child == 0;
      int status = 1;
      EXPECT_TRUE(in_child || ::waitpid(child, &status, 0) == child);
      EXPECT_TRUE(co_await tide::sleep(1us));
      EXPECT_EQ(status, 0);
    });
  } catch (const std::system_error&) {
    executor.reset();
    ::_exit(in_child ? 0 : 1);
  }
}

TEST(Stall, AHeartbeatTellsAsleepFromStandingStill) {
  tide::detail::heartbeat beat;
  EXPECT_TRUE(tide::detail::heartbeat::asleep(beat.look()));
  beat.wake();
  auto last = beat.look();
  EXPECT_FALSE(tide::detail::heartbeat::asleep(last));
  for (int i = 0; i < 10; ++i) {
    beat.turn();
    EXPECT_NE(beat.look(), last);
    EXPECT_FALSE(tide::detail::heartbeat::asleep(beat.look()));
    last = beat.look();
    beat.sleep();
    EXPECT_TRUE(tide::detail::heartbeat::asleep(beat.look()));
    beat.wake();
    EXPECT_FALSE(tide::detail::heartbeat::asleep(beat.look()));
    EXPECT_NE(beat.look(), last);
    last = beat.look();
  }
}

}  // namespace
