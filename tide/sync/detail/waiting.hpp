// How a coroutine and a thread wait, whatever they wait in: the one place where waiting, waking and cancelling meet.
//
//   class my_operation : public coroutine_wait<across_threads, my_operation> {
//     bool join(parker&) noexcept;      // into the line: true, or there is nothing to wait for: false
//     bool leave() noexcept;            // out of it: true, or let go already, and the unpark is on its way: false
//   };
//   if (!wait_in_thread(join, leave, deadline)) return fail(errc::timed_out);
#pragma once

#include <concepts>
#include <coroutine>
#include <optional>

#include <tide/base/result.hpp>
#include <tide/runtime/cancellation.hpp>
#include <tide/runtime/executor.hpp>
#include <tide/sync/detail/control_word.hpp>
#include <tide/sync/detail/parker.hpp>

namespace tide::detail {

/// Between coroutines of any executors and plain threads.
struct across_threads {
  using word = control_word;
  using parker = task_parker;
};
/// Between coroutines of one executor.
struct one_executor {
  using word = plain_word;
  using parker = local_parker;
};
template <class Domain>
concept for_threads = std::same_as<Domain, across_threads>;

/// Whether a request to cancel ends a wait.
enum class wait_kind : bool { cancellable, shielded };

/// Base of an awaitable; movable until it is awaited, awaited once. What a wait needs is made only when there is one, so an
/// operation that need not wait costs little. What it waits for and the request to cancel may race: whichever takes it out
/// of the line first counts.
template <class Domain, class Derived, wait_kind Kind = wait_kind::cancellable>
class coroutine_wait {
 public:
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> caller) noexcept {
    return park(caller, caller.promise().node());
  }

 protected:
  coroutine_wait() noexcept = default;
  ~coroutine_wait() = default;
  /// First thing in await_resume: whether it was cancelled and has nothing.
  [[nodiscard]] bool ended_by_cancel() noexcept {
    if (sleep_) sleep_->unlink();
    return cancelled_;
  }

 private:
  class sleep final : public waiter {
   public:
    explicit sleep(coroutine_wait& of) noexcept : of_(of) {}
    typename Domain::parker parker;

   private:
    void on_cancel() noexcept override {
      if (!static_cast<Derived&>(of_).leave()) return;  // it has what it waited for
      of_.cancelled_ = true;
      parker.unpark_here();
    }
    coroutine_wait& of_;
  };

  bool park(std::coroutine_handle<> caller, cancel_node& node) noexcept {
    if (Kind == wait_kind::cancellable && node.requested()) {
      cancelled_ = true;
      return false;
    }
    sleep_.emplace(*this);
    sleep_->parker.park(caller, node.queue());
    if (!static_cast<Derived*>(this)->join(sleep_->parker)) return false;
    // A wake from elsewhere comes through this thread's mailbox, so not before the coroutine sleeps.
    if (Kind == wait_kind::cancellable) node.attach(*sleep_);
    return true;
  }

  std::optional<sleep> sleep_;
  bool cancelled_ = false;
};

/// False if the deadline came first.
template <class Join, class Leave>
bool wait_in_thread(Join join, Leave leave, clock::time_point deadline) noexcept {
  thread_parker here;
  if (!join(here) || here.park(deadline)) return true;
  if (leave()) return false;
  return here.park(clock::time_point::max());
}

}  // namespace tide::detail
