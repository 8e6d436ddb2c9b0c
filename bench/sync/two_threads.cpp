// Two threads on two cores: a stream of messages, and a message there and back, asleep and awake.
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <latch>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include <tide/runtime/executor.hpp>
#include <tide/runtime/scope.hpp>
#include <tide/runtime/task.hpp>
#include <tide/sync/channel.hpp>
#include <tide/sync/spsc.hpp>

#include "harness/machine.hpp"
#include "harness/stopwatch.hpp"
#include "sync/cases.hpp"

namespace bench {
namespace {

using numbers = tide::spsc<std::uint64_t>;

constexpr std::size_t stream_room = 1024;
constexpr std::size_t trip_room = 16;
constexpr std::uint64_t stop = ~std::uint64_t{0};
constexpr int batch = 1024;     // messages between two looks at the clock, in a stream
constexpr int trip_batch = 16;  // the same there and back

struct cores {
  int first;
  int second;
};

/// `there` on a thread of its own on the second core, `here` on one on the first, which measures and ends both. Each gets a
/// latch at which both wait before they begin: making an executor takes a good part of a window.
template <class Here, class There>
window on_two(cores on, Here here, There there) {
  window seen;
  std::latch both(2);
  std::thread second([&] {
    pin_to(on.second);
    there(both);
  });
  std::thread first([&] {
    pin_to(on.first);
    seen = here(both);
  });
  first.join();
  second.join();
  return seen;
}

/// on_two with threads that have no executor.
template <class Here, class There>
window on_two_threads(cores on, Here here, There there) {
  return on_two(
      on,
      [&](std::latch& both) {
        both.arrive_and_wait();
        return here();
      },
      [&](std::latch& both) {
        both.arrive_and_wait();
        there();
      });
}

/// on_two with an executor each; both give a task.
template <class Here, class There>
window on_two_executors(cores on, Here here, There there) {
  const auto in_executor = [](auto body) {
    return [body](std::latch& both) {
      return tide::executor::create({}).value()->run([&](tide::scope&) {
        both.arrive_and_wait();
        return body();
      });
    };
  };
  return on_two(on, in_executor(here), in_executor(there));
}

/// Calls trip() until the time is over.
template <class Trip>
window trips_of(std::chrono::nanoseconds length, Trip trip) {
  const stopwatch watch;
  double trips = 0;
  for (; watch.within(length); trips += trip_batch) {
    for (std::uint64_t i = 0; i < trip_batch; ++i) trip(i);
  }
  return watch.finish(trips);
}

tide::task<window> send_stream(auto& to, std::chrono::nanoseconds length) {
  const stopwatch watch;
  double sent = 0;
  for (; watch.within(length); sent += batch) {
    for (std::uint64_t i = 0; i < batch; ++i) (void)co_await to.send(i);
  }
  (void)co_await to.send(std::uint64_t{stop});
  co_return watch.finish(sent);
}

tide::task<> receive_stream(auto& from) {
  while (co_await from.receive() != stop) {
  }
}

window spsc_stream(cores on, std::chrono::nanoseconds length) {
  auto ends = numbers::create(stream_room);
  return on_two_executors(
      on, [&] { return send_stream(ends.sender, length); }, [&] { return receive_stream(ends.receiver); });
}

window channel_stream(cores on, std::chrono::nanoseconds length) {
  tide::channel<std::uint64_t> way(stream_room);
  return on_two_executors(on, [&] { return send_stream(way, length); }, [&] { return receive_stream(way); });
}

/// The best that two cores can do: a ring that nobody sleeps at, by two threads that spin.
window spinning_ring(cores on, std::chrono::nanoseconds length) {
  struct alignas(128) index {
    std::atomic<std::uint64_t> at{0};
  };
  auto slots = std::make_unique<std::array<std::uint64_t, stream_room>>();
  index head;
  index tail;
  const auto send = [&](std::uint64_t value) {
    const auto at = tail.at.load(std::memory_order_relaxed);
    while (at - head.at.load(std::memory_order_acquire) == stream_room) {
    }
    (*slots)[at % stream_room] = value;
    tail.at.store(at + 1, std::memory_order_release);
  };
  return on_two_threads(
      on,
      [&] {
        const stopwatch watch;
        double sent = 0;
        for (; watch.within(length); sent += batch) {
          for (std::uint64_t i = 0; i < batch; ++i) send(i);
        }
        send(stop);
        return watch.finish(sent);
      },
      [&] {
        std::uint64_t at = 0;
        for (std::uint64_t value = 0; value != stop; ++at) {
          while (tail.at.load(std::memory_order_acquire) == at) {
          }
          value = (*slots)[at % stream_room];
          head.at.store(at + 1, std::memory_order_release);
        }
      });
}

/// Both executors park at every message.
window parked_trips(cores on, std::chrono::nanoseconds length) {
  auto there = numbers::create(trip_room);
  auto back = numbers::create(trip_room);
  const auto ask = [&]() -> tide::task<window> {
    const stopwatch watch;
    double trips = 0;
    for (; watch.within(length); trips += trip_batch) {
      for (std::uint64_t i = 0; i < trip_batch; ++i) {
        (void)co_await there.sender.send(i);
        (void)co_await back.receiver.receive();
      }
    }
    there.sender = {};
    co_return watch.finish(trips);
  };
  const auto answer = [&]() -> tide::task<> {
    while (auto asked = co_await there.receiver.receive()) (void)co_await back.sender.send(*asked);
  };
  return on_two_executors(on, ask, answer);
}

/// A word that two threads pass to and fro, each asleep in a futex until it is its turn.
class futex_ball {
 public:
  template <class Mine>
  std::uint32_t wait(Mine mine) noexcept {
    std::uint32_t seen = word_;
    for (; !mine(seen); seen = word_) ::syscall(SYS_futex, address(), FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
    return seen;
  }
  void set(std::uint32_t value) noexcept {
    word_ = value;
    ::syscall(SYS_futex, address(), FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  }

 private:
  std::uint32_t* address() noexcept { return reinterpret_cast<std::uint32_t*>(&word_); }
  std::atomic<std::uint32_t> word_{0};
};

window futex_trips(cores on, std::chrono::nanoseconds length) {
  constexpr std::uint32_t here = 0;
  constexpr std::uint32_t there = 1;
  constexpr std::uint32_t end = 2;
  futex_ball ball;
  return on_two_threads(
      on,
      [&] {
        const window whole = trips_of(length, [&](std::uint64_t) {
          ball.set(there);
          ball.wait([](std::uint32_t seen) { return seen == here; });
        });
        ball.set(end);
        return whole;
      },
      [&] {
        while (ball.wait([](std::uint32_t seen) { return seen != here; }) != end) ball.set(here);
      });
}

/// Both sides look again and again: the channel's own way there and back.
window polled_trips(cores on, std::chrono::nanoseconds length) {
  auto there = numbers::create(trip_room);
  auto back = numbers::create(trip_room);
  const auto next = [](numbers::receiver& from) {
    std::optional<std::uint64_t> value;
    while (!(value = from.try_receive())) {
    }
    return *value;
  };
  return on_two_threads(
      on,
      [&] {
        const window whole = trips_of(length, [&](std::uint64_t i) {
          (void)there.sender.try_send(std::uint64_t{i});
          (void)next(back.receiver);
        });
        (void)there.sender.try_send(std::uint64_t{stop});
        return whole;
      },
      [&] {
        for (std::uint64_t value = 0; (value = next(there.receiver)) != stop;) {
          (void)back.sender.try_send(std::uint64_t{value});
        }
      });
}

window cache_line_trips(cores on, std::chrono::nanoseconds length) {
  std::atomic<std::uint64_t> ball{0};
  std::atomic<bool> over{false};
  return on_two_threads(
      on,
      [&] {
        const window whole = trips_of(length, [&](std::uint64_t) {
          ball.store(1, std::memory_order_release);
          while (ball.load(std::memory_order_acquire) != 0) {
          }
        });
        over = true;
        return whole;
      },
      [&] {
        while (!over.load(std::memory_order_relaxed)) {
          if (ball.load(std::memory_order_acquire) == 1) ball.store(0, std::memory_order_release);
        }
      });
}

}  // namespace

std::vector<contest> two_thread_cases(int first_core, int second_core) {
  const cores on{first_core, second_core};
  const auto at = [on](auto measure) {
    return [on, measure](std::chrono::nanoseconds length) { return measure(on, length); };
  };
  return {
      {"spsc stream", "ns/message", "spinning ring", at(spsc_stream), at(spinning_ring), {bound::ours_at_most, 40}},
      {"channel stream", "ns/message", "spinning ring", at(channel_stream), at(spinning_ring), {}},
      {"round trip, polled", "ns/trip", "cache line", at(polled_trips), at(cache_line_trips), {bound::ours_at_most, 800}},
      {"round trip, parked", "ns/trip", "futex", at(parked_trips), at(futex_trips), {bound::ratio_at_most, 1.05}},
  };
}

}  // namespace bench
