#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "support/run.hpp"

namespace {

using namespace std::chrono_literals;
using support::run_here;

TEST(Sleep, NeverEarlyAndInOrder) {
  run_here([](tide::scope& scope) -> tide::task<> {
    std::mt19937 random(1);
    std::vector<tide::clock::time_point> woken;
    const auto first = tide::clock::now() + 100ms;  // all are asleep by then: what is past already only yields
    for (int i = 0; i < 500; ++i) {
      const auto deadline = first + std::chrono::microseconds(random() % 20'000);
      scope.spawn([&woken, deadline]() -> tide::task<> {
        EXPECT_TRUE(co_await tide::sleep_until(deadline));
        EXPECT_GE(tide::clock::now(), deadline);
        woken.push_back(deadline);
      });
    }
    co_await scope.join();
    EXPECT_TRUE(std::ranges::is_sorted(woken));
    EXPECT_EQ(woken.size(), 500u);
  });
}

TEST(Sleep, InThePastItOnlyYields) {
  run_here([](tide::scope&) -> tide::task<> {
    EXPECT_TRUE(co_await tide::sleep(-1h));
    EXPECT_TRUE(co_await tide::sleep(0ns));
    EXPECT_TRUE(co_await tide::sleep_until(tide::clock::time_point::min()));
  });
}

TEST(Sleep, TheLongestOnesDoNotOverflow) {
  run_here([](tide::scope& scope) -> tide::task<> {
    scope.spawn([]() -> tide::task<> {
      EXPECT_EQ((co_await tide::sleep(tide::clock::duration::max())).error(), tide::errc::canceled);
    });
    scope.spawn([]() -> tide::task<> {
      EXPECT_EQ((co_await tide::timeout(tide::clock::duration::max(), tide::sleep(1h))).error(), tide::errc::canceled);
    });
    EXPECT_TRUE(co_await tide::sleep(1ms));
    scope.cancel();
    co_await scope.join();
  });
}

TEST(Timeout, ThreeEndings) {
  run_here([](tide::scope& scope) -> tide::task<> {
    EXPECT_TRUE(co_await tide::timeout(1h, tide::sleep(1ms)));
    EXPECT_EQ((co_await tide::timeout(1ms, tide::sleep(1h))).error(), tide::errc::timed_out);
    scope.spawn(
        []() -> tide::task<> { EXPECT_EQ((co_await tide::timeout(1h, tide::sleep(1h))).error(), tide::errc::canceled); });
    co_await tide::yield();
    scope.cancel();
    co_await scope.join();
  });
}

TEST(Timeout, OfATask) {
  run_here([](tide::scope&) -> tide::task<> {
    const auto slow = []() -> tide::task<tide::result<int>> {
      if (auto slept = co_await tide::sleep(1h); !slept) co_return tide::fail(slept.error());
      co_return 1;
    };
    EXPECT_EQ((co_await tide::timeout(1ms, slow())).error(), tide::errc::timed_out);
    const auto fast = []() -> tide::task<tide::result<int>> { co_return 2; };
    EXPECT_EQ(co_await tide::timeout(0ms, fast()), 2);
  });
}

TEST(Timeout, NestedOnesTellWhoseTimeRanOut) {
  run_here([](tide::scope&) -> tide::task<> {
    std::error_code inner;
    const auto nested = [&](tide::clock::duration time) -> tide::task<tide::result<>> {
      const auto slept = co_await tide::timeout(time, tide::sleep(1h));
      inner = slept.error();
      co_return slept;
    };
    EXPECT_EQ((co_await tide::timeout(1ms, nested(1h))).error(), tide::errc::timed_out);
    EXPECT_EQ(inner, tide::errc::canceled) << "the inner time had not run out";
    EXPECT_EQ((co_await tide::timeout(1h, nested(1ms))).error(), tide::errc::timed_out);
    EXPECT_EQ(inner, tide::errc::timed_out);
  });
}

/// Ends with a value although it was asked to stop: the result was faster.
class racing_wait : public tide::waiter {
 public:
  racing_wait() = default;
  racing_wait(racing_wait&&) noexcept {}
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> self) {
    self_ = self;
    home_ = &self.promise().node().home();
    self.promise().node().attach(*this);
  }
  tide::result<int> await_resume() const noexcept { return 77; }

 private:
  void on_cancel() noexcept override { home_->schedule(self_); }
  std::coroutine_handle<> self_;
  tide::executor* home_ = nullptr;
};

TEST(Timeout, AResultThatRacedIsDelivered) {
  run_here([](tide::scope&) -> tide::task<> { EXPECT_EQ(co_await tide::timeout(1ms, racing_wait()), 77); });
}

TEST(Timeout, JoinsWhatItCancelled) {
  run_here([](tide::scope&) -> tide::task<> {
    bool cleaned = false;
    const auto slow = [&]() -> tide::task<tide::result<>> {
      const auto slept = co_await tide::sleep(1h);
      for (int i = 0; i < 10; ++i) co_await tide::yield();
      cleaned = true;
      co_return slept;
    };
    EXPECT_EQ((co_await tide::timeout(1ms, slow())).error(), tide::errc::timed_out);
    EXPECT_TRUE(cleaned);
  });
}

TEST(Timeout, PutsTheCallerBackWhereItWas) {
  run_here([](tide::scope&) -> tide::task<> {
    (void)co_await tide::timeout(1ms, tide::sleep(1h));
    EXPECT_TRUE(co_await tide::sleep(1ms)) << "the time-out's request must not stay";
  });
}

TEST(Cancellation, BeforeDuringAndAfter) {
  run_here([](tide::scope& scope) -> tide::task<> {
    std::string told;
    const auto sleeper = [&](char name, tide::clock::duration time) -> tide::task<> {
      const auto slept = co_await tide::sleep(time);
      told += name;
      told += slept ? '+' : '-';
    };
    scope.spawn(sleeper, 'a', 1us);  // over before the request
    co_await scope.join();
    scope.spawn(sleeper, 'b', 1h);
    co_await tide::yield();         // waits when the request comes
    scope.spawn(sleeper, 'c', 1h);  // has not begun when the request comes
    scope.cancel();
    co_await scope.join();
    EXPECT_EQ(told.substr(0, 2), "a+");
    EXPECT_NE(told.find("b-"), std::string::npos);
    EXPECT_NE(told.find("c-"), std::string::npos);
    EXPECT_EQ(told.size(), 6u);
  });
}

}  // namespace
