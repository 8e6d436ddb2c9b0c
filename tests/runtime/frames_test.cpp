// Every coroutine frame ends once, on the thread of its executor, before the run is over: whatever it was doing, and whoever
// woke it.
#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include <tide/runtime/combine.hpp>
#include <tide/runtime/on.hpp>

#include "support/event.hpp"
#include "support/run.hpp"

namespace {

using namespace std::chrono_literals;
using support::make_executor;

/// What became of the frames.
struct book {
  std::atomic<int> begun{0};
  std::atomic<int> ended{0};
  std::atomic<int> elsewhere{0};  ///< ended on another thread than they began on
};

/// One in each frame.
class mark {
 public:
  explicit mark(book& in) : book_(in) { ++book_.begun; }
  mark(const mark&) = delete;
  mark& operator=(const mark&) = delete;
  ~mark() {
    ++book_.ended;
    if (std::this_thread::get_id() != thread_) ++book_.elsewhere;
  }

 private:
  book& book_;
  std::thread::id thread_ = std::this_thread::get_id();
};

tide::task<> wait_long(book& in) {
  const mark here(in);
  (void)co_await tide::sleep(10h);
}

tide::task<> call_deep(book& in, int depth) {
  const mark here(in);
  if (depth > 0) co_return co_await call_deep(in, depth - 1);
  co_await wait_long(in);
}

tide::task<> yield_for_ever(book& in) {
  const mark here(in);
  while (co_await tide::timeout(1us, tide::sleep(0s))) co_await tide::yield();
}

tide::task<> throw_after(book& in, int turns) {
  const mark here(in);
  for (; turns > 0; --turns) co_await tide::yield();
  throw std::runtime_error("expected");
}

tide::task<tide::result<int>> answer(book& in) {
  const mark here(in);
  co_await tide::yield();
  co_return 42;
}

tide::task<> race_of_two(book& in) {
  const mark here(in);
  (void)co_await tide::race(tide::sleep(1us), tide::sleep(10h));
  co_await wait_long(in);
}

/// Waits for what other threads do.
tide::task<> wait_for(book& in, support::event& set) {
  const mark here(in);
  co_await set;
}

TEST(Frames, EachEndsOnceOnItsOwnThreadBeforeTheRunIsOver) {
  for (int turns = 0; turns < 12; ++turns) {
    book frames;
    auto executor = make_executor({.on_exception = [](std::exception_ptr) {}});
    auto other = make_executor();
    support::event over;
    std::thread there([&] { other->run([&](tide::scope&) -> tide::task<> { co_await over; }); });
    const auto here = executor->handle();
    EXPECT_TRUE(here.spawn(wait_long, std::ref(frames)));
    std::vector<std::jthread> callers;
    std::thread([&] {  // its thread is not the one that destroys the executor
      executor->run([&](tide::scope& scope) -> tide::task<> {
        support::event set;
        scope.spawn(call_deep, std::ref(frames), 5);
        scope.spawn(yield_for_ever, std::ref(frames));
        scope.spawn(race_of_two, std::ref(frames));
        executor->detach(wait_long, std::ref(frames));
        executor->detach(throw_after, std::ref(frames), turns);
        callers.emplace_back([&] { EXPECT_TRUE(here.spawn(wait_long, std::ref(frames))); });
        callers.back().join();  // or it might come when all is over, and be dropped
        (void)co_await tide::timeout(1us, answer(frames));
        EXPECT_EQ((co_await tide::on(other->handle(), answer, std::ref(frames))).value(), 42);
        (void)other->handle().post([&, here] { (void)here.post([&] { set.set(); }); });
        {
          auto never = wait_long(frames);  // never begun: there is nothing in it
        }
        for (int i = 0; i < turns; ++i) co_await tide::yield();
        co_await wait_for(frames, set);
      });
      EXPECT_EQ(frames.begun, frames.ended) << "after the run, and before the executor goes";
    })
        .join();
    executor.reset();
    (void)other->handle().post([&] { over.set(); });
    there.join();
    EXPECT_GE(frames.begun, 14);
    EXPECT_EQ(frames.begun, frames.ended);
    EXPECT_EQ(frames.elsewhere, 0);
  }
}

}  // namespace
