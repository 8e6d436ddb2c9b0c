// Exceptions from wherever user code runs: delivered to whoever waits, nothing else disturbed.
#include <gtest/gtest.h>

#include <barrier>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

#include <tide/runtime/alarm.hpp>
#include <tide/runtime/blocking.hpp>
#include <tide/runtime/combine.hpp>

#include "support/run.hpp"
#include "support/witness.hpp"

namespace {

using namespace std::chrono_literals;
using support::run_here;

template <class Awaitable>
tide::task<std::string> heard_from(Awaitable of) {
  std::string heard = "nothing";
  try {
    (void)co_await std::move(of);
  } catch (const std::runtime_error& error) {
    heard = error.what();
  }
  co_return heard;
}

TEST(Exceptions, AThousandBlockingCallsThatThrowAndOneThatDoesNot) {
  run_here([](tide::scope& scope) -> tide::task<> {
    int caught = 0;
    for (int i = 0; i < 1'000; ++i) {
      scope.spawn([&caught, i]() -> tide::task<> {
        const auto text = std::to_string(i);
        const auto heard = co_await heard_from(tide::blocking([text]() -> int { throw std::runtime_error(text); }));
        EXPECT_EQ(heard, text);
        ++caught;
      });
    }
    co_await scope.join();
    EXPECT_EQ(caught, 1'000);
    EXPECT_EQ((co_await tide::blocking([] { return 1'001; })).value(), 1'001);
    // No thread has gone: as many calls as there are threads wait for each other.
    constexpr auto all = static_cast<std::ptrdiff_t>(tide::detail::blocking_pool::most_threads);
    std::barrier<> together(all);
    for (std::ptrdiff_t i = 0; i < all; ++i) {
      scope.spawn([&]() -> tide::task<> { EXPECT_TRUE(co_await tide::blocking([&] { together.arrive_and_wait(); })); });
    }
    co_await scope.join();
  });
}

TEST(Exceptions, OfEveryKindOfTaskWhileOthersGoOn) {
  std::vector<std::string> reported;
  const tide::executor::options wanted{.on_exception = [&](const std::exception_ptr& error) {
    try {
      std::rethrow_exception(error);
    } catch (const std::runtime_error& known) {
      reported.emplace_back(known.what());
    }
  }};
  run_here(
      [&](tide::scope& scope) -> tide::task<> {
        auto* here = tide::executor::current();
        auto& queue = here->make_queue({.name = "one"});
        bool stop = false;
        int turns = 0;
        for (auto* each : {&queue, &here->default_queue()}) {
          scope.spawn_into(*each, [&]() -> tide::task<> {
            while (!stop) {
              ++turns;
              co_await tide::yield();
            }
          });
        }
        const auto throws = [](const char* text, support::witness = {}) -> tide::task<int> {
          co_await tide::yield();
          throw std::runtime_error(text);
          co_return 0;
        };
        EXPECT_EQ(co_await heard_from(throws("a call")), "a call");
        auto spawned = scope.spawn_joinable_into(queue, throws, "a spawn", support::witness());
        EXPECT_EQ(co_await heard_from([](auto& of) -> tide::task<> { (void)co_await of; }(spawned)), "a spawn");
        EXPECT_EQ(co_await heard_from(tide::all(throws("in all"), tide::sleep(1h))), "in all");
        EXPECT_EQ(co_await heard_from(tide::shield(throws("in a shield"))), "in a shield");
        const auto timed = [&]() -> tide::task<tide::result<>> { co_return (co_await throws("timed"), tide::result<>()); };
        EXPECT_EQ(co_await heard_from(tide::timeout(1h, timed())), "timed");
        const auto in_alarm = [&]() -> tide::task<> {
          co_await tide::with_scope([](tide::scope& inner) -> tide::task<> {
            tide::alarm loud(inner, []() { throw std::runtime_error("an alarm"); });
            loud.arm(1us);
            (void)co_await tide::sleep(1h);
          });
        };
        EXPECT_EQ(co_await heard_from(in_alarm()), "an alarm");
        here->detach([throws]() -> tide::task<> { (void)co_await throws("detached"); });
        while (reported.empty()) co_await tide::yield();
        EXPECT_EQ(reported, std::vector<std::string>{"detached"});
        const int before = turns;
        for (int i = 0; i < 100; ++i) co_await tide::yield();
        EXPECT_GT(turns, before) << "the others go on";
        EXPECT_FALSE(scope.cancelled());
        stop = true;
        co_await scope.join();
        EXPECT_EQ(support::witness::alive(), 0);
      },
      wanted);
}

}  // namespace
