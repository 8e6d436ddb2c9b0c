// Work for an executor from elsewhere: spawn by handle, calls on another executor, cancelling from any thread.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <vector>

#include <tide/runtime/on.hpp>
#include <tide/runtime/scope_handle.hpp>

#include "support/event.hpp"
#include "support/run.hpp"
#include "support/sanitizers.hpp"
#include "support/witness.hpp"

namespace {

using namespace std::chrono_literals;
using support::make_executor;
using support::run_here;

/// An executor on a thread of its own, until the end of the object.
class elsewhere {
 public:
  elsewhere() : executor_(make_executor()), handle_(executor_->handle()) {
    thread_ = std::thread([this] { executor_->run([this](tide::scope&) -> tide::task<> { co_await over_; }); });
  }
  ~elsewhere() { end(); }
  void end() {
    if (!thread_.joinable()) return;
    (void)handle_.post([this] { over_.set(); });
    thread_.join();
    executor_.reset();
  }
  [[nodiscard]] const tide::executor_handle& handle() const { return handle_; }
  [[nodiscard]] std::thread::id id() const { return thread_.get_id(); }

 private:
  support::event over_;
  std::unique_ptr<tide::executor> executor_;
  tide::executor_handle handle_;
  std::thread thread_;
};

tide::task<> set(std::unique_ptr<int> owned, support::event* done, int* out) {
  co_await tide::yield();
  *out = *owned;
  done->set();
}

TEST(SpawnByHandle, BeforeTheRunDuringItAndFromAnotherThread) {
  auto executor = make_executor();
  auto handle = executor->handle();
  support::event before;
  support::event during;
  support::event outside;
  int seen[3] = {};
  EXPECT_TRUE(handle.spawn(set, std::make_unique<int>(1), &before, &seen[0]));
  std::thread other;
  executor->run([&](tide::scope&) -> tide::task<> {
    EXPECT_TRUE(handle.spawn(set, std::make_unique<int>(2), &during, &seen[1]));
    other = std::thread([&] { EXPECT_TRUE(handle.spawn(set, std::make_unique<int>(3), &outside, &seen[2])); });
    co_await before;
    co_await during;
    co_await outside;
  });
  other.join();
  EXPECT_EQ(seen[0] + 10 * seen[1] + 100 * seen[2], 321);
}

TEST(SpawnByHandle, TheCallableAndItsCapturesLiveInTheFrame) {
  auto executor = make_executor();
  int sum = 0;
  support::event done;
  {
    auto numbers = std::make_unique<std::vector<int>>(1'000, 7);
    auto body = [numbers = std::move(numbers), &sum, &done, witness = support::witness()](int last) -> tide::task<> {
      for (int i = 0; i < 3; ++i) co_await tide::yield();
      for (const int each : *numbers) sum += each;
      sum += last;
      done.set();
    };
    EXPECT_TRUE(executor->handle().spawn(std::move(body), 1));
  }
  executor->run([&](tide::scope&) -> tide::task<> { co_await done; });
  EXPECT_EQ(sum, 7'001);
  EXPECT_EQ(support::witness::alive(), 0);
}

TEST(SpawnByHandle, FromADestructor) {
  struct at_end {
    ~at_end() { EXPECT_TRUE(handle.spawn(set, std::make_unique<int>(4), done, out)); }
    tide::executor_handle handle;
    support::event* done;
    int* out;
  };
  auto executor = make_executor();
  support::event done;
  int seen = 0;
  executor->run([&](tide::scope&) -> tide::task<> {
    {
      const at_end last{executor->handle(), &done, &seen};
    }
    co_await done;
  });
  EXPECT_EQ(seen, 4);
}

TEST(SpawnByHandle, AnEndedExecutorSaysSo) {
  auto executor = make_executor();
  auto handle = executor->handle();
  EXPECT_TRUE(handle.spawn([witness = support::witness()]() -> tide::task<> { co_return; }));
  executor.reset();
  EXPECT_EQ(support::witness::alive(), 0) << "what never ran is dropped";
  EXPECT_FALSE(handle.spawn([witness = support::witness()]() -> tide::task<> {
    ADD_FAILURE();
    co_return;
  }));
  EXPECT_EQ(support::witness::alive(), 0);
}

TEST(On, GivesTheValueAndRunsThere) {
  elsewhere there;
  run_here([&](tide::scope&) -> tide::task<> {
    const auto home = std::this_thread::get_id();
    const auto id = co_await tide::on(there.handle(), []() -> tide::task<std::thread::id> {
      co_await tide::yield();
      co_return std::this_thread::get_id();
    });
    EXPECT_EQ(id.value(), there.id());
    EXPECT_EQ(std::this_thread::get_id(), home);
    const auto owned = co_await tide::on(
        there.handle(), [](std::unique_ptr<int> given) -> tide::task<std::unique_ptr<int>> { co_return given; },
        std::make_unique<int>(5));
    EXPECT_EQ(*owned.value(), 5);
    EXPECT_TRUE(co_await tide::on(there.handle(), []() -> tide::task<> { co_return; }));
    const auto refused = co_await tide::on(
        there.handle(), []() -> tide::task<tide::result<int>> { co_return tide::fail(tide::errc::malformed); });
    EXPECT_EQ(refused.error(), tide::errc::malformed);
  });
}

TEST(On, ExceptionsTravelAndNothingElseIsDisturbed) {
  elsewhere there;
  run_here([&](tide::scope&) -> tide::task<> {
    bool caught = false;
    try {
      (void)co_await tide::on(there.handle(), []() -> tide::task<int> {
        throw std::runtime_error("there");
        co_return 0;
      });
    } catch (const std::runtime_error&) {
      caught = true;
    }
    EXPECT_TRUE(caught);
    EXPECT_TRUE(co_await tide::on(there.handle(), []() -> tide::task<> { co_return; }));
  });
}

TEST(On, AnExecutorThatHasEndedIsClosed) {
  elsewhere there;
  const auto handle = there.handle();
  there.end();
  run_here([&](tide::scope&) -> tide::task<> {
    EXPECT_EQ((co_await tide::on(handle, []() -> tide::task<int> { co_return 1; })).error(), tide::errc::closed);
  });
}

TEST(On, AnExecutorThatEndsWithTheCallInItsMailboxIsClosed) {
  auto never = make_executor();
  run_here([&](tide::scope& scope) -> tide::task<> {
    scope.spawn([&]() -> tide::task<> {
      EXPECT_EQ((co_await tide::on(never->handle(), []() -> tide::task<int> { co_return 1; })).error(), tide::errc::closed);
    });
    co_await tide::yield();
    never.reset();
    co_await scope.join();
  });
}

TEST(On, AnExecutorThatEndsMeanwhileCancelsTheCall) {
  elsewhere there;
  support::event begun;
  run_here([&](tide::scope& scope) -> tide::task<> {
    auto back = tide::executor::current()->handle();
    scope.spawn([&]() -> tide::task<> {
      const auto said = co_await tide::on(there.handle(), [&]() -> tide::task<tide::result<>> {
        (void)back.post([&] { begun.set(); });
        co_return co_await tide::sleep(10h);
      });
      EXPECT_EQ(said.error(), tide::errc::canceled);
    });
    co_await begun;
    std::thread ending([&] { there.end(); });
    co_await scope.join();
    ending.join();
  });
}

TEST(On, ACoroutineThatIsAwayKeepsItsHomeAlive) {
  // Nothing else is under way at home: it must wait for the task, not for operations.
  elsewhere there;
  for (int round = 0; round < 200; ++round) {
    EXPECT_EQ(make_executor()->run([&](tide::scope&) -> tide::task<int> {
      int hops = 0;
      for (int i = 0; i < 3; ++i) {
        hops += (co_await tide::on(there.handle(), []() -> tide::task<int> {
                  co_await tide::yield();
                  co_return 1;
                })).value();
      }
      co_return hops;
    }),
              3);
  }
}

TEST(On, CancelTravelsAndTheEndIsWaitedFor) {
  elsewhere there;
  std::atomic<bool> ended{false};
  run_here([&](tide::scope&) -> tide::task<> {
    const auto said = co_await tide::timeout(1ms, tide::on(there.handle(), [&]() -> tide::task<tide::result<>> {
                                               auto slept = co_await tide::sleep(10h);
                                               ended = true;
                                               co_return slept;
                                             }));
    EXPECT_EQ(said.error(), tide::errc::timed_out);
    EXPECT_TRUE(ended) << "before it was over there";
  });
}

TEST(On, TwoExecutorsCancelIntoEachOtherAndNeverWaitForEachOther) {
  constexpr int rounds = support::sanitized ? 300 : 3'000;
  elsewhere a;
  elsewhere b;
  const auto storm = [](tide::executor_handle other, int count) -> tide::task<> {
    for (int i = 0; i < count; ++i) {
      const auto said = co_await tide::timeout(
          std::chrono::nanoseconds(i % 50 * 1'000),
          tide::on(other, []() -> tide::task<tide::result<>> { co_return co_await tide::sleep(20us); }));
      EXPECT_TRUE(said || said.error() == tide::errc::timed_out);
    }
  };
  run_here([&](tide::scope& scope) -> tide::task<> {
    scope.spawn([&]() -> tide::task<> { (void)co_await tide::on(a.handle(), storm, b.handle(), rounds); });
    scope.spawn([&]() -> tide::task<> { (void)co_await tide::on(b.handle(), storm, a.handle(), rounds); });
    co_await scope.join();
  });
}

TEST(ScopeHandle, CancelsFromAnyThreadOnceAndForAll) {
  std::vector<std::jthread> cancellers;
  run_here([&](tide::scope&) -> tide::task<> {
    co_await tide::with_scope([&](tide::scope& inside) -> tide::task<> {
      const tide::scope_handle handle(inside);
      for (int i = 0; i < 4; ++i) {
        cancellers.emplace_back([handle] {
          for (int k = 0; k < 100; ++k) handle.cancel();
        });
      }
      EXPECT_EQ((co_await tide::sleep(10h)).error(), tide::errc::canceled);
    });
    EXPECT_TRUE(co_await tide::sleep(1us)) << "only that scope";
  });
}

TEST(ScopeHandle, AfterTheScopeAndAfterTheExecutorItDoesNothing) {
  std::optional<tide::scope_handle> first;
  std::optional<tide::scope_handle> second;
  std::optional<tide::scope_handle> last;
  run_here([&](tide::scope& scope) -> tide::task<> {
    co_await tide::with_scope([&](tide::scope& inside) -> tide::task<> {
      first.emplace(inside);
      second.emplace(inside);
      second->cancel();
      co_return;
    });
    first->cancel();
    last.emplace(scope);
    EXPECT_TRUE(co_await tide::sleep(1us));
  });
  last->cancel();
}

TEST(ScopeHandle, AStopTokenCancels) {
  std::stop_source source;
  std::thread stopper;
  run_here([&](tide::scope& scope) -> tide::task<> {
    const std::stop_callback stop(source.get_token(), [handle = tide::scope_handle(scope)] { handle.cancel(); });
    stopper = std::thread([&] { source.request_stop(); });
    EXPECT_EQ((co_await tide::sleep(10h)).error(), tide::errc::canceled);
  });
  stopper.join();
}

}  // namespace
