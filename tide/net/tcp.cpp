#include <tide/net/tcp.hpp>

#include <netinet/tcp.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <deque>

#include <tide/base/descriptor.hpp>
#include <tide/net/detail/socket.hpp>
#include <tide/runtime/close.hpp>
#include <tide/runtime/executor.hpp>
#include <tide/runtime/registered_memory.hpp>

namespace tide::net {
namespace {

void apply(int fd, const tcp_options& wanted) noexcept {
  if (wanted.no_delay) detail::try_to_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (wanted.send_buffer > 0) detail::try_to_set(fd, SOL_SOCKET, SO_SNDBUF, wanted.send_buffer);
  if (wanted.receive_buffer > 0) detail::try_to_set(fd, SOL_SOCKET, SO_RCVBUF, wanted.receive_buffer);
}

class socket_operation final : public io_operation {
 public:
  socket_operation(int family, const tcp_options& wanted) noexcept
      : io_operation(ring::request::socket(family, SOCK_STREAM, 0)), wanted_(wanted) {}
  result<tcp_stream> await_resume() const noexcept {
    if (auto failed = error()) return fail(*failed);
    return tcp_stream(result_code(), wanted_);
  }

 private:
  tcp_options wanted_;
};

class connect_operation final : public io_operation {
 public:
  connect_operation(int fd, const address& to) noexcept
      : io_operation(ring::request::connect(fd, to.raw(), to.raw_size())) {}
  result<> await_resume() const noexcept {
    if (auto failed = error()) return fail(*failed);
    return {};
  }
};

/// co_await: how much of what is under way on a descriptor has been asked to end just now. Is not cancelled itself.
class descriptor_cancel final : public ring::operation {
 public:
  explicit descriptor_cancel(int fd) noexcept : fd_(fd) {}
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> caller) {
    caller_ = caller;
    queue_ = &caller.promise().node().queue();
    queue_->home().ring().start(*this, ring::request::cancel_descriptor(fd_));
  }
  std::int32_t await_resume() const noexcept { return count_; }

 private:
  void complete(ring::completion said) noexcept override {
    count_ = said.result;
    queue_->resume(caller_);
  }
  int fd_;
  std::int32_t count_ = 0;
  std::coroutine_handle<> caller_;
  task_queue* queue_ = nullptr;
};

}  // namespace

tcp_stream::~tcp_stream() {
  receiver_.reset();  // first: the kernel lets go of the descriptor before it is closed
  close_descriptor(fd_);
}

task<result<tcp_stream>> tcp_stream::connect(address to, tcp_options wanted) {
  if (!to.valid()) co_return fail(errc::malformed);
  auto made = co_await socket_operation(to.family(), wanted);
  if (!made) co_return made;
  apply(made->native_handle(), wanted);
  if (auto connected = co_await connect_operation(made->native_handle(), to); !connected) co_return fail(connected.error());
  co_return made;
}

task<> tcp_stream::close(std::error_code why) {
  if (fd_ < 0) co_return;
  const int fd = std::exchange(fd_, -1);
  if (receiver_) receiver_->close();
  // Completions come in the kernel's order: once it finds nothing to cancel, what was pending has ended.
  while (co_await descriptor_cancel(fd) > 0) co_await yield();
  co_await yield();  // who waited for a buffer, and not for the kernel, goes first too
  // The plain call: through the ring it would run on a thread of the kernel, which may find the number to be a stranger's.
  if (why) {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  } else {
    ::shutdown(fd, SHUT_RDWR);
  }
  close_descriptor(fd);
}

result<address> tcp_stream::local_address() const noexcept { return detail::name_of<&::getsockname>(fd_); }
result<address> tcp_stream::peer_address() const noexcept { return detail::name_of<&::getpeername>(fd_); }

// ---- receive and write ------------------------------------------------------------------------------------------------

bool receive_operation::begin(std::coroutine_handle<> caller, cancel_node& node) {
  if (node.requested()) {
    taken_ = fail(errc::canceled);
    return false;
  }
  queue_ = &node.queue();
  if (!*from_) from_->reset(new detail::receiver(fd_));  // once a stream
  if ((*from_)->elsewhere(node.home())) {
    taken_ = fail(errc::wrong_executor);
    return false;
  }
  if ((*from_)->ready()) {
    take();
    return false;
  }
  caller_ = caller;
  if (auto waiting = (*from_)->wait(*this, node.home()); !waiting) {
    taken_ = fail(waiting.error());
    return false;
  }
  node.attach(*this);
  return true;
}

result<chunk> receive_operation::await_resume() noexcept { return std::move(taken_); }

/// At once and not when the coroutine goes on: the stream may be closed and gone before its queue has its turn.
void receive_operation::take() noexcept {
  unlink();
  taken_ = (*from_)->take();
  queue_->count_operation(taken_ ? taken_->size() : 0);
}

void receive_operation::received() noexcept {
  take();
  queue_->resume(caller_);
}

void receive_operation::received_later() noexcept {
  take();
  queue_->schedule(caller_);
}

void receive_operation::on_cancel() noexcept {
  (*from_)->leave();
  taken_ = fail(errc::canceled);
  queue_->schedule(caller_);
}

bool read_operation::join(std::coroutine_handle<> caller, cancel_node& node) {
  if (refuse(node.home())) return false;
  detail::receiver& from = **from_;
  if (node.requested() || (!from.ready() && !from.pause(*this))) return begin(caller, node);
  if (from.ready()) {
    said_ = {.result = from.take_into(into_), .flags = 0};
    return false;
  }
  attach(caller, node);
  return true;
}

void read_operation::received() noexcept {
  detail::receiver& from = **from_;
  if (from.ready()) return finish({.result = from.take_into(into_), .flags = 0});
  home().ring().start(*this, request_);
}

void read_operation::on_cancel() noexcept {
  if (in_flight()) return io_operation::on_cancel();
  (*from_)->leave();
  finish_later({.result = -ECANCELED, .flags = 0});
}

void read_operation::receive_now() noexcept {
  if (shares()) {
    detail::receiver& from = **from_;
    if (from.ready()) return finish({.result = from.take_into(into_), .flags = 0});
    if (!cancel_requested() && from.pause(*this)) return;
  }
  if (!restart(request_)) finish({.result = -ECANCELED, .flags = 0});
}

bool exchange_operation::start_both(std::coroutine_handle<> caller, cancel_node& node) {
  if (left_.empty()) return start(caller, node);
  if (node.requested()) return begin(caller, node);
  if (refuse(node.home())) return false;
  attach(caller, node);
  alone_ = shares();
  chain();
  return true;
}

void exchange_operation::chain() {
  ring::ring& on = home().ring();
  if (alone_) return on.start(*this, ring::request::send(fd_, left_, true));
  const ring::ring::link links[] = {{&sender_, ring::request::send(fd_, left_, true)}, {this, request_}};
  sender_.result = 0;
  if (!on.start_chain(links)) {  // a ring of one entry
    alone_ = true;
    on.start(*this, ring::request::send(fd_, left_, true));
  }
}

void exchange_operation::complete(ring::completion said) noexcept {
  if (left_.empty()) return read_operation::complete(said);
  if (alone_) return sent(said.result);
  if (said.result == -ECANCELED && sender_.result != 0) return sent(sender_.result);
  if (said.result == -ECANCELED) return finish(said);
  queue().count_bytes(left_.size());  // a receive that ends says that all was sent
  left_ = {};
  read_operation::complete(said);
}

/// The send has ended without a receive behind it.
void exchange_operation::sent(std::int32_t result) noexcept {
  if (result > 0) {
    queue().count_bytes(static_cast<std::size_t>(result));
    left_ = left_.subspan(static_cast<std::size_t>(result));
  }
  if (left_.empty()) return receive_now();
  if (result < 0 && result != -EINTR) return finish({.result = result, .flags = 0});
  if (cancel_requested()) return finish({.result = -ECANCELED, .flags = 0});
  chain();
}

ring::request write_operation::next(executor& home) const noexcept {
  if (left_.size() < zero_copy_from_) return ring::request::send(fd_, left_, true);
  registered_memory* const memory = home.registered();
  return ring::request::send_zero_copy(fd_, left_, true, memory == nullptr ? std::nullopt : memory->index_of(left_));
}

/// A send without a copy has a result, and ends with a notice.
void write_operation::complete(ring::completion said) noexcept {
  if (said.more()) {
    sent_ = said.result;
    noticed_later_ = true;
    if (cancel_requested()) reset();
    return;
  }
  if (std::exchange(noticed_later_, false)) said = {.result = sent_, .flags = 0};
  go_on(said);
}

void write_operation::on_cancel() noexcept {
  if (noticed_later_) return reset();
  io_operation::on_cancel();
}

/// What has been sent and not taken goes, and the notice comes.
void write_operation::reset() noexcept {
  const sockaddr nobody{.sa_family = AF_UNSPEC, .sa_data = {}};
  ::connect(fd_, &nobody, sizeof nobody);
  sent_ = -ECANCELED;
}

void write_operation::go_on(ring::completion said) noexcept {
  const bool cannot = said.result == -EOPNOTSUPP || said.result == -ENOBUFS || said.result == -ENOMEM;
  if (cannot && left_.size() >= zero_copy_from_) {  // not this socket, or no more memory may be pinned
    zero_copy_from_ = ~std::size_t{0};
    said.result = -EINTR;
  }
  if (said.result > 0 || said.result == -EINTR) {
    left_ = left_.subspan(static_cast<std::size_t>(std::max(said.result, 0)));
    if (!left_.empty()) {
      queue().count_bytes(static_cast<std::size_t>(std::max(said.result, 0)));
      if (restart(next(home()))) return;
      said.result = -ECANCELED;
    }
  }
  finish(said);
}

// ---- accept -----------------------------------------------------------------------------------------------------------

namespace detail {

class accept_state final : public ring::operation {
 public:
  accept_state(descriptor&& listening, const tcp_options& wanted) noexcept
      : listening_(std::move(listening)), wanted_(wanted) {}
  ~accept_state() {
    for (const int fd : accepted_) close_descriptor(fd);
  }

  bool attach(waiter& waiting, std::coroutine_handle<> caller, task_queue& queue) {
    const bool elsewhere = in_flight() && home_ != &queue.home();
    assert(!elsewhere && "a listener is used on another executor than the one that accepts for it");
    if (elsewhere) return false;
    waiting_ = &waiting;
    caller_ = caller;
    queue_ = &queue;
    home_ = &queue.home();
    if (!in_flight()) home_->ring().start(*this, ring::request::accept_multishot(listening_.get()));
    return true;
  }
  void detach() noexcept { waiting_ = nullptr; }
  [[nodiscard]] bool ready() const noexcept { return !accepted_.empty() || failed_ != 0; }

  result<int> take() noexcept {
    if (accepted_.empty()) return fail_errno(std::exchange(failed_, 0));
    const int fd = accepted_.front();
    accepted_.pop_front();
    apply(fd, wanted_);
    return fd;
  }

  /// The listener ends. Frees this, now or with the last completion.
  void abandon() noexcept {
    if (!in_flight()) {
      delete this;
      return;
    }
    abandoned_ = true;
    home_->ring().cancel(*this);
  }
  [[nodiscard]] int listening() const noexcept { return listening_.get(); }
  [[nodiscard]] const tcp_options& wanted() const noexcept { return wanted_; }

 private:
  /// So many connections wait in this process at most; the rest waits in the kernel's backlog.
  static constexpr std::size_t most_waiting = 256;

  void complete(ring::completion said) noexcept override {
    if (said.result >= 0) {
      accepted_.push_back(said.result);
      if (said.more() && accepted_.size() >= most_waiting) home_->ring().cancel(*this);
    } else if (said.result != -ECANCELED && said.result != -EINTR && said.result != -ECONNABORTED) {
      failed_ = -said.result;
    }
    if (said.more()) return wake();
    if (abandoned_) {
      delete this;
      return;
    }
    if (waiting_ != nullptr && !ready()) {  // ended by its own limit, and somebody waits again
      return home_->ring().start(*this, ring::request::accept_multishot(listening_.get()));
    }
    wake();
  }

  void wake() noexcept {
    if (waiting_ == nullptr || !ready()) return;
    std::exchange(waiting_, nullptr)->unlink();  // it has what it waited for, also if it must wait for its turn
    queue_->resume(caller_);
  }

  descriptor listening_;
  tcp_options wanted_;
  std::deque<int> accepted_;
  int failed_ = 0;
  bool abandoned_ = false;
  waiter* waiting_ = nullptr;
  std::coroutine_handle<> caller_;  // and its queue, while somebody waits
  task_queue* queue_ = nullptr;
  executor* home_ = nullptr;
};

bool attach_accept(accept_state& state, waiter& waiting, std::coroutine_handle<> caller, task_queue& queue) {
  return state.attach(waiting, caller, queue);
}
void detach_accept(accept_state& state) noexcept { state.detach(); }
bool accept_is_ready(const accept_state& state) noexcept { return state.ready(); }
result<int> take_accepted(accept_state& state) noexcept { return state.take(); }
const tcp_options& accepted_options(const accept_state& state) noexcept { return state.wanted(); }

}  // namespace detail

tcp_listener::tcp_listener(std::unique_ptr<detail::accept_state> state) noexcept : state_(std::move(state)) {}
tcp_listener::tcp_listener(tcp_listener&&) noexcept = default;
tcp_listener& tcp_listener::operator=(tcp_listener&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}
tcp_listener::~tcp_listener() {
  if (state_) state_.release()->abandon();
}

result<tcp_listener> tcp_listener::bind(const address& at, const listen_options& wanted) {
  if (!at.valid()) return fail(errc::malformed);
  descriptor fd(::socket(at.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno(errno);
  if (wanted.reuse_address) detail::try_to_set(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (wanted.reuse_port) detail::try_to_set(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  if (::bind(fd.get(), at.raw(), at.raw_size()) < 0 || ::listen(fd.get(), wanted.backlog) < 0) return fail_errno(errno);
  return tcp_listener(std::make_unique<detail::accept_state>(std::move(fd), wanted.accepted));
}

result<address> tcp_listener::local_address() const noexcept { return detail::name_of<&::getsockname>(state_->listening()); }

}  // namespace tide::net
