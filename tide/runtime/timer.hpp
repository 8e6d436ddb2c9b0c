// Moments at which something happens on an executor: the base of everything that waits for the clock.
//
//   class my_timer final : public tide::timer { void expired() noexcept override { … } };
//   executor.arm(mine, tide::clock::now() + 5s);      // arming again moves it
//
// Users meet it as sleep and timeout (time.hpp), interval (interval.hpp) and alarm (alarm.hpp).
#pragma once

#include <chrono>
#include <optional>

#include <tide/base/pairing_heap.hpp>

namespace tide {

using clock = std::chrono::steady_clock;

/// Stays where it is while armed, and is disarmed before it dies. Belongs to its executor's thread.
class timer : public heap_hook {
 public:
  [[nodiscard]] bool armed() const noexcept { return queued(); }

 protected:
  ~timer() = default;

 private:
  friend class timer_set;
  /// Called once the clock has reached the deadline, never before. The timer is no longer armed.
  virtual void expired() noexcept = 0;
  clock::time_point deadline_;
};

/// The armed timers of an executor, by deadline. Arming and the next deadline cost the same however many there are.
class timer_set {
 public:
  void arm(timer& one, clock::time_point deadline) noexcept {
    disarm(one);
    one.deadline_ = deadline;
    heap_.push(one);
  }
  void disarm(timer& one) noexcept {
    if (one.queued()) heap_.erase(one);
  }
  [[nodiscard]] bool empty() const noexcept { return heap_.empty(); }
  [[nodiscard]] std::optional<clock::time_point> next() const noexcept {
    if (heap_.empty()) return std::nullopt;
    return heap_.top()->deadline_;
  }
  /// Calls all whose deadline has come, in the order of the deadlines.
  void fire(clock::time_point now) noexcept {
    while (timer* first = heap_.top()) {
      if (first->deadline_ > now) return;
      heap_.erase(*first);
      first->expired();
    }
  }

 private:
  struct sooner {
    bool operator()(const timer& a, const timer& b) const noexcept { return a.deadline_ < b.deadline_; }
  };
  pairing_heap<timer, sooner> heap_;
};

}  // namespace tide
