// Streams whose readers wait for their queue's turn while things happen to the stream. Tasks' time is counted by hand.
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <tide/runtime/combine.hpp>
#include <tide/runtime/task_queue.hpp>

#include "support/process.hpp"
#include "support/run.hpp"
#include "support/tcp.hpp"

namespace {

using namespace std::chrono_literals;
using tide::net::tcp_stream;

std::uint64_t now_ns = 0;  // one thread

std::unique_ptr<tide::executor> executor_by_hand() {
  return support::make_executor({.task_clock = []() noexcept { return now_ns; }});
}

/// A queue that has no turn while others can run: it has had its shares for a long time.
tide::task_queue& starved_queue(tide::executor& of) { return of.make_queue({.name = "starved", .shares = 1}); }
void use_up_shares(bool& begun) {
  now_ns += 1'000'000'000'000;
  begun = true;
}

/// Keeps the default queue running while it lives.
class others_run {
 public:
  explicit others_run(tide::scope& in) {
    in.spawn(
        [](std::shared_ptr<bool> ended) -> tide::task<> {
          while (!*ended) {
            now_ns += 1'000;
            co_await tide::yield();
          }
        },
        ended_);
  }
  others_run(const others_run&) = delete;
  others_run& operator=(const others_run&) = delete;
  ~others_run() { *ended_ = true; }

 private:
  std::shared_ptr<bool> ended_ = std::make_shared<bool>(false);
};

/// Until the task in the starved queue has begun, whose turn takes it as far as its first wait.
tide::task<> wait_for(const bool& begun) {
  while (!begun) {
    now_ns += 1'000;
    co_await tide::yield();
  }
}

TEST(StreamsInQueues, TheirBytesAreCountedThere) {
  auto executor = executor_by_hand();
  executor->run([&](tide::scope& scope) -> tide::task<> {
    auto listener = support::listen();
    auto [here, there] = co_await support::connect(listener);
    auto& reads = executor->make_queue({.name = "reads"});
    auto& writes = executor->make_queue({.name = "writes"});
    constexpr std::size_t size = 1'000'000;
    scope.spawn_into(reads, [&]() -> tide::task<> {
      for (std::size_t total = 0; total < size;) total += (co_await here.receive()).value().size();
      EXPECT_EQ((co_await tide::timeout(1us, here.receive())).error(), tide::errc::timed_out);
    });
    scope.spawn_into(writes, [&]() -> tide::task<> { EXPECT_TRUE(co_await there.write_all(std::string(size, 'x'))); });
    co_await scope.join();
    EXPECT_EQ(reads.statistics().io_bytes, size);
    EXPECT_EQ(writes.statistics().io_bytes, size);
    EXPECT_GE(reads.statistics().io_operations, 2u);
    EXPECT_EQ(writes.statistics().io_operations, 1u);
  });
}

TEST(StreamsInQueues, AReaderThatWaitsForItsTurnMayOutliveItsStream) {
  auto executor = executor_by_hand();
  executor->run([&](tide::scope& scope) -> tide::task<> {
    auto listener = support::listen();
    auto [here, there] = co_await support::connect(listener);
    auto stream = std::make_unique<tcp_stream>(std::move(here));
    std::optional<tide::result<tide::chunk>> got;
    bool begun = false;
    scope.spawn_into(starved_queue(*executor), [&]() -> tide::task<> {
      use_up_shares(begun);
      got = co_await stream->receive();
    });
    co_await wait_for(begun);
    {
      const others_run busy(scope);
      co_await stream->close();
      EXPECT_FALSE(got) << "it has had its turn: this shows nothing";
      stream.reset();
    }
    co_await scope.join();
    EXPECT_EQ(got.value().error(), tide::errc::canceled);
  });
}

TEST(StreamsInQueues, BytesThatCameBeforeACancelAreDelivered) {
  auto executor = executor_by_hand();
  executor->run([&](tide::scope& scope) -> tide::task<> {
    auto listener = support::listen();
    auto [here, there] = co_await support::connect(listener);
    std::optional<tide::result<tide::chunk>> got;
    bool begun = false;
    auto& queue = starved_queue(*executor);
    scope.spawn_into(queue, [&]() -> tide::task<> {
      use_up_shares(begun);
      got = co_await here.receive();
    });
    co_await wait_for(begun);
    {
      const others_run busy(scope);
      EXPECT_TRUE(co_await there.write_all("!"));
      while (queue.statistics().io_operations == 0) co_await tide::yield();
      EXPECT_FALSE(got) << "it has had its turn: this shows nothing";
      scope.cancel();
    }
    co_await scope.join();
    EXPECT_EQ(got.value().value().size(), 1u);
  });
}

TEST(StreamsInQueues, AConnectionThatCameBeforeACancelIsNotLost) {
  const auto descriptors = support::open_descriptors();
  auto executor = executor_by_hand();
  executor->run([&](tide::scope& scope) -> tide::task<> {
    auto listener = support::listen();
    int resumed = 0;
    bool begun = false;
    int accepted = 0;
    scope.spawn_into(starved_queue(*executor), [&]() -> tide::task<> {
      use_up_shares(begun);
      const auto peer = co_await listener.accept();
      ++resumed;
      accepted += peer ? 1 : 0;
    });
    co_await wait_for(begun);
    std::optional<tcp_stream> client;
    {
      const others_run busy(scope);
      client = (co_await tcp_stream::connect(listener.local_address().value())).value();
      for (int i = 0; i < 200; ++i) co_await tide::yield();
      EXPECT_EQ(resumed, 0) << "it has had its turn: this shows nothing";
      scope.cancel();
    }
    co_await scope.join();
    EXPECT_EQ(resumed, 1);
    if (accepted == 0) accepted += co_await tide::shield(listener.accept()) ? 1 : 0;
    EXPECT_EQ(accepted, 1) << "neither had it, nor is it there";
  });
  executor.reset();
  EXPECT_EQ(support::open_descriptors(), descriptors);
}

TEST(StreamsInQueues, AListenerOutlivesTheQueueThatAccepted) {
  auto executor = executor_by_hand();
  executor->run([&](tide::scope& scope) -> tide::task<> {
    auto listener = support::listen();
    auto& queue = executor->make_queue({.name = "passing"});
    scope.spawn_into(queue, [&]() -> tide::task<> {
      EXPECT_EQ((co_await tide::timeout(1us, listener.accept())).error(), tide::errc::timed_out);
    });
    co_await scope.join();
    EXPECT_TRUE(executor->remove_queue(queue));
    EXPECT_TRUE(co_await tcp_stream::connect(listener.local_address().value()));
    EXPECT_TRUE(co_await listener.accept());
  });
}

}  // namespace
