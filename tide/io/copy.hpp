// Moving bytes from stream to stream until the end, with every ending told: copy and copy_bidirectional.
//
//   auto done = co_await tide::copy_bidirectional(client, server, {.idle = 5min, .write_stall = 30s});
//   log(done.a_to_b.bytes, done.b_to_a.bytes, done.a_to_b.error);
//
// Each direction goes its own way: the end of one side is handed on as a half-close once everything before it is delivered,
// and the other direction goes on. An error is never turned into a clean end. Between two ends of local duplexes the copy
// itself copies next to nothing: bytes land straight before the reader that waits, and else rings change places. Sockets
// bring their bytes in buffers that the kernel picks; a copy that waits holds no memory.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <system_error>

#include <tide/io/detail/copy_pump.hpp>
#include <tide/io/detail/copy_session.hpp>
#include <tide/io/stream.hpp>
#include <tide/runtime/scope.hpp>
#include <tide/runtime/task.hpp>

namespace tide {

/// Copies `from` to `to` until the end of `from`, and leaves both open. Does not fail: the result says how it ended. Both
/// streams stay where they are until then, and are read and written by nobody else in this direction.
template <readable_stream From, writable_stream To>
task<copied> copy(From& from, To& to, copy_options options = {}) {
  detail::promise_base& self = co_await detail::this_promise{};
  detail::copy_session session(self.node(), options, 1);
  co_await detail::pump(from, to, session, session.flow(0));
  co_return session.flow(0).result();
}

struct copied_both {
  copied a_to_b;
  copied b_to_a;
  std::optional<mutual_stall> stall;  ///< what was wanted and full, if that was the end of it

  /// Both directions came to their end.
  [[nodiscard]] bool complete() const noexcept {
    return a_to_b.cause == copy_end::end_of_stream && b_to_a.cause == copy_end::end_of_stream;
  }
  /// The error that came first; none if there was none.
  std::error_code error;
};

/// Copies both ways at once. A direction that ends hands its end on by shutdown(), once, after its last byte. After an error
/// the other direction may still deliver for `error_linger`; then, and after every limit that ran out, both streams are
/// closed, with the error where the stream can carry one. A request to cancel ends the copy and leaves both streams open.
template <stream A, stream B>
task<copied_both> copy_bidirectional(A& a, B& b, copy_options options = {}) {
  detail::promise_base& self = co_await detail::this_promise{};
  detail::copy_session session(self.node(), options, 2);
  co_await with_scope([&](scope& inside) -> task<> {
    if constexpr (detail::in_process<A> && detail::in_process<B>) {
      session.watch(detail::pipe_access::in(a), detail::pipe_access::out(a), detail::pipe_access::in(b),
                    detail::pipe_access::out(b));
      inside.spawn(session.look_for_stalls());
    }
    co_await with_scope([&](scope& both) -> task<> {
      both.spawn(detail::pump_and_shutdown(a, b, session, session.flow(0)));
      both.spawn(detail::pump_and_shutdown(b, a, session, session.flow(1)));
      co_await both.join();
    });
  });
  session.stop_watching();
  const std::error_code error = session.first_error();
  if (session.closes_streams()) {
    co_await detail::close_with(a, error);
    co_await detail::close_with(b, error);
  }
  co_return copied_both{session.flow(0).result(), session.flow(1).result(), session.stall(), error};
}

}  // namespace tide
