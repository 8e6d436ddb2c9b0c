// The directions of a copy, each in the way that suits its two streams:
//
//   local duplex to local duplex: bytes land before the reader that waits, else rings change places
//   any duplex to a stream:       written from where the bytes lie
//   a stream to any duplex:       read to where they shall lie
//   a socket to a stream:         in buffers that the kernel picks
//   a stream to a stream:         through a pooled buffer, held only while reads fill it
//
// Each gives true when nothing more comes and everything is delivered; else the session knows why it is over.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <system_error>
#include <utility>

#include <tide/base/bytes.hpp>
#include <tide/base/result.hpp>
#include <tide/io/buffer_pool.hpp>
#include <tide/io/detail/below.hpp>
#include <tide/io/detail/copy_buffer.hpp>
#include <tide/io/detail/copy_session.hpp>
#include <tide/io/duplex.hpp>
#include <tide/io/stream.hpp>
#include <tide/runtime/task.hpp>

namespace tide::detail {

template <class S>
concept in_process = std::same_as<S, local::duplex_end>;
template <class S>
concept peekable = requires(S& stream) {
  { stream.peek() } -> gives<result<const_byte_pieces>>;
};
template <class S>
concept reservable = requires(S& stream) {
  { stream.reserve() } -> gives<result<byte_pieces>>;
};
template <class S>
concept bringing = requires(S& stream) {
  { stream.receive() } -> gives<result<chunk>>;
};

/// Nothing is read from `from` any more, for this reason, where a stream can say so.
template <class From>
void refuse(From& from, std::error_code why) {
  if constexpr (requires { from.refuse(why); }) from.refuse(why);
}
template <class S>
task<> close_with(S& stream, std::error_code why) {
  if constexpr (requires { stream.close(why); }) {
    co_await stream.close(why);
  } else {
    co_await stream.close();
  }
}

/// A read has failed: true if that was a stop, after which everything is delivered. What comes after an error is never a
/// clean end, so a sink that can carry the error gets it now, and another one is closed with the copy.
template <class To>
bool source_failed(To& to, copy_session& session, copy_flow& flow, std::error_code why) {
  if (session.stopped_reading(flow, why)) return true;
  if constexpr (requires { to.shutdown(why); }) {
    if (flow.result().cause == copy_end::read_failed) static_cast<void>(to.shutdown(why));
  }
  return false;
}
template <class From>
bool sink_failed(From& from, copy_session& session, copy_flow& flow, std::error_code why) {
  session.write_failed(flow, why);
  if (flow.result().cause == copy_end::write_failed) refuse(from, why);
  return false;
}

/// Writes everything, and out of the sink's own buffer too: whoever waits for an answer to it must get it.
template <class From, class To>
task<bool> deliver(From& from, To& to, bytes_view bytes, copy_session& session, copy_flow& flow) {
  const sink_wait waiting(session, flow);
  while (!bytes.empty()) {
    const auto count = co_await below(flow.writes, to.write_some(bytes));
    if (!count) co_return sink_failed(from, session, flow, count.error());
    flow.written += *count;
    bytes = bytes.subspan(*count);
  }
  if constexpr (flushable_stream<To>) {
    const auto flushed = co_await below(flow.writes, to.flush());
    if (!flushed) co_return sink_failed(from, session, flow, flushed.error());
  }
  co_return true;
}

template <class From, class To>
task<bool> pump_rings(From& from, To& to, copy_session& session, copy_flow& flow) {
  local_pipe& in = pipe_access::in(from);
  local_pipe& out = pipe_access::out(to);
  while (!flow.reads.requested()) {
    const auto content = co_await below(flow.reads, pipe_relay(in, out, flow.read, flow.written));
    if (!content) co_return source_failed(to, session, flow, content.error());
    if (in.size() == 0) {
      if (!*in.ended()) co_return true;
      co_return source_failed(to, session, flow, *in.ended());
    }
    if (out.refused()) co_return sink_failed(from, session, flow, *out.refused());
    const std::size_t count = in.move_to(out);
    flow.read += count;
    flow.written += count;
    if (count > 0) continue;
    const sink_wait waiting(session, flow);
    const auto room = co_await below(flow.writes, pipe_room<local_pipe, void>(&out));
    if (!room) co_return sink_failed(from, session, flow, room.error());
  }
  co_return source_failed(to, session, flow, make_error_code(errc::canceled));
}

template <class From, class To>
task<bool> pump_from_ring(From& from, To& to, copy_session& session, copy_flow& flow) {
  while (!flow.reads.requested()) {
    const auto data = co_await below(flow.reads, from.peek());
    if (!data) co_return source_failed(to, session, flow, data.error());
    if (data->empty()) co_return true;
    const sink_wait waiting(session, flow);
    const auto count = co_await below(flow.writes, to.write_some(data->first));
    from.consume(count.value_or(0));  // at once: what the sink has must not fill both
    if (!count) co_return sink_failed(from, session, flow, count.error());
    flow.read += *count;
    flow.written += *count;
    if constexpr (flushable_stream<To>) {
      if (from.unread() > 0) continue;
      const auto flushed = co_await below(flow.writes, to.flush());
      if (!flushed) co_return sink_failed(from, session, flow, flushed.error());
    }
  }
  co_return source_failed(to, session, flow, make_error_code(errc::canceled));
}

template <class From, class To>
task<bool> pump_to_ring(From& from, To& to, copy_session& session, copy_flow& flow) {
  while (!flow.reads.requested()) {
    session.waits_for_sink(flow, true);
    const auto room = co_await below(flow.reads, to.reserve());
    session.waits_for_sink(flow, false);
    if (!room && room.error() == errc::canceled) break;
    if (!room) co_return sink_failed(from, session, flow, room.error());
    const auto count = co_await below(flow.reads, from.read_some(room->first));
    to.commit(count.value_or(0));
    if (!count) co_return source_failed(to, session, flow, count.error());
    if (*count == 0) co_return true;
    flow.read += *count;
    flow.written += *count;
  }
  co_return source_failed(to, session, flow, make_error_code(errc::canceled));
}

template <class From, class To>
task<bool> pump_chunks(From& from, To& to, copy_session& session, copy_flow& flow) {
  while (!flow.reads.requested()) {
    const auto data = co_await below(flow.reads, from.receive());
    if (!data) co_return source_failed(to, session, flow, data.error());
    if (data->empty()) co_return true;
    flow.read += data->size();
    if (!co_await deliver(from, to, data->bytes(), session, flow)) co_return false;
  }
  co_return source_failed(to, session, flow, make_error_code(errc::canceled));
}

template <class From, class To>
task<bool> pump_buffer(From& from, To& to, copy_session& session, copy_flow& flow) {
  std::array<std::byte, 128> small;  // to wait with
  copy_buffer large;
  while (!flow.reads.requested()) {
    const bytes_span into = large ? large.bytes() : bytes_span(small);
    const auto count = co_await below(flow.reads, from.read_some(into));
    if (!count) co_return source_failed(to, session, flow, count.error());
    if (*count == 0) co_return true;
    flow.read += *count;
    if (!co_await deliver(from, to, into.first(*count), session, flow)) co_return false;
    if (*count < into.size()) {  // there is no more for now
      large = {};
    } else if (!large && session.options().buffer > small.size()) {
      auto taken = co_await below(flow.reads, copy_buffer::take(session));
      if (!taken) break;
      large = std::move(*taken);
    }
  }
  co_return source_failed(to, session, flow, make_error_code(errc::canceled));
}

template <class From, class To>
task<bool> pump_any(From& from, To& to, copy_session& session, copy_flow& flow) {
  if constexpr (in_process<From> && in_process<To>) {
    return pump_rings(from, to, session, flow);
  } else if constexpr (peekable<From>) {
    return pump_from_ring(from, to, session, flow);
  } else if constexpr (reservable<To>) {
    return pump_to_ring(from, to, session, flow);
  } else if constexpr (bringing<From>) {
    return pump_chunks(from, to, session, flow);
  } else {
    return pump_buffer(from, to, session, flow);
  }
}

template <class From, class To>
task<> pump(From& from, To& to, copy_session& session, copy_flow& flow) {
  if (co_await pump_any(from, to, session, flow)) session.drained(flow);
}
template <class From, class To>
task<> pump_and_shutdown(From& from, To& to, copy_session& session, copy_flow& flow) {
  if (!co_await pump_any(from, to, session, flow)) co_return;
  const auto shut = co_await below(flow.writes, to.shutdown());
  if (shut) {
    session.drained(flow);
  } else {
    sink_failed(from, session, flow, shut.error());
  }
}

}  // namespace tide::detail
