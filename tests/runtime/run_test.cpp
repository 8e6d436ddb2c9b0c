#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <tide/runtime/run.hpp>

#include "support/process.hpp"
#include "support/run.hpp"

namespace {

using namespace std::chrono_literals;
using support::make_executor;
using support::run_here;

TEST(ExecutorRun, AMainThatEndsAtOnceEndsTheRun) {
  EXPECT_EQ(tide::run([](tide::scope&) -> tide::task<int> { co_return 3; }), 3);
  EXPECT_EQ(tide::run([](tide::scope&) -> tide::task<> { co_return; }), 0);
}

TEST(ExecutorRun, AWakeThatComesWhileAwakeIsNotLost) {
  // The executor calls itself before it parks for ever: it must look around once more, and see the flag.
  struct flag_service final : tide::executor_service {
    explicit flag_service(tide::executor&) {}
    void turn() noexcept override {
      if (waiting != nullptr && left && !std::exchange(called, true)) home->schedule(waiting);
    }
    tide::executor* home = nullptr;
    std::coroutine_handle<> waiting;
    bool left = false;
    bool called = false;
  };
  struct wait_for_flag {
    flag_service& service;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> self) const { service.waiting = self; }
    void await_resume() const noexcept {}
  };
  auto executor = make_executor();
  auto handle = executor->handle();
  executor->run([&](tide::scope& scope) -> tide::task<> {
    auto& service = executor->use<flag_service>();
    service.home = executor.get();
    // A service that looks after this one in the same turn stands for the thread that leaves something just then.
    struct late_service final : tide::executor_service {
      explicit late_service(tide::executor&) {}
      void turn() noexcept override {
        if (armed && !std::exchange(of->left, true)) handle->wake();
      }
      bool armed = false;
      flag_service* of = nullptr;
      tide::executor_handle* handle = nullptr;
    };
    auto& late = executor->use<late_service>();
    late.of = &service;
    late.handle = &handle;
    late.armed = true;
    co_await wait_for_flag{service};
    (void)scope;
  });
}

TEST(ExecutorRun, WorkThatThrowsLosesNoOtherWork) {
  auto executor = make_executor();
  auto handle = executor->handle();
  std::string ran;
  EXPECT_TRUE(handle.post([&] { ran += 'a'; }));
  EXPECT_TRUE(handle.post([owned = std::make_unique<int>(1)] { throw std::runtime_error("thrown by posted work"); }));
  EXPECT_TRUE(handle.post([&] { ran += 'b'; }));
  const auto main = [](tide::scope&) -> tide::task<> { co_await tide::sleep(1h); };
  try {
    executor->run(main);
    ADD_FAILURE() << "the exception was lost";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "thrown by posted work");
  }
  EXPECT_EQ(ran, "ab");
}

}  // namespace
