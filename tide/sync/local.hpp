// Waiting for each other on one executor, without atomics: condition, event, gate, mutex and semaphore of tide::local.
//
//   tide::local::condition changed;
//   while (queue.empty()) { if (!co_await changed.wait()) co_return; }     // another task: changed.notify_all();
//
//   tide::local::mutex writing;
//   auto turn = co_await writing.lock();                                     // result<guard>, first come first served
//
// All but the condition are used as their namesakes of tide are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include <tide/sync/detail/line_operation.hpp>
#include <tide/sync/event.hpp>
#include <tide/sync/gate.hpp>
#include <tide/sync/mutex.hpp>
#include <tide/sync/semaphore.hpp>

namespace tide::local {

/// Tasks wait until another task says that something has changed. Belongs to one executor; nobody waits when it goes. No
/// mutex goes with it: between two awaits, nobody else runs.
class condition {
  struct notified_policy {
    static bool take(std::uint32_t&) noexcept { return false; }
    static result<> give() noexcept { return {}; }
  };

 public:
  using wait_operation = detail::line_operation<detail::one_executor, notified_policy>;

  condition() noexcept : line_(0) {}

  /// Until the next notification. A change that was notified before is not remembered: look first, then wait.
  [[nodiscard]] wait_operation wait() noexcept { return wait_operation(line_, {}); }
  /// Lets the first in line go on, at the next turn of the run loop.
  void notify_one() noexcept { line_.let_go(1); }
  /// The same for all who wait now.
  void notify_all() noexcept { line_.let_go(std::numeric_limits<std::size_t>::max()); }

 private:
  detail::wait_line<detail::plain_word> line_;
};

}  // namespace tide::local
