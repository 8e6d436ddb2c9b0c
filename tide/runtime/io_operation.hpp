// The base of every awaitable that the ring carries out: its state lives in the awaiting frame, nothing is allocated.
//
//   class shutdown_operation : public tide::io_operation {
//    public:
//     explicit shutdown_operation(int fd) : io_operation(ring::request::shutdown(fd, SHUT_WR)) {}
//     tide::result<> await_resume() const { if (auto failed = error()) return fail(*failed); return {}; }
//   };
//
// Cancelling requests; the coroutine goes on when the kernel has let go. A result that was faster than the request counts.
#pragma once

#include <cassert>
#include <cerrno>
#include <coroutine>
#include <optional>
#include <system_error>

#include <tide/base/result.hpp>
#include <tide/ring/ring.hpp>
#include <tide/runtime/cancellation.hpp>
#include <tide/runtime/executor.hpp>

namespace tide {

/// Movable until it is awaited, so that it can be handed to timeout(); awaited once.
class io_operation : public ring::operation, public waiter {
 public:
  explicit io_operation(const ring::request& what) noexcept : request_(what) {}
  io_operation(io_operation&& other) noexcept : request_(other.request_) { assert(!other.in_flight()); }

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> caller) {
    return begin(caller, caller.promise().node());
  }
  /// What a completion's result says, if it is an error.
  [[nodiscard]] static std::optional<std::error_code> error_of(std::int32_t code) noexcept {
    if (code >= 0) return std::nullopt;
    if (code == -ECANCELED) return make_error_code(errc::canceled);
    if (code == wrong_executor) return make_error_code(errc::wrong_executor);
    return std::error_code(-code, std::system_category());
  }

  /// For an operation that finds that what it is about belongs to another executor. No error of the kernel's.
  static constexpr std::int32_t wrong_executor = -4096;

 protected:
  ~io_operation() = default;

  /// False if the scope is already cancelled: nothing was started, the result is -ECANCELED.
  bool begin(std::coroutine_handle<> caller, cancel_node& node) {
    if (node.requested()) {
      said_ = {.result = -ECANCELED, .flags = 0};
      return false;
    }
    attach(caller, node);
    node.home().ring().start(*this, request_);
    return true;
  }
  /// The first half of begin, for an operation that waits for something else before its request.
  void attach(std::coroutine_handle<> caller, cancel_node& node) noexcept {
    assert(executor::current() == &node.home() && "awaited on another executor than its task's");
    caller_ = caller;
    node_ = &node;
    node.attach(*this);
  }
  void complete(ring::completion said) noexcept override {
    if (said.result == -EINTR) {  // nothing has happened; a cancel of what a thread of the kernel does ends so, too
      if (restart(request_)) return;
      said.result = -ECANCELED;
    }
    finish(said);
  }
  void on_cancel() noexcept override { home().ring().cancel(*this); }

  /// Lets the coroutine go on, at once unless it has to wait for its queue's turn. The operation may be gone when this
  /// returns.
  void finish(ring::completion said) noexcept {
    said_ = said;
    unlink();
    task_queue& queue = node_->queue();
    queue.count_operation(said.result > 0 && request_.moves_bytes() ? static_cast<std::size_t>(said.result) : 0);
    queue.resume(caller_);
  }
  /// The same from where nothing may be resumed (on_cancel, a destructor): the coroutine goes on at the next turn.
  void finish_later(ring::completion said) noexcept {
    said_ = said;
    unlink();
    node_->queue().schedule(caller_);
  }
  /// Starts another request of the same operation from complete(). False if a request to cancel has arrived meanwhile.
  bool restart(const ring::request& what) {
    if (cancel_requested()) return false;
    home().ring().start(*this, what);
    return true;
  }

  [[nodiscard]] bool cancel_requested() const noexcept { return node_->requested(); }
  [[nodiscard]] executor& home() const noexcept { return node_->home(); }
  [[nodiscard]] task_queue& queue() const noexcept { return node_->queue(); }
  [[nodiscard]] std::int32_t result_code() const noexcept { return said_.result; }
  [[nodiscard]] std::optional<std::error_code> error() const noexcept { return error_of(said_.result); }

  ring::request request_;
  ring::completion said_;

 private:
  std::coroutine_handle<> caller_;
  cancel_node* node_ = nullptr;
};

}  // namespace tide
