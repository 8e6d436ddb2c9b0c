// Signals as values that a task waits for.
//
//   auto stop = tide::signal_set::create({SIGTERM, SIGINT}).value();   // in main, before other threads begin
//   auto number = co_await stop.next();                                 // result<int>
#pragma once

#include <poll.h>

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
    explicit next_operation(int fd) noexcept : io_operation(ring::request::poll(fd, POLLIN)), fd_(fd) {}
    next_operation(next_operation&& other) noexcept : io_operation(static_cast<io_operation&&>(other)), fd_(other.fd_) {}
    result<int> await_resume() const noexcept {
      if (auto failed = error()) return fail(*failed);
      return result_code();
    }

   private:
    void complete(ring::completion said) noexcept override;
    int fd_;
  };
  /// The number of the next signal.
  [[nodiscard]] next_operation next() noexcept { return next_operation(fd_.get()); }

 private:
  explicit signal_set(descriptor fd) noexcept : fd_(std::move(fd)) {}
  descriptor fd_;
};

}  // namespace tide
