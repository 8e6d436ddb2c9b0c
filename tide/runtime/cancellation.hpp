// How a request to stop travels: down a tree of cancel nodes, one for each scope and timeout, to the operations that wait.
//
//   class my_wait : public tide::waiter { void on_cancel() noexcept override { … end early … } };
//   bool await_suspend(auto coroutine) { coroutine.promise().node().attach(*this); … }
//
// Users meet it as scope::cancel, timeout and errc::canceled; this header is for those who write awaitables.
// Three moments are told apart: the request (here), the kernel's verdict, and the last completion; only the last one lets
// the awaiting coroutine go on.
#pragma once

#include <tide/base/intrusive_list.hpp>
#include <tide/runtime/task_queue.hpp>

namespace tide {

/// Something that waits and can be asked to end early. One thread: that of its executor.
class waiter : public list_hook {
 public:
  /// Called once at most for each attach. Must not resume a coroutine from inside the call: schedule it, or let the kernel's
  /// completion do so.
  virtual void on_cancel() noexcept = 0;

 protected:
  ~waiter() = default;
};

/// A place in the tree, and the task queue of what is there. A request is remembered: what attaches later must look at
/// requested() first.
class cancel_node : public list_hook {
 public:
  /// A child of `parent`, which outlives it, in its queue. A child of a cancelled parent begins cancelled.
  // NOLINTNEXTLINE(google-explicit-constructor): a child of the other, which nobody shall get by copying
  explicit cancel_node(cancel_node& parent) noexcept : cancel_node(parent.queue(), &parent) {}
  /// The same in another queue of the same executor; nullptr for a root.
  cancel_node(task_queue& queue, cancel_node* parent) noexcept : queue_(&queue), home_(&queue.home()) {
    if (parent == nullptr) return;
    requested_ = parent->requested_;
    parent->children_.push_back(*this);
  }

  [[nodiscard]] executor& home() const noexcept { return *home_; }
  [[nodiscard]] task_queue& queue() const noexcept { return *queue_; }
  [[nodiscard]] bool requested() const noexcept { return requested_; }
  void attach(waiter& waiting) noexcept { waiters_.push_back(waiting); }

  /// Asks everything below to end. Idempotent; never blocks, never resumes a coroutine itself.
  void request() noexcept {
    if (requested_) return;
    requested_ = true;
    while (waiter* waiting = waiters_.pop_front()) waiting->on_cancel();
    while (cancel_node* child = children_.pop_front()) child->request();
  }

 private:
  task_queue* queue_;
  executor* home_;
  bool requested_ = false;
  intrusive_list<waiter> waiters_;
  intrusive_list<cancel_node> children_;
};

}  // namespace tide
