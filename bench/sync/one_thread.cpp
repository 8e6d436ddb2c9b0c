// One thread: what a message, a lock and a permit cost where nobody else is.
#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <semaphore>

#include <tide/runtime/executor.hpp>
#include <tide/runtime/scope.hpp>
#include <tide/runtime/task.hpp>
#include <tide/sync/channel.hpp>
#include <tide/sync/local.hpp>

#include "harness/stopwatch.hpp"
#include "sync/cases.hpp"

namespace bench {
namespace {

constexpr int batch = 4096;  // messages between two looks at the clock

/// The compiler must take it for used and changed.
template <class T>
void keep(T& value) noexcept {
  asm volatile("" : "+m"(value) : : "memory");
}

/// Calls work(), which does a batch, until the time is over.
template <class Work>
window repeat(std::chrono::nanoseconds length, Work work) {
  const stopwatch watch;
  double messages = 0;
  for (; watch.within(length); messages += batch) work();
  return watch.finish(messages);
}

/// The same inside an executor; `work` gives a task.
template <class Work>
window repeat_in_executor(std::chrono::nanoseconds length, Work work) {
  auto executor = tide::executor::create({}).value();
  return executor->run([&](tide::scope& scope) -> tide::task<window> {
    const stopwatch watch;
    double messages = 0;
    for (; watch.within(length); messages += batch) co_await work(scope);
    co_return watch.finish(messages);
  });
}

template <class Channel>
tide::task<> send_batch(Channel& to) {
  for (std::uint64_t i = 0; i < batch; ++i) (void)co_await to.send(i);
}

template <class Channel>
tide::task<> receive_batch(Channel& from) {
  for (int i = 0; i < batch; ++i) {
    auto value = co_await from.receive();
    keep(value);
  }
}

/// Two tasks, so that most messages wait in the channel and every 64th wakes the other side.
template <class Channel>
window channel_window(std::chrono::nanoseconds length) {
  Channel channel(64);
  return repeat_in_executor(length, [&](tide::scope& scope) -> tide::task<> {
    scope.spawn(send_batch<Channel>, std::ref(channel));
    co_await receive_batch(channel);
  });
}

/// What a message costs at least: into a ring and out of it.
window plain_ring_window(std::chrono::nanoseconds length) {
  std::array<std::uint64_t, 64> slots{};
  std::uint64_t head = 0;
  std::uint64_t tail = 0;
  return repeat(length, [&] {
    for (int i = 0; i < batch; i += 64) {
      for (std::uint64_t k = 0; k < 64; ++k) {
        slots[tail % 64] = k;
        keep(tail);
        ++tail;
      }
      for (int k = 0; k < 64; ++k) {
        keep(slots[head % 64]);
        keep(head);
        ++head;
      }
    }
  });
}

template <class Mutex>
window lock_window(std::chrono::nanoseconds length) {
  Mutex m;
  return repeat_in_executor(length, [&](tide::scope&) -> tide::task<> {
    for (int i = 0; i < batch; ++i) {
      auto turn = co_await m.lock();
      keep(turn);
    }
  });
}

window std_mutex_window(std::chrono::nanoseconds length) {
  std::mutex m;
  return repeat(length, [&] {
    for (int i = 0; i < batch; ++i) {
      const std::lock_guard turn(m);
      keep(m);
    }
  });
}

template <class Semaphore>
window permit_window(std::chrono::nanoseconds length) {
  Semaphore permits(2);
  return repeat_in_executor(length, [&](tide::scope&) -> tide::task<> {
    for (int i = 0; i < batch; ++i) {
      auto permit = co_await permits.acquire();
      keep(permit);
    }
  });
}

window std_semaphore_window(std::chrono::nanoseconds length) {
  std::counting_semaphore<> permits(2);
  return repeat(length, [&] {
    for (int i = 0; i < batch; ++i) {
      permits.acquire();
      keep(permits);
      permits.release();
    }
  });
}

}  // namespace

std::vector<contest> one_thread_cases() {
  return {
      {"local channel",
       "ns/message",
       "plain ring",
       channel_window<tide::local::channel<std::uint64_t>>,
       plain_ring_window,
       {bound::ours_at_most, 10}},
      {"channel, one executor",
       "ns/message",
       "plain ring",
       channel_window<tide::channel<std::uint64_t>>,
       plain_ring_window,
       {}},
      {"mutex", "ns/lock", "std::mutex", lock_window<tide::mutex>, std_mutex_window, {}},
      {"local mutex", "ns/lock", "std::mutex", lock_window<tide::local::mutex>, std_mutex_window, {}},
      {"semaphore", "ns/permit", "std::counting_semaphore", permit_window<tide::semaphore>, std_semaphore_window, {}},
      {"local semaphore",
       "ns/permit",
       "std::counting_semaphore",
       permit_window<tide::local::semaphore>,
       std_semaphore_window,
       {}},
  };
}

}  // namespace bench
