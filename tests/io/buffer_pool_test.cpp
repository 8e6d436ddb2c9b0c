// The pool of receive buffers: chunks that outlive their executor, chunks that end on other threads, a pool that has run
// dry.
#include <gtest/gtest.h>

#include <sys/socket.h>

#include <array>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <tide/io/buffer.hpp>
#include <tide/io/buffer_pool.hpp>
#include <tide/runtime/registered_memory.hpp>

#include "support/process.hpp"
#include "support/run.hpp"
#include "support/sanitizers.hpp"
#include "support/tcp.hpp"

namespace {

using namespace std::chrono_literals;
using support::run_here;
using tide::chunk;
using tide::net::tcp_stream;

static_assert(tide::io_buffer<std::vector<std::byte>> && tide::io_buffer<std::string> && tide::io_buffer<chunk>);
static_assert(tide::io_buffer<std::array<char, 4>> && tide::io_buffer<tide::registered_buffer>);
static_assert(!tide::io_buffer<std::span<std::byte>> && !tide::io_buffer<std::string_view> &&
              !tide::io_buffer<std::vector<int>>);
static_assert(!std::is_copy_constructible_v<chunk> && !std::is_copy_assignable_v<chunk>);

/// A thread that ends what it is given.
class dropper {
 public:
  ~dropper() {
    {
      const std::lock_guard lock(guard_);
      stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }
  void drop(chunk ended) {
    {
      const std::lock_guard lock(guard_);
      queue_.push_back(std::move(ended));
    }
    changed_.notify_one();
  }

 private:
  void work() {
    std::unique_lock lock(guard_);
    while (true) {
      changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      auto first = std::make_optional(std::move(queue_.front()));
      queue_.pop_front();
      lock.unlock();
      first.reset();
      lock.lock();
    }
  }
  std::mutex guard_;
  std::condition_variable changed_;
  std::deque<chunk> queue_;
  bool stopping_ = false;
  std::thread thread_{[this] { work(); }};
};

tide::task<chunk> receive_one(tcp_stream& from, tcp_stream& to, std::string_view text) {
  EXPECT_EQ(::send(to.native_handle(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));  // in one piece
  auto data = co_await from.receive();
  EXPECT_TRUE(data);
  co_return std::move(*data);
}

/// Takes every buffer of the pool.
tide::task<std::vector<chunk>> take_all(tcp_stream& from, tcp_stream& to) {
  std::vector<chunk> held;
  for (unsigned i = 0; i < tide::buffer_pool::default_count; ++i) held.push_back(co_await receive_one(from, to, "x"));
  co_return held;
}

TEST(Chunk, HoldsWhatArrived) {
  run_here([](tide::scope&) -> tide::task<> {
    auto listener = support::listen();
    auto [client, server] = co_await support::connect(listener);
    chunk data = co_await receive_one(client, server, "hello");
    EXPECT_EQ(tide::text_of(data.bytes()), "hello");
    data.remove_prefix(2);
    EXPECT_EQ(tide::text_of(data.bytes()), "llo");
    chunk moved = std::move(data);
    EXPECT_EQ(moved.size(), 3u);
    EXPECT_TRUE(data.empty());
    data = std::move(moved);
    EXPECT_EQ(data.size(), 3u);
    EXPECT_TRUE(chunk().empty());
  });
}

TEST(Chunk, OutlivesItsExecutor) {
  std::vector<chunk> kept;
  run_here([&](tide::scope&) -> tide::task<> {
    auto listener = support::listen();
    auto [client, server] = co_await support::connect(listener);
    kept.push_back(co_await receive_one(client, server, "kept"));
    kept.push_back(co_await receive_one(client, server, "longer"));
  });
  EXPECT_EQ(tide::text_of(kept[0].bytes()), "kept");
  EXPECT_EQ(tide::text_of(kept[1].bytes()), "longer");
  std::thread([last = std::move(kept[1])]() mutable { EXPECT_EQ(last.size(), 6u); }).join();
  EXPECT_EQ(tide::text_of(kept[0].bytes()), "kept");
}

TEST(Chunk, EndsOnAnotherThreadWhileTheExecutorEnds) {
  for (int round = 0; round < 50; ++round) {
    dropper elsewhere;
    run_here([&](tide::scope&) -> tide::task<> {
      auto listener = support::listen();
      auto [client, server] = co_await support::connect(listener);
      for (int i = 0; i < 5; ++i) elsewhere.drop(co_await receive_one(client, server, "abc"));
    });
  }
}

TEST(BufferPool, EveryBufferComesBackAgainAndAgain) {
  run_here([](tide::scope&) -> tide::task<> {
    auto listener = support::listen();
    auto [client, server] = co_await support::connect(listener);
    for (int i = 0; i < 3; ++i) EXPECT_EQ((co_await take_all(client, server)).size(), tide::buffer_pool::default_count);
  });
}

TEST(BufferPool, ADryPoolWaitsWithoutTurningAndGoesOn) {
  auto executor = support::make_executor();
  executor->run([&](tide::scope& scope) -> tide::task<> {
    auto listener = support::listen();
    auto [client, server] = co_await support::connect(listener);
    auto [other, peer] = co_await support::connect(listener);
    auto held = co_await take_all(client, server);
    EXPECT_TRUE(co_await peer.write_all("waiting"));
    std::string got;
    scope.spawn([&]() -> tide::task<> { got = tide::text_of((co_await other.receive())->bytes()); });
    EXPECT_TRUE(co_await tide::sleep(1ms));
    const auto enters = executor->ring().count().enters;
    EXPECT_TRUE(co_await tide::sleep(50ms));
    EXPECT_LT(executor->ring().count().enters - enters, 20u);
    EXPECT_EQ(got, "");
    held.pop_back();
    co_await scope.join();
    EXPECT_EQ(got, "waiting");
  });
}

TEST(BufferPool, ABufferThatComesBackFromAnotherThreadWakesWhoWaits) {
  constexpr int rounds = support::sanitized ? 500 : 3'000;
  dropper elsewhere;
  run_here([&](tide::scope&) -> tide::task<> {  // with no timer armed: a lost wake would stop it for good
    auto listener = support::listen();
    auto [client, server] = co_await support::connect(listener);
    auto [other, peer] = co_await support::connect(listener);
    auto held = co_await take_all(client, server);
    for (int i = 0; i < rounds; ++i) {
      EXPECT_TRUE(co_await peer.write_all("y"));
      elsewhere.drop(std::move(held.back()));
      held.pop_back();
      auto next = co_await other.receive();
      EXPECT_TRUE(next);
      held.push_back(std::move(*next));
    }
  });
}

TEST(BufferPool, WhoWaitsForABufferCanBeCancelled) {
  run_here([](tide::scope&) -> tide::task<> {
    auto listener = support::listen();
    auto [client, server] = co_await support::connect(listener);
    auto [other, peer] = co_await support::connect(listener);
    auto held = co_await take_all(client, server);
    EXPECT_TRUE(co_await peer.write_all("waiting"));
    for (int i = 0; i < 50; ++i) {
      EXPECT_EQ((co_await tide::timeout(std::chrono::microseconds(i * 10), other.receive())).error(), tide::errc::timed_out);
    }
    held.clear();
    EXPECT_EQ((co_await other.receive())->size(), 7u);
  });
}

TEST(BufferPool, ARequestToCancelThatMeetsADryPoolIsNotForgotten) {
  // In one turn: the receive is started, cancelled, and told that there is no buffer. It must not begin to wait for one.
  run_here([](tide::scope&) -> tide::task<> {
    auto listener = support::listen();
    auto [client, server] = co_await support::connect(listener);
    auto [other, peer] = co_await support::connect(listener);
    auto held = co_await take_all(client, server);
    EXPECT_TRUE(co_await peer.write_all("waiting"));
    co_await tide::with_scope([&](tide::scope& scope) -> tide::task<> {
      scope.spawn([&]() -> tide::task<> { EXPECT_EQ((co_await other.receive()).error(), tide::errc::canceled); });
      scope.spawn([&]() -> tide::task<> {
        scope.cancel();
        co_return;
      });
      co_await scope.join();
    });
  });
}

TEST(BufferPool, OneThatWasToldAndDidNotTakeItTellsTheNext) {
  run_here([](tide::scope& scope) -> tide::task<> {
    auto listener = support::listen();
    auto [client, server] = co_await support::connect(listener);
    auto [first, first_peer] = co_await support::connect(listener);
    auto [second, second_peer] = co_await support::connect(listener);
    auto held = co_await take_all(client, server);
    EXPECT_TRUE(co_await first_peer.write_all("first"));
    EXPECT_TRUE(co_await second_peer.write_all("second"));
    co_await tide::with_scope([&](tide::scope& inner) -> tide::task<> {
      inner.spawn([&]() -> tide::task<> { EXPECT_TRUE(!co_await first.receive()); });
      co_await tide::sleep(1ms);
      scope.spawn([&]() -> tide::task<> { EXPECT_EQ((co_await second.receive())->size(), 6u); });
      co_await tide::sleep(1ms);
      std::array<char, 8> taken{};
      EXPECT_EQ(::recv(first.native_handle(), taken.data(), taken.size(), 0), 5);  // nothing is left for the first
      held.pop_back();
      co_await tide::yield();
      inner.cancel();
      co_await inner.join();
    });
    co_await scope.join();
  });
}

TEST(BufferPool, ClosingTheStreamEndsTheWaitForABuffer) {
  run_here([](tide::scope& scope) -> tide::task<> {
    auto listener = support::listen();
    auto [client, server] = co_await support::connect(listener);
    auto [other, peer] = co_await support::connect(listener);
    auto held = co_await take_all(client, server);
    EXPECT_TRUE(co_await peer.write_all("waiting"));
    bool ended = false;
    scope.spawn([&]() -> tide::task<> {
      EXPECT_EQ((co_await other.receive()).error(), tide::errc::canceled);
      ended = true;
    });
    EXPECT_TRUE(co_await tide::sleep(1ms));
    co_await other.close();
    EXPECT_TRUE(ended);
    co_await scope.join();
  });
}

}  // namespace
