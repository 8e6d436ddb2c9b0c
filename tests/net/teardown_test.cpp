// The end of an executor with one operation of each kind under way: every one of them is cancelled, its last completion is
// waited for, and only then is anything freed.
#include <gtest/gtest.h>

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <tide/runtime/blocking.hpp>
#include <tide/runtime/on.hpp>
#include <tide/runtime/poll.hpp>

#include "support/event.hpp"
#include "support/poisoned.hpp"
#include "support/process.hpp"
#include "support/run.hpp"
#include "support/sanitizers.hpp"
#include "support/tcp.hpp"
#include "support/witness.hpp"

namespace {

using namespace std::chrono_literals;
using support::poisoned_memory;
using support::witness;
using tide::net::tcp_listener;
using tide::net::tcp_stream;

void expect_cancelled(const auto& outcome) { EXPECT_EQ(outcome.error_or(std::error_code()), tide::errc::canceled); }

/// What the operations are about; goes after the executor.
struct world {
  poisoned_memory memory{16, 4096};
  tcp_listener listener = support::listen();
  tcp_listener full = support::listen({.backlog = 0});
  std::vector<support::stream_pair> pairs;
};

tide::task<> accepts(world& in, witness) { expect_cancelled(co_await in.listener.accept()); }

tide::task<> receives(tcp_stream stream, witness) { expect_cancelled(co_await stream.receive()); }

tide::task<> reads_lent(world& in, tcp_stream stream, witness) {
  const auto block = in.memory.take();
  expect_cancelled(co_await stream.read_some(tide::bytes_span(block.data(), block.size())));
}

tide::task<> reads_given(world& in, tcp_stream stream, witness) {
  auto [size, back] = co_await stream.read(in.memory.take());
  expect_cancelled(size);
  EXPECT_EQ(back.size(), 4096U);
}

tide::task<> writes(world& in, tcp_stream stream, witness) {
  const auto block = in.memory.take();
  std::fill(block.begin(), block.end(), std::byte{1});
  while (true) {
    const auto written = co_await stream.write_all(tide::bytes_view(block.data(), block.size()));
    if (!written) co_return expect_cancelled(written);
  }
}

tide::task<> connects(world& in, witness) {
  std::vector<tcp_stream> line;  // until the listener's is full, and one is left without an answer
  while (true) {
    auto made = co_await tcp_stream::connect(in.full.local_address().value());
    if (!made) co_return expect_cancelled(made);
    line.push_back(std::move(*made));
  }
}

tide::task<> sleeps(witness) { expect_cancelled(co_await tide::sleep(10h)); }

tide::task<> polls(int fd, witness) { expect_cancelled(co_await tide::poll(fd, POLLIN)); }

tide::task<> calls(std::shared_ptr<std::atomic<bool>> go, witness) {
  (void)co_await tide::blocking(
      [go] { go->wait(false); });  // cancelled it ends at once, and the executor waits for the call
}

tide::task<> is_away(tide::executor_handle there, witness) {
  expect_cancelled(co_await tide::on(there, []() -> tide::task<tide::result<>> { co_return co_await tide::sleep(10h); }));
}

struct elsewhere {
  std::unique_ptr<tide::executor> executor = support::make_executor();
  support::event over;
  std::thread thread{[this] { executor->run([this](tide::scope&) -> tide::task<> { co_await over; }); }};
  ~elsewhere() {
    (void)executor->handle().post([this] { over.set(); });
    thread.join();
  }
};

TEST(Teardown, WithEveryKindOfOperationUnderWayNothingIsLeft) {
  constexpr int rounds = support::sanitized ? 12 : 40;
  const int before = witness::alive();
  const auto descriptors = support::open_descriptors();
  for (int round = 0; round < rounds; ++round) {
    world all;
    elsewhere other;
    std::array<int, 2> pipe{-1, -1};
    ASSERT_EQ(::pipe(pipe.data()), 0);
    auto go = std::make_shared<std::atomic<bool>>(false);
    auto executor = support::make_executor();
    executor->run([&](tide::scope& scope) -> tide::task<> {
      for (int i = 0; i < 4; ++i) all.pairs.push_back(co_await support::connect(all.listener));
      scope.spawn(accepts, std::ref(all), witness());
      scope.spawn(receives, std::move(all.pairs[0].client), witness());
      scope.spawn(reads_lent, std::ref(all), std::move(all.pairs[1].client), witness());
      scope.spawn(reads_given, std::ref(all), std::move(all.pairs[2].client), witness());
      executor->detach(writes, std::ref(all), std::move(all.pairs[3].client), witness());
      executor->detach(connects, std::ref(all), witness());
      scope.spawn(sleeps, witness());
      executor->detach(polls, pipe[0], witness());
      scope.spawn(is_away, other.executor->handle(), witness());
      if (round % 4 == 0) scope.spawn(calls, go, witness());
      for (int turns = round % 10; turns > 0; --turns) co_await tide::yield();
      if (round % 2 == 0) (void)co_await tide::sleep(100us);  // it has been asleep, and was woken
      *go = true;
      go->notify_all();
    });
    EXPECT_EQ(executor->ring().in_flight(), 0U) << "an operation that the kernel has not let go of";
    EXPECT_TRUE(executor->ring().at_rest());
    EXPECT_EQ(executor->ring().count().stale, 0U);
    EXPECT_EQ(witness::alive(), before) << "the run is over, so are its tasks";
    executor.reset();
    EXPECT_EQ(all.memory.damaged(), 0U);
    for (const int fd : pipe) ::close(fd);
  }
  EXPECT_EQ(support::open_descriptors(), descriptors);
}

}  // namespace
