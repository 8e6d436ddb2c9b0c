// The awaitables behind tide/net/tcp.hpp. Users meet them as the values of its calls:
//
//   auto operation = stream.receive();          // nothing happens yet
//   auto chunk = co_await std::move(operation); // or: co_await tide::timeout(5s, stream.receive())
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include <tide/base/bytes.hpp>
#include <tide/base/result.hpp>
#include <tide/io/buffer.hpp>
#include <tide/io/buffer_pool.hpp>
#include <tide/net/detail/receiver.hpp>
#include <tide/ring/request.hpp>
#include <tide/runtime/io_operation.hpp>

namespace tide::net {

struct tcp_options;
class tcp_stream;

/// The next bytes of the stream's receiver, which is made at the first use.
class receive_operation : private waiter, private detail::reader {
 public:
  receive_operation(int fd, detail::receiver_ptr& from) noexcept : fd_(fd), from_(&from) {}
  receive_operation(receive_operation&& other) noexcept : waiter(), reader(), fd_(other.fd_), from_(other.from_) {}

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> caller) {
    return begin(caller, caller.promise().node());
  }
  result<chunk> await_resume() noexcept;

 private:
  bool begin(std::coroutine_handle<> caller, cancel_node& node);
  void take() noexcept;
  void received() noexcept override;
  void received_later() noexcept override;
  void on_cancel() noexcept override;

  int fd_;
  detail::receiver_ptr* from_;
  std::coroutine_handle<> caller_;
  task_queue* queue_ = nullptr;
  result<chunk> taken_;
};

/// recv into lent memory, after what the stream's receiver has brought already.
class read_operation : public io_operation, private detail::reader {
 public:
  read_operation(int fd, detail::receiver_ptr& from, bytes_span into) noexcept
      : io_operation(ring::request::receive(fd, into)), from_(&from), into_(into) {}
  read_operation(read_operation&& other) noexcept
      : io_operation(static_cast<io_operation&&>(other)), reader(), from_(other.from_), into_(other.into_) {}

  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> caller) {
    return start(caller, caller.promise().node());
  }
  result<std::size_t> await_resume() const noexcept {
    if (auto failed = error()) return fail(*failed);
    return static_cast<std::size_t>(result_code());
  }

 protected:
  bool start(std::coroutine_handle<> caller, cancel_node& node) {
    if (shares()) return join(caller, node);
    return begin(caller, node);
  }
  /// The stream belongs to another executor at present: the operation has ended with that.
  bool refuse(const executor& here) noexcept {
    if (!*from_ || !(*from_)->elsewhere(here)) return false;
    said_ = {.result = wrong_executor, .flags = 0};
    return true;
  }
  void set_bytes(int fd, bytes_span into) noexcept {
    into_ = into;
    request_ = ring::request::receive(fd, into);
  }

 private:
  bool join(std::coroutine_handle<> caller, cancel_node& node);
  void received() noexcept override;
  void received_later() noexcept override { finish_later({.result = -ECANCELED, .flags = 0}); }
  void on_cancel() noexcept override;

 protected:
  /// True if bytes come by the stream's receiver, so that a plain receive would take others out of their order.
  [[nodiscard]] bool shares() const noexcept { return *from_ && (*from_)->active(); }
  /// Receives, from complete().
  void receive_now() noexcept;

 private:
  detail::receiver_ptr* from_;
  bytes_span into_;
};

/// recv into a given buffer.
template <io_buffer B>
class read_given_operation : public read_operation {
 public:
  read_given_operation(int fd, detail::receiver_ptr& from, B buffer)
      : read_operation(fd, from, {}), fd_(fd), buffer_(std::move(buffer)) {}
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> caller) {
    set_bytes(fd_, writable_bytes(buffer_));
    return start(caller, caller.promise().node());
  }
  given<B> await_resume() { return {read_operation::await_resume(), std::move(buffer_)}; }

 private:
  int fd_;
  B buffer_;
};

/// send until everything is written; what is large without a copy, if the stream was told to.
class write_operation : public io_operation {
 public:
  write_operation(int fd, bytes_view bytes, std::size_t zero_copy_from) noexcept
      : io_operation(ring::request::send(fd, bytes, true)), fd_(fd), left_(bytes), zero_copy_from_(zero_copy_from) {}
  bool await_ready() const noexcept { return left_.empty(); }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> caller) {
    return start(caller, caller.promise().node());
  }
  result<> await_resume() const noexcept {
    if (auto failed = error()) return fail(*failed);
    return {};
  }

 protected:
  bool start(std::coroutine_handle<> caller, cancel_node& node) {
    if (left_.size() >= zero_copy_from_) request_ = next(node.home());
    return begin(caller, node);
  }
  void complete(ring::completion said) noexcept override;
  void on_cancel() noexcept override;
  void set_bytes(bytes_view bytes) noexcept {
    left_ = bytes;
    request_ = ring::request::send(fd_, bytes, true);
  }

 private:
  [[nodiscard]] ring::request next(executor& home) const noexcept;
  void go_on(ring::completion said) noexcept;
  void reset() noexcept;

  int fd_;
  bytes_view left_;
  std::size_t zero_copy_from_;
  std::int32_t sent_ = 0;       // what a send without a copy has said
  bool noticed_later_ = false;  // it has, and the kernel still has the memory
};

/// The same, owning what it writes.
template <io_buffer B>
class write_given_operation : public write_operation {
 public:
  write_given_operation(int fd, B&& buffer, std::size_t zero_copy_from) noexcept
      : write_operation(fd, {}, zero_copy_from), buffer_(std::move(buffer)) {}
  write_given_operation(write_given_operation&& other) noexcept
      : write_operation(static_cast<write_operation&&>(other)), buffer_(std::move(other.buffer_)) {}
  bool await_ready() const noexcept { return std::ranges::empty(buffer_); }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> caller) {
    set_bytes(readable_bytes(buffer_));
    return start(caller, caller.promise().node());
  }

 private:
  B buffer_;
};

/// A send and, once it is whole, the receive behind it: one submission and one completion where nothing goes wrong.
class exchange_operation : public read_operation {
 public:
  exchange_operation(int fd, detail::receiver_ptr& from, bytes_view request, bytes_span into) noexcept
      : read_operation(fd, from, into), fd_(fd), left_(request) {}
  exchange_operation(exchange_operation&& other) noexcept
      : read_operation(static_cast<read_operation&&>(other)), fd_(other.fd_), left_(other.left_) {}

  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> caller) {
    return start_both(caller, caller.promise().node());
  }

 private:
  /// Hears of failures only.
  class sender final : public ring::operation {
   public:
    void complete(ring::completion said) noexcept override { result = said.result; }
    std::int32_t result = 0;
  };

  bool start_both(std::coroutine_handle<> caller, cancel_node& node);
  void chain();
  void complete(ring::completion said) noexcept override;
  void sent(std::int32_t result) noexcept;

  int fd_;
  bytes_view left_;     // to send
  bool alone_ = false;  // the send has no receive behind it: a receiver brings the answer
  sender sender_;
};

/// One send, of as much as the socket takes.
class send_some_operation : public io_operation {
 public:
  send_some_operation(int fd, bytes_view bytes) noexcept : io_operation(ring::request::send(fd, bytes, false)) {}
  result<std::size_t> await_resume() const noexcept {
    if (auto failed = error()) return fail(*failed);
    return static_cast<std::size_t>(result_code());
  }
};

/// One sendmsg of several pieces.
class write_some_operation : public io_operation {
 public:
  write_some_operation(int fd, std::span<const iovec> pieces) noexcept : io_operation(ring::request::nop()), fd_(fd) {
    // sendmsg reads the pieces only; msghdr has no const form.
    message_.msg_iov = const_cast<iovec*>(pieces.data());
    message_.msg_iovlen = pieces.size();
  }
  write_some_operation(write_some_operation&& other) noexcept
      : io_operation(static_cast<io_operation&&>(other)), fd_(other.fd_), message_(other.message_) {}
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> caller) {
    request_ = ring::request::send_message(fd_, &message_, false);
    return begin(caller, caller.promise().node());
  }
  result<std::size_t> await_resume() const noexcept {
    if (auto failed = error()) return fail(*failed);
    return static_cast<std::size_t>(result_code());
  }

 private:
  int fd_;
  msghdr message_{};
};

class shutdown_operation : public io_operation {
 public:
  explicit shutdown_operation(int fd) noexcept : io_operation(ring::request::shutdown(fd, SHUT_WR)) {}
  result<> await_resume() const noexcept {
    if (auto failed = error()) return fail(*failed);
    return {};
  }
};

namespace detail {

/// A multishot accept and the connections that it has brought and nobody has taken. Stays until the kernel has let go of it,
/// also when the listener goes first.
class accept_state;

/// False if another executor has it under way.
bool attach_accept(accept_state& state, waiter& waiting, std::coroutine_handle<> caller, task_queue& queue);
void detach_accept(accept_state& state) noexcept;
[[nodiscard]] bool accept_is_ready(const accept_state& state) noexcept;
/// A descriptor with its options set, or why there is none.
[[nodiscard]] result<int> take_accepted(accept_state& state) noexcept;
[[nodiscard]] const tcp_options& accepted_options(const accept_state& state) noexcept;

}  // namespace detail

/// Takes the next connection of a listener.
class accept_operation : private waiter {
 public:
  explicit accept_operation(detail::accept_state& state) noexcept : state_(&state) {}
  accept_operation(accept_operation&& other) noexcept : waiter(), state_(other.state_) {}

  bool await_ready() const noexcept { return detail::accept_is_ready(*state_); }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> caller) {
    cancel_node& node = caller.promise().node();
    if (node.requested()) {
      ended_ = errc::canceled;
      return false;
    }
    caller_ = caller;
    queue_ = &node.queue();
    if (!detail::attach_accept(*state_, *this, caller, *queue_)) {
      ended_ = errc::wrong_executor;
      return false;
    }
    node.attach(*this);
    return true;
  }
  result<tcp_stream> await_resume() noexcept;

 private:
  result<int> take() noexcept {
    waiter::unlink();
    if (ended_) return fail(*ended_);
    return detail::take_accepted(*state_);
  }
  void on_cancel() noexcept override {
    ended_ = errc::canceled;
    detail::detach_accept(*state_);
    queue_->schedule(caller_);
  }

  detail::accept_state* state_;
  std::coroutine_handle<> caller_;
  task_queue* queue_ = nullptr;
  std::optional<errc> ended_;  // without a connection
};

}  // namespace tide::net
