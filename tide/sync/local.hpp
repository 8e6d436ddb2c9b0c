// Waiting for each other on one executor, without atomics: condition and mutex of tide::local.
//
//   tide::local::condition changed;
//   while (queue.empty()) { if (!co_await changed.wait()) co_return; }     // another task: changed.notify_all();
//
//   tide::local::mutex writing;
//   auto turn = co_await writing.lock();                                     // result<guard>, first come first served
#pragma once

#include <coroutine>
#include <utility>

#include <tide/base/intrusive_list.hpp>
#include <tide/base/result.hpp>
#include <tide/runtime/cancellation.hpp>
#include <tide/runtime/executor.hpp>

namespace tide::local {

namespace detail {

/// A coroutine in a line of waiters: goes on when it is released, or when its scope is cancelled.
class line_waiter : public waiter {
 public:
  struct place : list_hook {
    line_waiter* owner = nullptr;
  };
  bool await_ready() const noexcept { return false; }

 protected:
  explicit line_waiter(intrusive_list<place>& line) noexcept : line_(&line) { place_.owner = this; }
  line_waiter(line_waiter&& other) noexcept : waiter(), line_(other.line_) { place_.owner = this; }
  ~line_waiter() = default;
  template <class Promise>
  bool join_line(std::coroutine_handle<Promise> caller) {
    cancel_node& node = caller.promise().node();
    if (node.requested()) {
      cancelled_ = true;
      return false;
    }
    caller_ = caller;
    home_ = &node.home();
    node.attach(*this);
    line_->push_back(place_);
    return true;
  }
  [[nodiscard]] bool cancelled() const noexcept { return cancelled_; }

 public:
  /// Already out of the line.
  void release() noexcept {
    waiter::unlink();
    home_->schedule(caller_);
  }

 private:
  void on_cancel() noexcept override {
    if (!place_.linked()) return;  // released in this turn: it has what it waited for
    place_.unlink();
    cancelled_ = true;
    home_->schedule(caller_);
  }
  intrusive_list<place>* line_;
  place place_;
  std::coroutine_handle<> caller_;
  executor* home_ = nullptr;
  bool cancelled_ = false;
};

}  // namespace detail

/// Tasks wait until another task says that something has changed. Belongs to one executor; nobody waits when it goes.
class condition {
 public:
  condition() noexcept = default;

  class wait_operation final : public detail::line_waiter {
   public:
    explicit wait_operation(intrusive_list<place>& line) noexcept : line_waiter(line) {}
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> caller) {
      return join_line(caller);
    }
    result<> await_resume() const noexcept {
      if (cancelled()) return fail(errc::canceled);
      return {};
    }
  };
  /// Until the next notify_all. A change that was notified before is not remembered: look first, then wait.
  [[nodiscard]] wait_operation wait() noexcept { return wait_operation(line_); }
  /// Lets all who wait now go on, at the next turn of the run loop.
  void notify_all() noexcept {
    while (auto* place = line_.pop_front()) place->owner->release();
  }

 private:
  intrusive_list<detail::line_waiter::place> line_;
};

/// One task at a time, in the order they came. Belongs to one executor; nobody holds or waits when it goes.
class mutex {
 public:
  mutex() noexcept = default;

  class [[nodiscard]] guard {
   public:
    guard(guard&& other) noexcept : held_(std::exchange(other.held_, nullptr)) {}
    guard& operator=(guard&& other) noexcept {
      std::swap(held_, other.held_);
      return *this;
    }
    ~guard() {
      if (held_ != nullptr) held_->unlock();
    }

   private:
    friend class mutex;
    explicit guard(mutex& held) noexcept : held_(&held) {}
    mutex* held_;
  };

  class lock_operation final : public detail::line_waiter {
   public:
    explicit lock_operation(mutex& of) noexcept : line_waiter(of.line_), of_(of) {}
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> caller) {
      if (!of_.held_) {
        of_.held_ = true;
        return false;
      }
      return join_line(caller);
    }
    result<guard> await_resume() noexcept {
      if (cancelled()) return fail(errc::canceled);
      return guard(of_);
    }

   private:
    mutex& of_;
  };
  [[nodiscard]] lock_operation lock() noexcept { return lock_operation(*this); }

 private:
  void unlock() noexcept {
    if (auto* next = line_.pop_front()) {
      next->owner->release();  // stays held: handed over
    } else {
      held_ = false;
    }
  }
  intrusive_list<detail::line_waiter::place> line_;
  bool held_ = false;
};

}  // namespace tide::local
