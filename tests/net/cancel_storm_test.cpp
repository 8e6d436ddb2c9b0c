// Everything that waits for the network, cancelled at random moments, by time, by its scope and by another thread, with what
// it waits for racing the request. The kernel writes into no memory that was given back, every byte arrives once, and no
// descriptor stays. TIDE_CANCELS=1000000 asks for a million (under AddressSanitizer for choice), TIDE_SEED for other dice.
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <tide/runtime/scope_handle.hpp>
#include <tide/sync/channel.hpp>

#include "support/poisoned.hpp"
#include "support/process.hpp"
#include "support/run.hpp"
#include "support/sanitizers.hpp"
#include "support/tcp.hpp"

namespace {

using namespace std::chrono_literals;
using support::poisoned_memory;
using tide::net::tcp_stream;

std::uint64_t wanted(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::uint64_t cancels() { return wanted("TIDE_CANCELS", support::sanitized ? 5'000 : 20'000); }

/// Byte number `at` of a stream that tells when a piece is lost, doubled or out of place.
std::byte pattern(std::uint64_t at) { return static_cast<std::byte>(at * 31 + at / 251 + at / 65'521); }

constexpr std::size_t block_size = 512;
constexpr std::size_t workers = 16;

/// What the workers share.
struct storm {
  poisoned_memory memory{workers * 8, block_size};
  tide::channel<tide::scope_handle> elsewhere{64};  // to the thread that cancels from there
  std::uint64_t left = cancels();
  std::uint64_t in_vain = 0;  // the result was faster
  void count(bool cancelled) {
    if (!cancelled) {
      ++in_vain;
    } else if (left > 0) {
      --left;
    }
  }
};

/// One worker: a stream that it writes to at one end and reads from at the other, one that nobody reads from, a listener of
/// its own and one whose line is full.
class worker {
 public:
  worker(storm& all, std::uint64_t seed) : all_(all), random_(seed) {}

  tide::task<> work() {
    auto listener = support::listen();
    stream_ = co_await support::connect(listener);
    full_ = co_await support::connect(listener, {.receive_buffer = 4096});
    door_.emplace(std::move(listener));
    stuck_.emplace(support::listen({.backlog = 0}));
    while (all_.left > 0) co_await step();
    EXPECT_TRUE(co_await stream_.server.shutdown());
    for (bool more = true; more;) {
      const auto data = co_await stream_.client.receive();
      EXPECT_TRUE(data);
      more = data && !data->empty();
      if (more) check(data->bytes());
    }
    EXPECT_EQ(received_, sent_) << "bytes that were reported as not sent, or not delivered, were";
  }

 private:
  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

  /// Awaits a call of a method that gives whether it was cancelled, and sees to it that it is, sooner or later.
  tide::task<> cancelled_somehow(tide::task<bool> (worker::*call)()) {
    bool cancelled = false;
    co_await tide::with_scope([&](tide::scope& inside) -> tide::task<> {
      inside.spawn(run, std::ref(*this), call, std::ref(cancelled));
      switch (below(3)) {
        case 0: (void)co_await tide::sleep(std::chrono::microseconds(below(30))); break;
        case 1: {
          if (all_.elsewhere.try_send(tide::scope_handle(inside))) co_return co_await inside.join();
          break;
        }
        default:
          for (auto turns = below(4); turns > 0; --turns) co_await tide::yield();
      }
    });
    all_.count(cancelled);
  }
  static tide::task<> run(worker& self, tide::task<bool> (worker::*call)(), bool& cancelled) {
    cancelled = co_await (self.*call)();
  }
  static bool was_cancelled(const auto& outcome) {
    if (outcome) return false;
    EXPECT_EQ(outcome.error(), tide::errc::canceled);
    return true;
  }

  tide::task<> step() {
    static constexpr tide::task<bool> (worker::* calls[])() = {
        &worker::read_lent, &worker::read_given, &worker::receive, &worker::write,  &worker::write_to_the_full,
        &worker::accept,    &worker::connect,    &worker::knock,   &worker::sleeps,
    };
    if (below(3) == 0) co_await write_now();  // then a read finds something, or it comes in the middle
    co_await cancelled_somehow(calls[below(std::size(calls))]);
  }

  void check(std::span<const std::byte> bytes) {
    for (const std::byte each : bytes) EXPECT_EQ(each, pattern(received_++));
  }
  /// Fills a block with what comes next.
  std::size_t fill(const poisoned_memory::block& block) {
    const std::size_t size = 1 + below(block_size);
    for (std::size_t i = 0; i < size; ++i) block.data()[i] = pattern(sent_ + i);
    return size;
  }
  tide::task<> write_now() {
    if (sent_ - received_ > 16'384) co_return;  // or it would wait for this worker itself
    const auto block = all_.memory.take();
    const std::size_t size = fill(block);
    EXPECT_TRUE(co_await stream_.server.write_all(tide::bytes_view(block.data(), size)));
    sent_ += size;
  }

  tide::task<bool> read_lent() {
    const auto block = all_.memory.take();
    const auto size = co_await stream_.client.read_some(tide::bytes_span(block.data(), 1 + below(block_size)));
    if (size) check({block.data(), *size});
    co_return was_cancelled(size);
  }
  tide::task<bool> read_given() {
    auto given = co_await stream_.client.read(all_.memory.take());
    EXPECT_EQ(given.buffer.size(), block_size) << "it comes back in every case";
    if (given.size) check({given.buffer.data(), *given.size});
    co_return was_cancelled(given.size);
  }
  tide::task<bool> receive() {
    const auto data = co_await stream_.client.receive();
    if (data) check(data->bytes());
    co_return was_cancelled(data);
  }
  tide::task<bool> write() {
    if (sent_ - received_ > 16'384) co_return co_await receive();
    const auto block = all_.memory.take();
    const iovec piece{block.data(), fill(block)};
    const auto size = co_await stream_.server.write_some(std::span(&piece, 1));
    if (size) sent_ += *size;
    co_return was_cancelled(size);
  }
  tide::task<bool> write_to_the_full() {
    const auto block = all_.memory.take();
    std::fill_n(block.data(), block_size, std::byte{1});
    co_return was_cancelled(co_await full_.server.write_all(tide::bytes_view(block.data(), block_size)));
  }
  tide::task<bool> accept() { co_return was_cancelled(co_await door_->accept()); }
  tide::task<bool> connect() { co_return was_cancelled(co_await tcp_stream::connect(door_->local_address().value())); }
  /// At a door that nobody opens.
  tide::task<bool> knock() { co_return was_cancelled(co_await tcp_stream::connect(stuck_->local_address().value())); }
  tide::task<bool> sleeps() {
    const auto slept = co_await tide::sleep(std::chrono::microseconds(below(40)));
    co_return was_cancelled(slept);
  }

  storm& all_;
  std::mt19937_64 random_;
  support::stream_pair stream_;
  support::stream_pair full_;
  std::optional<tide::net::tcp_listener> door_;
  std::optional<tide::net::tcp_listener> stuck_;
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
};

TEST(CancelStorm, TheKernelWritesIntoNoFreedMemoryAndNothingIsLost) {
  const auto descriptors = support::open_descriptors();
  {
    storm all;
    std::thread canceller([&] {
      while (auto next = all.elsewhere.receive_blocking()) next->cancel();
    });
    auto executor = support::make_executor();
    const std::uint64_t seed = wanted("TIDE_SEED", 1);
    executor->run([&](tide::scope& scope) -> tide::task<> {
      for (std::size_t i = 0; i < workers; ++i) {
        scope.spawn(
            [](storm& of, std::uint64_t dice) -> tide::task<> {
              worker one(of, dice);
              co_await one.work();
            },
            std::ref(all), seed * 1'000 + i);
      }
      co_await scope.join();
    });
    EXPECT_EQ(executor->ring().in_flight(), 0u);
    all.elsewhere.close();
    canceller.join();
    EXPECT_EQ(all.memory.damaged(), 0u);
    EXPECT_GT(all.in_vain, 0u);
    RecordProperty("results that were faster", std::to_string(all.in_vain));
  }
  EXPECT_EQ(support::open_descriptors(), descriptors);
}

/// Connections that come while the accept that waits for them is cancelled, and connects that are cancelled while they come.
TEST(CancelStorm, ASocketThatACancelledCallBroughtIsClosedOrTheNextOnes) {
  const auto descriptors = support::open_descriptors();
  support::run_here([](tide::scope&) -> tide::task<> {
    std::mt19937 random(5);
    auto listener = support::listen();
    const auto at = listener.local_address().value();
    const auto rounds = wanted("TIDE_CANCELS", 20'000) / 10;
    std::uint64_t connected = 0;
    std::uint64_t accepted = 0;
    for (std::uint64_t i = 0; i < rounds; ++i) {
      auto made = co_await tide::timeout(std::chrono::microseconds(random() % 20), tcp_stream::connect(at));
      connected += made ? 1 : 0;
      if (!made) {
        EXPECT_EQ(made.error(), tide::errc::timed_out);
      }
      auto taken = co_await tide::timeout(std::chrono::microseconds(random() % 20), listener.accept());
      accepted += taken ? 1 : 0;
    }
    // Each that was made is in the listener's line, and some whose making was cancelled.
    for (; accepted < connected; ++accepted) EXPECT_TRUE(co_await listener.accept());
  });
  EXPECT_EQ(support::open_descriptors(), descriptors);
}

}  // namespace
