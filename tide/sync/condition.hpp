// Waits for a change of what a mutex protects: condition.
//
//   tide::mutex m;  tide::condition changed;  std::deque<int> queue;
//   auto turn = co_await m.lock();
//   while (queue.empty()) { if (!co_await changed.wait(*turn)) co_return; }      // the lock is let go meanwhile
//   …elsewhere, after a change under the lock:  changed.notify_one();
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

#include <tide/runtime/task.hpp>
#include <tide/sync/detail/line_operation.hpp>
#include <tide/sync/mutex.hpp>

namespace tide {

/// Any thread. Nobody waits when it goes.
class condition {
  struct notified_policy {
    static bool take(std::uint32_t&) noexcept { return false; }
    static result<> give() noexcept { return {}; }
  };
  using notified = detail::line_operation<detail::across_threads, notified_policy>;

 public:
  condition() noexcept : line_(0) {}

  /// co_await: lets `held` go, waits for a notification and takes the lock again. errc::canceled, with the lock taken again
  /// as well. Wakes for no reason never happen, but others may have had the lock in between: look again.
  [[nodiscard]] task<result<>> wait(mutex::guard& held) {
    mutex& protecting = *held.owner();
    unlocking_wait waiting(line_, held);
    auto outcome = co_await waiting;
    if (held.owner() == nullptr) held = *co_await protecting.lock_shielded();
    co_return outcome;
  }
  /// The same for a thread. errc::timed_out, with the lock taken again.
  result<> wait_blocking(mutex::guard& held, clock::time_point deadline = clock::time_point::max()) noexcept {
    mutex& protecting = *held.owner();
    auto outcome = detail::take_blocking(line_, notified_policy{}, deadline, [&] { held.unlock(); });
    held = *protecting.lock_blocking();
    return outcome;
  }
  void notify_one() noexcept { line_.let_go(1); }
  void notify_all() noexcept { line_.let_go(std::numeric_limits<std::size_t>::max()); }

 private:
  /// In line first, then without the lock: a change after that finds it there.
  class unlocking_wait {
   public:
    unlocking_wait(detail::wait_line<detail::control_word>& line, mutex::guard& held) noexcept
        : wait_(line, {}), held_(held) {}
    static bool await_ready() noexcept { return false; }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> caller) noexcept {
      if (!wait_.await_suspend(caller)) return false;
      held_.unlock();
      return true;
    }
    result<> await_resume() noexcept { return wait_.await_resume(); }

   private:
    notified wait_;
    mutex::guard& held_;
  };
  detail::wait_line<detail::control_word> line_;
};

}  // namespace tide
