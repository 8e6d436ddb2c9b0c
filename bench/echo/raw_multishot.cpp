// The echo loop as an expert writes it with liburing, second form: one multishot recv per connection, the kernel picks a
// buffer from a ring of them, the answer is sent from that buffer and the buffer goes back when the send is done. Two
// chunks of one connection are never sent at once, for a send that waits could be overtaken.
#include <liburing.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <print>
#include <vector>

#include "echo/server_support.hpp"

namespace {

constexpr unsigned submission_entries = 1024;
constexpr unsigned completion_entries = 4096;
constexpr unsigned connection_max = 4096;
constexpr unsigned buffer_count = 1024;
constexpr std::size_t buffer_bytes = 4096;
constexpr int buffer_group = 0;
constexpr int none = -1;

// Aligned for the kernel's copies: into memory that is not they make a 4 KiB message some 10 % dearer.
struct alignas(4096) buffer_memory {
  std::array<std::byte, buffer_bytes> bytes;
};

enum operation : std::uint64_t { accepting, receiving, sending, closing };

std::atomic<std::uint64_t> enters = 0;

void count_enter() { enters.store(enters.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed); }

// A filled buffer that waits for its turn, or is being sent; `next` waits behind it on the same connection.
struct chunk {
  unsigned length = 0;
  int next = none;
};

struct connection {
  int first = none;  // being sent
  int last = none;
  bool ended = false;
};

std::uint64_t tag(operation kind, unsigned slot, unsigned buffer = 0) {
  return static_cast<std::uint64_t>(buffer) << 32 | static_cast<std::uint64_t>(slot) << 8 | kind;
}

class server {
 public:
  explicit server(int listener) : listener_(listener) {}
  int run();

 private:
  io_uring_sqe* submission();
  void accept();
  void receive(unsigned slot);
  void send(unsigned slot, unsigned buffer);
  void close(unsigned slot);
  void give_back(unsigned buffer);
  void accepted(const io_uring_cqe& completion);
  void received(unsigned slot, const io_uring_cqe& completion);
  void sent(unsigned slot, unsigned buffer, int result);

  int listener_;
  io_uring ring_{};
  io_uring_buf_ring* buffer_ring_ = nullptr;
  std::unique_ptr<buffer_memory[]> buffers_ = std::make_unique_for_overwrite<buffer_memory[]>(buffer_count);
  std::array<chunk, buffer_count> chunks_{};
  std::vector<connection> connections_ = std::vector<connection>(connection_max);
};

io_uring_sqe* server::submission() {
  io_uring_sqe* entry = io_uring_get_sqe(&ring_);
  while (entry == nullptr) {
    count_enter();
    io_uring_submit(&ring_);
    entry = io_uring_get_sqe(&ring_);
  }
  return entry;
}

void server::accept() {
  io_uring_sqe* entry = submission();
  io_uring_prep_multishot_accept_direct(entry, listener_, nullptr, nullptr, 0);
  io_uring_sqe_set_data64(entry, tag(accepting, 0));
}

void server::receive(unsigned slot) {
  io_uring_sqe* entry = submission();
  io_uring_prep_recv_multishot(entry, static_cast<int>(slot), nullptr, 0, 0);
  entry->ioprio |= IORING_RECVSEND_POLL_FIRST;
  entry->buf_group = buffer_group;
  io_uring_sqe_set_flags(entry, IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT);
  io_uring_sqe_set_data64(entry, tag(receiving, slot));
}

void server::send(unsigned slot, unsigned buffer) {
  io_uring_sqe* entry = submission();
  io_uring_prep_send(entry, static_cast<int>(slot), buffers_[buffer].bytes.data(), chunks_[buffer].length,
                     MSG_WAITALL | MSG_NOSIGNAL);
  io_uring_sqe_set_flags(entry, IOSQE_FIXED_FILE);
  io_uring_sqe_set_data64(entry, tag(sending, slot, buffer));
}

void server::close(unsigned slot) {
  io_uring_sqe* entry = submission();
  io_uring_prep_close_direct(entry, slot);
  io_uring_sqe_set_data64(entry, tag(closing, slot));
}

void server::give_back(unsigned buffer) {
  io_uring_buf_ring_add(buffer_ring_, buffers_[buffer].bytes.data(), buffer_bytes, static_cast<unsigned short>(buffer),
                        io_uring_buf_ring_mask(buffer_count), 0);
  io_uring_buf_ring_advance(buffer_ring_, 1);
}

void server::accepted(const io_uring_cqe& completion) {
  if (completion.res >= 0) {
    connections_[static_cast<unsigned>(completion.res)] = {};
    receive(static_cast<unsigned>(completion.res));
  }
  if ((completion.flags & IORING_CQE_F_MORE) == 0) accept();
}

void server::received(unsigned slot, const io_uring_cqe& completion) {
  connection& peer = connections_[slot];
  if (completion.res > 0) {
    const unsigned buffer = completion.flags >> IORING_CQE_BUFFER_SHIFT;
    chunks_[buffer] = {static_cast<unsigned>(completion.res), none};
    if (peer.first == none) {
      peer.first = static_cast<int>(buffer);
      send(slot, buffer);
    } else {
      chunks_[static_cast<unsigned>(peer.last)].next = static_cast<int>(buffer);
    }
    peer.last = static_cast<int>(buffer);
  }
  if ((completion.flags & IORING_CQE_F_MORE) != 0) return;
  if (completion.res > 0 || completion.res == -ENOBUFS) {
    receive(slot);
  } else {
    peer.ended = true;
    if (peer.first == none) close(slot);
  }
}

void server::sent(unsigned slot, unsigned buffer, int result) {
  connection& peer = connections_[slot];
  peer.first = chunks_[buffer].next;
  give_back(buffer);
  if (peer.first != none && result > 0) {
    send(slot, static_cast<unsigned>(peer.first));
    return;
  }
  while (peer.first != none) {
    const auto unsent = static_cast<unsigned>(peer.first);
    peer.first = chunks_[unsent].next;
    give_back(unsent);
  }
  if (peer.ended) close(slot);
}

int server::run() {
  io_uring_params parameters{};
  parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE;
  parameters.cq_entries = completion_entries;
  if (const int outcome = io_uring_queue_init_params(submission_entries, &ring_, &parameters); outcome < 0) {
    std::println(stderr, "io_uring_setup: {}", std::strerror(-outcome));
    return 1;
  }
  io_uring_register_ring_fd(&ring_);
  io_uring_register_files_sparse(&ring_, connection_max);
  int error = 0;
  buffer_ring_ = io_uring_setup_buf_ring(&ring_, buffer_count, buffer_group, 0, &error);
  if (buffer_ring_ == nullptr) {
    std::println(stderr, "buffer ring: {}", std::strerror(-error));
    return 1;
  }
  for (unsigned buffer = 0; buffer < buffer_count; ++buffer) give_back(buffer);
  accept();
  bench::announce(listener_);

  while (true) {
    count_enter();
    const int outcome = io_uring_submit_and_wait(&ring_, 1);
    if (outcome < 0 && outcome != -EINTR) return 1;
    unsigned head = 0;
    unsigned seen = 0;
    io_uring_cqe* completion = nullptr;
    io_uring_for_each_cqe(&ring_, head, completion) {
      ++seen;
      const auto slot = static_cast<unsigned>(completion->user_data >> 8 & 0xff'ffff);
      switch (static_cast<operation>(completion->user_data & 0xff)) {
        case accepting: accepted(*completion); break;
        case receiving: received(slot, *completion); break;
        case sending: sent(slot, static_cast<unsigned>(completion->user_data >> 32), completion->res); break;
        case closing: break;
      }
    }
    io_uring_cq_advance(&ring_, seen);
  }
}

}  // namespace

int main(int argc, char** argv) {
  bench::answer_signals([] { return enters.load(std::memory_order_relaxed); });
  const tide::descriptor listener = bench::listen_on(bench::port_of(argc, argv));
  return server(listener.get()).run();
}
