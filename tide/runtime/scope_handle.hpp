// Cancels a scope from any thread.
//
//   const tide::scope_handle all(scope);
//   std::thread([all] { …; all.cancel(); });
//   const std::stop_callback stop(token, [all] { all.cancel(); });   // a std::stop_token does it as well
//
// The scope may have ended by then: it does nothing.
#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include <tide/runtime/cancellation.hpp>
#include <tide/runtime/executor.hpp>
#include <tide/runtime/scope.hpp>

namespace tide {

/// Copies name the same scope. Made on the scope's thread; from then on any thread. Allocates once.
class scope_handle {
 public:
  explicit scope_handle(scope& of) : state_(std::make_shared<state>(of.node().home().handle())) { state_->watch(of.node()); }

  /// Asks the scope to end, by the next turn of its executor. Never waits, takes no lock, allocates nothing; the second and
  /// all later calls of any copy do nothing.
  void cancel() const noexcept { state_->ask(); }

 private:
  /// Keeps itself alive while the scope or the mailbox knows it. A scope that ends is cancelled first, so the node tells
  /// on_cancel before it goes.
  class state final : public waiter, public detail::mailbox_entry, public std::enable_shared_from_this<state> {
   public:
    explicit state(executor_handle home) noexcept : home_(std::move(home)) {}
    void watch(cancel_node& node) {
      if (node.requested()) return;
      node_ = &node;
      attached_ = shared_from_this();
      node.attach(*this);
    }
    void ask() noexcept {
      if (asked_.exchange(true)) return;
      posted_ = shared_from_this();
      if (!home_.post(*this)) posted_.reset();
    }

   private:
    void on_cancel() noexcept override {
      node_ = nullptr;
      const auto last = std::move(attached_);
    }
    void run() override {
      const auto last = std::move(posted_);
      if (node_ != nullptr) node_->request();
    }
    void dropped() noexcept override { const auto last = std::move(posted_); }

    executor_handle home_;
    cancel_node* node_ = nullptr;  // the executor's thread only
    std::shared_ptr<state> attached_;
    std::atomic<bool> asked_{false};
    std::shared_ptr<state> posted_;
  };

  std::shared_ptr<state> state_;
};

}  // namespace tide
