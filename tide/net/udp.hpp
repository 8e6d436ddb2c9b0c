// UDP on the ring.
//
//   auto socket = tide::net::udp_socket::bind({"127.0.0.1", 5353}).value();
//   co_await socket.send_to("hello", peer);                            // one datagram, whole
//   auto got = co_await socket.receive_from(std::span(memory));        // got->bytes(memory), got->from
//
//   co_await socket.send_segments(all, 1200, peer);                    // one call, many datagrams of 1200 bytes
//
//   tide::net::udp_batch batch(64);                                    // memory for 64, taken once
//   batch.add(first, peer), batch.add(second, other);
//   auto sent = co_await socket.send(batch);                           // one submission for all of them
//
// Every operation may be cancelled through its scope or a timeout and then gives errc::canceled or errc::timed_out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include <tide/base/bytes.hpp>
#include <tide/base/result.hpp>
#include <tide/net/address.hpp>
#include <tide/net/datagram_operations.hpp>

namespace tide::net {

struct udp_options {
  bool reuse_address = false;  ///< SO_REUSEADDR; for multicast, where several sockets share a port
  bool reuse_port = false;     ///< SO_REUSEPORT: several sockets share the load of a port
  bool broadcast = false;      ///< SO_BROADCAST
  bool coalesce = false;       ///< UDP_GRO: datagrams of one sender and size may come together (received::segment)
  bool v6_only = false;        ///< IPV6_V6ONLY; else an IPv6 socket also speaks IPv4
  int send_buffer = 0;         ///< SO_SNDBUF in bytes; 0: the system's choice
  int receive_buffer = 0;      ///< SO_RCVBUF in bytes; 0: the system's choice
};

/// Move-only. On the executor where it is used; any number of operations at a time. Nothing may be pending when it goes.
class udp_socket {
 public:
  /// Of a datagram over IPv4; one of 65,508 fails with std::errc::message_size.
  static constexpr std::size_t most_bytes = 65'507;

  udp_socket() noexcept = default;
  udp_socket(udp_socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  udp_socket& operator=(udp_socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~udp_socket();

  /// Port 0 picks one. Errors of socket(2), setsockopt(2) and bind(2); errc::malformed if the address is not valid.
  static result<udp_socket> bind(const address& at, const udp_options& wanted = {});
  /// From here on send() goes to `to`, and only what comes from there is received.
  [[nodiscard]] connect_datagram_operation connect(const address& to) noexcept { return {fd_, to}; }

  // The caller keeps the bytes alive. A datagram leaves whole or not at all. std::errc::connection_refused: the answer of
  // the peer's system to an earlier one.
  [[nodiscard]] send_datagram_operation send_to(bytes_view bytes, const address& to) noexcept { return {fd_, bytes, to, 0}; }
  [[nodiscard]] send_datagram_operation send_to(std::string_view text, const address& to) noexcept {
    return send_to(bytes_of(text), to);
  }
  [[nodiscard]] send_datagram_operation send(bytes_view bytes) noexcept { return {fd_, bytes, {}, 0}; }
  /// Cuts `bytes` into datagrams of `segment` bytes, the last one shorter (UDP_SEGMENT): at most 64 of them and 65,507
  /// bytes.
  [[nodiscard]] send_datagram_operation send_segments(bytes_view bytes, std::uint16_t segment, const address& to) noexcept {
    return {fd_, bytes, to, segment};
  }
  /// All of a batch, at once. Gives how many of them were sent; an error only if none was.
  [[nodiscard]] send_batch_operation send(udp_batch& batch) noexcept { return {fd_, batch}; }

  /// The next datagram, into memory that the caller lends and keeps alive. What does not fit is lost and said so.
  [[nodiscard]] receive_datagram_operation receive_from(bytes_span into) noexcept { return {fd_, into}; }

  // Multicast; `group` is its address, `interface` an index of if_nametoindex(3) or 0 for the system's choice.
  result<> join(const address& group, unsigned interface = 0) noexcept;
  result<> leave(const address& group, unsigned interface = 0) noexcept;
  /// Time to live of what is sent to a multicast group; else 1: no further than this network.
  result<> multicast_ttl(std::uint8_t hops) noexcept;

  [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }
  [[nodiscard]] result<address> local_address() const noexcept;
  [[nodiscard]] int native_handle() const noexcept { return fd_; }

 private:
  explicit udp_socket(int fd) noexcept : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace tide::net
