// Signals as values that a task waits for.
//
//   auto stop = tide::signal_set::create({SIGTERM, SIGINT}).value();   // in main, before other threads begin
//   auto number = co_await stop.next();                                 // result<int>
#pragma once

#include <sys/signalfd.h>

#include <initializer_list>

#include <tide/base/descriptor.hpp>
#include <tide/base/result.hpp>
#include <tide/runtime/io_operation.hpp>

namespace tide {

/// Blocks its signals for the calling thread (and threads that it starts later) for good, and delivers them to next().
class signal_set {
 public:
  static result<signal_set> create(std::initializer_list<int> numbers);

  class next_operation final : public io_operation {
   public:
    explicit next_operation(int fd) noexcept : io_operation(ring::request::nop()), fd_(fd) {}
    next_operation(next_operation&& other) noexcept : io_operation(std::move(other)), fd_(other.fd_) {}
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> caller) {
      request_ = ring::request::read(fd_, std::as_writable_bytes(std::span(&info_, 1)), ~0ULL);
      return begin(caller, caller.promise().node());
    }
    result<int> await_resume() const noexcept {
      if (auto failed = error()) return fail(*failed);
      return static_cast<int>(info_.ssi_signo);
    }

   private:
    int fd_;
    signalfd_siginfo info_{};
  };
  /// The number of the next signal.
  [[nodiscard]] next_operation next() noexcept { return next_operation(fd_.get()); }

 private:
  explicit signal_set(descriptor fd) noexcept : fd_(std::move(fd)) {}
  descriptor fd_;
};

}  // namespace tide
