// However many completions there are and however fast they keep coming, the run loop looks up after a quantum: what was
// posted and what waits for the clock has its turn. The tasks' time is counted by hand.
#include <gtest/gtest.h>

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <ranges>
#include <vector>

#include <tide/base/descriptor.hpp>
#include <tide/runtime/io_operation.hpp>

#include "support/run.hpp"

namespace {

using namespace std::chrono_literals;
using support::make_executor;
using tide::ring::request;

std::uint64_t now_ns = 0;  // one thread

tide::executor::options by_hand() {
  return {.quantum = 1ms, .task_clock = []() noexcept { return now_ns; }};
}
void pass(std::chrono::nanoseconds time) { now_ns += static_cast<std::uint64_t>(time.count()); }

struct transfer : tide::io_operation {
  explicit transfer(const request& what) : io_operation(what) {}
  int await_resume() const noexcept { return result_code(); }
};

TEST(Flood, CompletionsEndWithTheQuantumHoweverManyThereAre) {
  auto executor = make_executor(by_hand());
  std::vector<int> a_turn;  // completions in each
  executor->run([&](tide::scope& scope) -> tide::task<> {
    std::uint64_t turn = 0;
    for (int i = 0; i < 500; ++i) {
      scope.spawn([&]() -> tide::task<> {
        EXPECT_EQ(co_await transfer(request::nop()), 0);
        if (turn != executor->count().turns) a_turn.push_back(0);
        turn = executor->count().turns;
        ++a_turn.back();
        pass(300us);
      });
    }
    co_await scope.join();
  });
  // How long they take is not known before there was a flood of them; from then on a quantum is over with the fourth or so.
  const auto flood = [](int count) { return count >= 16; };
  ASSERT_LE(std::ranges::max(a_turn), 32);
  EXPECT_LE(std::ranges::count_if(a_turn, flood), 2);
  EXPECT_LE(std::ranges::max(std::ranges::find_last_if(a_turn, flood) | std::views::drop(1)), 8);
}

TEST(Flood, QuickOnesAreTakenTogether) {
  auto executor = make_executor(by_hand());
  std::map<std::uint64_t, int> a_turn;
  executor->run([&](tide::scope& scope) -> tide::task<> {
    for (int i = 0; i < 500; ++i) {
      scope.spawn([&]() -> tide::task<> {
        EXPECT_EQ(co_await transfer(request::nop()), 0);
        ++a_turn[executor->count().turns];
      });
    }
    co_await scope.join();
  });
  if (support::unkind_seed() != 0) GTEST_SKIP() << "completions come late here";
  EXPECT_LE(a_turn.size(), 3u);
}

/// Posts itself again and again.
void post_again(const tide::executor_handle& to, int& times, const bool& over) {
  to.post([&to, &times, &over] {
    ++times;
    if (!over) post_again(to, times, over);
  });
}

TEST(Flood, SocketsThatAlwaysHaveBytesStarveNeitherPostsNorTimers) {
  constexpr int sockets = 200;
  constexpr int reads = 10'000;
  constexpr auto time_of_a_read = 100us;
  auto executor = make_executor(by_hand());
  const tide::executor_handle handle = executor->handle();
  int done = 0;
  int posts = 0;
  int ticks = 0;
  bool over = false;
  executor->run([&](tide::scope& scope) -> tide::task<> {
    post_again(handle, posts, over);
    scope.spawn([&]() -> tide::task<> {
      while (!over) {
        (void)co_await tide::sleep(1ns);
        ++ticks;
      }
    });
    for (int i = 0; i < sockets; ++i) {
      scope.spawn([&]() -> tide::task<> {
        int pair[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        const tide::descriptor ours(pair[0]);
        const tide::descriptor theirs(pair[1]);
        EXPECT_EQ(::send(theirs.get(), "flood", 5, 0), 5);
        std::array<std::byte, 1> into{};
        while (done < reads) {
          const int got = co_await transfer(request::receive(ours.get(), into));
          EXPECT_EQ(got, 1);
          EXPECT_EQ(::send(theirs.get(), "x", 1, 0), 1);
          ++done;
          pass(time_of_a_read);
        }
        over = true;
      });
    }
    co_await scope.join();
  });
  // A quantum is over with the tenth read; a turn more, or a first one of which nobody knew how long it takes, is room
  // enough.
  EXPECT_GE(posts, reads / 20);
  EXPECT_GE(ticks, reads / 20);
}

}  // namespace
