// What a stream is: bytes in order, read and written piece by piece, each direction with an end of its own.
//
//   template <tide::stream S>
//   tide::task<> greet(S& peer) {
//     co_await peer.write_all(tide::bytes_of("hello\n"));
//     co_await peer.shutdown();                                  // no more from here; answers still come
//     while (auto size = co_await peer.read_some(buffer)) { if (*size == 0) break; … }
//   }
//
// net::tcp_stream, the ends of a duplex (duplex.hpp) and any_stream are streams. Operations are awaitables that begin when
// they are awaited and that a request to cancel reaches; memory is lent and stays the caller's to keep alive.
#pragma once

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <system_error>
#include <type_traits>
#include <utility>

#include <tide/base/bytes.hpp>
#include <tide/base/result.hpp>

namespace tide {

namespace detail {

template <class Operation>
auto value_when_awaited(Operation&& operation) {
  if constexpr (requires { std::forward<Operation>(operation).operator co_await(); }) {
    return std::type_identity<decltype(std::forward<Operation>(operation).operator co_await().await_resume())>{};
  } else {
    return std::type_identity<decltype(operation.await_resume())>{};
  }
}

}  // namespace detail

/// An awaitable whose value is a `Value`.
template <class Operation, class Value>
concept gives = std::same_as<typename decltype(detail::value_when_awaited(std::declval<Operation>()))::type, Value>;

/// read_some: 1 byte at least, as many as there are and fit; 0 at the end of the stream, again and again. A cancelled read
/// has taken nothing.
template <class S>
concept readable_stream = requires(S& stream, bytes_span into) {
  { stream.read_some(into) } -> gives<result<std::size_t>>;
};

/// write_some: 1 byte at least, and how many; a cancelled one has written nothing. write_all: everything, or an error with a
/// part written.
template <class S>
concept writable_stream = requires(S& stream, bytes_view bytes) {
  { stream.write_some(bytes) } -> gives<result<std::size_t>>;
  { stream.write_all(bytes) } -> gives<result<>>;
};

/// shutdown: the other end reads what was written, then the end of the stream; this end may go on reading.
template <class S>
concept half_closable_stream = requires(S& stream) {
  { stream.shutdown() } -> gives<result<>>;
};

/// One reader and one writer at a time; reading and writing may wait at the same time. close() ends what is pending, both
/// directions.
template <class S>
concept stream = readable_stream<S> && writable_stream<S> && half_closable_stream<S> && requires(S& stream) {
  { stream.close() } -> gives<void>;
};

/// Streams that hold written bytes back until flush().
template <class S>
concept flushable_stream = requires(S& stream) {
  { stream.flush() } -> gives<result<>>;
};

/// An operation that has ended before it is awaited.
template <class Value>
class [[nodiscard]] ready_operation {
 public:
  explicit ready_operation(Value value) noexcept : value_(std::move(value)) {}
  [[nodiscard]] bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  Value await_resume() noexcept { return std::move(value_); }

 private:
  Value value_;
};
template <>
class [[nodiscard]] ready_operation<void> : public std::suspend_never {};

}  // namespace tide
