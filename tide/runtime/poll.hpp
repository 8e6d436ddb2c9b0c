// Waits until a descriptor is ready: for libraries that do their own reads and writes.
//
//   auto events = co_await tide::poll(PQsocket(connection), POLLIN);   // result<unsigned>
//   if (events && (*events & POLLIN) != 0) PQconsumeInput(connection);
#pragma once

#include <poll.h>

#include <tide/base/result.hpp>
#include <tide/runtime/io_operation.hpp>

namespace tide {

class [[nodiscard]] poll_operation final : public io_operation {
 public:
  poll_operation(int fd, unsigned events) noexcept : io_operation(ring::request::poll(fd, events)) {}
  result<unsigned> await_resume() const noexcept {
    if (auto failed = error()) return fail(*failed);
    return static_cast<unsigned>(result_code());
  }
};

/// co_await poll(fd, POLLIN | POLLOUT): those of the events that are there, and POLLERR and POLLHUP whether asked for or
/// not, as poll(2) names them. Once: for more, poll again. What is ready when the call is made is seen. The kernel keeps the
/// file until the operation ends, so closing the descriptor meanwhile wakes nobody: cancel first. Errors: EBADF;
/// errc::canceled.
inline poll_operation poll(int fd, unsigned events) noexcept { return {fd, events}; }

}  // namespace tide
