// TCP on the ring.
//
//   auto listener = tide::net::tcp_listener::bind({"127.0.0.1", 7777}).value();
//   while (auto peer = co_await listener.accept()) scope.spawn(session, std::move(*peer));
//
//   auto stream = co_await tide::net::tcp_stream::connect({"127.0.0.1", 7777});
//   co_await stream->write_all("hello");
//   auto chunk = co_await stream->receive();
//
// Every operation may be cancelled through its scope or a timeout and then gives errc::canceled or errc::timed_out.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include <tide/base/bytes.hpp>
#include <tide/base/result.hpp>
#include <tide/io/buffer.hpp>
#include <tide/io/buffer_pool.hpp>
#include <tide/net/address.hpp>
#include <tide/net/operations.hpp>
#include <tide/runtime/task.hpp>

namespace tide::net {

struct tcp_options {
  bool no_delay = true;    ///< TCP_NODELAY: small writes leave at once
  int send_buffer = 0;     ///< SO_SNDBUF in bytes; 0: the system's choice
  int receive_buffer = 0;  ///< SO_RCVBUF in bytes; 0: the system's choice
  /// Writes of so many bytes and more leave without a copy; 0: none. The bytes are the kernel's until the peer has taken
  /// them, and so long the write lasts. One that is cancelled meanwhile resets the connection, since nothing else would make
  /// the kernel let go. Off, because a copy is often cheaper: on the loopback device such a write took four times the CPU
  /// time at 4 KiB, as much at 64 KiB, and 0.8 to 1.5 times at 256 KiB to 4 MiB. Measure where it shall be used.
  std::size_t zero_copy_from = 0;
};

/// A connection. Move-only; one reader and one writer at a time, both on the executor that made it. When it goes the
/// descriptor is closed through the ring, at once and without waiting; nothing may be pending then: close() it else.
class tcp_stream {
 public:
  tcp_stream() noexcept = default;
  /// Takes over a connected socket. Of `set`, only what no socket option stands for is looked at.
  explicit tcp_stream(int fd, const tcp_options& set = {}) noexcept
      : fd_(fd), zero_copy_from_(set.zero_copy_from != 0 ? set.zero_copy_from : never) {}
  tcp_stream(tcp_stream&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), zero_copy_from_(other.zero_copy_from_), receiver_(std::move(other.receiver_)) {}
  tcp_stream& operator=(tcp_stream&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(zero_copy_from_, other.zero_copy_from_);
    std::swap(receiver_, other.receiver_);
    return *this;
  }
  ~tcp_stream();

  /// Errors of connect(2); errc::malformed if the address is not valid.
  static task<result<tcp_stream>> connect(address to, tcp_options wanted = {});

  /// The next bytes, in a buffer that the kernel picks when they arrive. An empty chunk is the end of the stream. The stream
  /// stays where it is meanwhile. From the first call on, up to four buffers may be filled ahead of the next one; more waits
  /// in the socket, and no buffers are held back from other streams that need them. Any way of reading gets bytes in order.
  [[nodiscard]] receive_operation receive() noexcept { return {fd_, receiver_}; }
  /// The same into memory that the caller lends and keeps alive. 0: end of stream.
  [[nodiscard]] read_operation read_some(bytes_span into) noexcept { return {fd_, receiver_, into}; }
  /// The same into a buffer that the caller gives and gets back: auto [size, buffer] = co_await read(std::move(buffer)).
  template <io_buffer B>
  [[nodiscard]] read_given_operation<B> read(B buffer) {
    return read_given_operation<B>(fd_, receiver_, std::move(buffer));
  }

  /// Writes everything. On error or cancel a part may have been written. Lends; the caller keeps the bytes alive.
  [[nodiscard]] write_operation write_all(bytes_view bytes) noexcept { return {fd_, bytes, zero_copy_from_}; }
  [[nodiscard]] write_operation write_all(std::string_view text) noexcept { return write_all(bytes_of(text)); }
  /// The same with a buffer that the operation owns until it ends.
  template <class B>
    requires io_buffer<B> && (!std::is_lvalue_reference_v<B>) && (!std::is_const_v<B>)
  [[nodiscard]] write_given_operation<B> write_all(B&& buffer) {
    return write_given_operation<B>(fd_, std::forward<B>(buffer), zero_copy_from_);
  }
  /// Sends all of `request`, then receives into `into`: auto size = co_await exchange(question, answer). One submission and
  /// one wake where write_all and read_some need two of each. Both are lent. After an error or a cancel nobody knows how
  /// much of `request` the peer has got.
  [[nodiscard]] exchange_operation exchange(bytes_view request, bytes_span into) noexcept {
    return {fd_, receiver_, request, into};
  }
  /// One send, of as much as the socket takes; gives the bytes written, 1 at least. A cancelled one has sent nothing.
  [[nodiscard]] send_some_operation write_some(bytes_view bytes) noexcept { return {fd_, bytes}; }
  /// One send of several pieces, as much as the socket takes; gives the bytes written. The caller keeps pieces and what they
  /// point to alive. At most IOV_MAX (1024) pieces.
  [[nodiscard]] write_some_operation write_some(std::span<const iovec> pieces) noexcept { return {fd_, pieces}; }

  /// No more writes: the peer reads the end of the stream (FIN).
  [[nodiscard]] shutdown_operation shutdown() noexcept { return shutdown_operation(fd_); }
  /// Ends what is pending with errc::canceled, sends FIN, frees the descriptor. With `why`, whatever it is, it resets the
  /// connection instead: the peer reads an error and no clean end, and what it has not read yet may be lost.
  task<> close(std::error_code why = {});

  [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }
  [[nodiscard]] result<address> local_address() const noexcept;
  [[nodiscard]] result<address> peer_address() const noexcept;
  [[nodiscard]] int native_handle() const noexcept { return fd_; }

 private:
  static constexpr std::size_t never = ~std::size_t{0};
  int fd_ = -1;
  std::size_t zero_copy_from_ = never;
  detail::receiver_ptr receiver_;  // once receive() has been called
};

struct listen_options {
  int backlog = 4096;         ///< connections that the kernel completes ahead of accept; capped by net.core.somaxconn
  bool reuse_address = true;  ///< SO_REUSEADDR: bind although old connections of the port linger
  bool reuse_port = false;    ///< SO_REUSEPORT: several listeners share the port
  tcp_options accepted{};     ///< for the connections
};

class tcp_listener {
 public:
  /// Port 0 picks one: see local_address(). Errors of bind(2); errc::malformed if the address is not valid.
  static result<tcp_listener> bind(const address& at, const listen_options& wanted = {});
  tcp_listener(tcp_listener&&) noexcept;
  tcp_listener& operator=(tcp_listener&&) noexcept;
  ~tcp_listener();

  /// The next connection. One accept at a time. Connections that were accepted and not taken are closed with the listener.
  [[nodiscard]] accept_operation accept() noexcept { return accept_operation(*state_); }
  [[nodiscard]] result<address> local_address() const noexcept;

 private:
  explicit tcp_listener(std::unique_ptr<detail::accept_state> state) noexcept;
  std::unique_ptr<detail::accept_state> state_;
};

inline result<tcp_stream> accept_operation::await_resume() noexcept {
  auto fd = take();
  if (!fd) return fail(fd.error());
  return tcp_stream(*fd, detail::accepted_options(*state_));
}

}  // namespace tide::net
