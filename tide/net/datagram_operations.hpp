// The awaitables behind datagram sockets. Users meet them as the values of the calls of udp.hpp:
//
//   auto operation = socket.receive_from(memory);   // nothing happens yet
//   auto got = co_await tide::timeout(1s, std::move(operation));
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <tide/base/bytes.hpp>
#include <tide/base/result.hpp>
#include <tide/net/address.hpp>
#include <tide/ring/request.hpp>
#include <tide/runtime/io_operation.hpp>

namespace tide::net {

namespace detail {

/// A message header and all that it points to, in place. It may move until it is set.
class message {
 public:
  /// To send; an invalid address means none. `segment` 0: one datagram.
  const msghdr* set(bytes_view bytes, const address& to, std::uint16_t segment) noexcept;
  /// To receive.
  msghdr* set(bytes_span into) noexcept;
  [[nodiscard]] address from() const noexcept { return {peer_, header_.msg_namelen}; }
  [[nodiscard]] bool truncated() const noexcept { return (header_.msg_flags & MSG_TRUNC) != 0; }
  /// UDP_GRO's size of a datagram in what was received; 0 if it did not say.
  [[nodiscard]] std::uint16_t segment() const noexcept;

 private:
  msghdr header_{};
  iovec piece_{};
  sockaddr_storage peer_;
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int))> control_;
};

}  // namespace detail

/// One datagram that has come, or several of one sender that came together (udp_options::coalesce).
struct received {
  std::size_t size = 0;  ///< bytes that were stored
  address from;
  bool truncated = false;     ///< the datagram was longer than the memory for it
  std::uint16_t segment = 0;  ///< bytes of each datagram but the last; 0: there is one
  /// The part of the lent memory that was filled.
  [[nodiscard]] bytes_span bytes(bytes_span memory) const noexcept { return memory.first(size); }
};

/// An operation that succeeds or fails and has nothing else to say.
class plain_operation : public io_operation {
 public:
  using io_operation::io_operation;
  result<> await_resume() const noexcept {
    if (auto failed = error()) return fail(*failed);
    return {};
  }
};

class send_datagram_operation : public plain_operation {
 public:
  send_datagram_operation(int fd, bytes_view bytes, const address& to, std::uint16_t segment) noexcept
      : plain_operation(ring::request::nop()), fd_(fd), bytes_(bytes), to_(to), segment_(segment) {}
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> caller) {
    request_ = ring::request::send_message(fd_, message_.set(bytes_, to_, segment_), false);
    return begin(caller, caller.promise().node());
  }

 private:
  int fd_;
  bytes_view bytes_;
  address to_;
  std::uint16_t segment_;
  detail::message message_;
};

class receive_datagram_operation : public io_operation {
 public:
  receive_datagram_operation(int fd, bytes_span into) noexcept : io_operation(ring::request::nop()), fd_(fd), into_(into) {}
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> caller) {
    request_ = ring::request::receive_message(fd_, message_.set(into_));
    return begin(caller, caller.promise().node());
  }
  result<received> await_resume() const noexcept {
    if (auto failed = error()) return fail(*failed);
    return received{.size = static_cast<std::size_t>(result_code()),
                    .from = message_.from(),
                    .truncated = message_.truncated(),
                    .segment = message_.segment()};
  }

 private:
  int fd_;
  bytes_span into_;
  detail::message message_;
};

class connect_datagram_operation : public plain_operation {
 public:
  connect_datagram_operation(int fd, const address& to) noexcept : plain_operation(ring::request::nop()), fd_(fd), to_(to) {}
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> caller) {
    request_ = ring::request::connect(fd_, to_.raw(), to_.raw_size());
    return begin(caller, caller.promise().node());
  }

 private:
  int fd_;
  address to_;
};

class send_batch_operation;

/// Datagrams that go together. Memory for `room` of them is taken when it is made; the bytes belong to the caller, who keeps
/// them alive until the send has ended. May be sent again, and on.
class udp_batch {
 public:
  explicit udp_batch(std::size_t room) : parts_(room) {}
  /// False if there is no room.
  bool add(bytes_view bytes, const address& to) noexcept;
  void clear() noexcept { size_ = 0; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  friend class send_batch_operation;
  class part final : public ring::operation {
   public:
    bytes_view bytes;
    address to;
    detail::message message;
    send_batch_operation* of = nullptr;

   private:
    void complete(ring::completion said) noexcept override;
  };
  std::vector<part> parts_;
  std::size_t size_ = 0;
};

/// Ends when every datagram of the batch has.
class send_batch_operation : private waiter {
 public:
  send_batch_operation(int fd, udp_batch& batch) noexcept : fd_(fd), batch_(&batch) {}
  send_batch_operation(send_batch_operation&& other) noexcept : waiter(), fd_(other.fd_), batch_(other.batch_) {}
  bool await_ready() const noexcept { return batch_->size() == 0; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> caller) {
    return begin(caller, caller.promise().node());
  }
  result<std::size_t> await_resume() const noexcept;

 private:
  friend class udp_batch;
  bool begin(std::coroutine_handle<> caller, cancel_node& node);
  void start(udp_batch::part& one);
  void ended(std::int32_t said) noexcept;
  void on_cancel() noexcept override;

  int fd_;
  udp_batch* batch_;
  std::size_t under_way_ = 0;
  std::size_t sent_ = 0;
  std::int32_t first_error_ = 0;
  std::coroutine_handle<> caller_;
  cancel_node* node_ = nullptr;
};

}  // namespace tide::net
