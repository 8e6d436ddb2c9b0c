#include "echo/load.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace bench {
namespace {

constexpr std::size_t buffer_bytes = 4096;
constexpr unsigned buffer_count = 1024;  // more than the connections that can answer between two looks at the ring
constexpr unsigned submission_entries = 1024;
constexpr unsigned completion_entries = 8192;
constexpr int buffer_group = 0;

// What a completion is about: the connection's index, with this bit set for a send.
constexpr std::uint64_t send_bit = std::uint64_t{1} << 32;

void check(int outcome, const char* what) {
  if (outcome < 0) throw std::system_error(-outcome, std::system_category(), what);
}

tide::descriptor connect_to(std::uint16_t port) {
  tide::descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) throw std::system_error(errno, std::system_category(), "socket");
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const void* where = &address;
  if (::connect(socket.get(), static_cast<const sockaddr*>(where), sizeof address) != 0) {
    throw std::system_error(errno, std::system_category(), "connect");
  }
  return socket;
}

std::size_t rounded_up(std::size_t bytes, std::size_t to) { return (bytes + to - 1) / to * to; }

}  // namespace

// Aligned for the kernel's copies.
struct alignas(buffer_bytes) load::page {
  std::array<std::byte, buffer_bytes> bytes;
};

struct load::connection {
  tide::descriptor socket;
  std::uint64_t number = 0;  // of the last message
  std::size_t oldest = 0;    // slot of the message whose echo comes next
  std::size_t arrived = 0;   // bytes of that
};

load::load(std::uint16_t port, const load_options& options)
    : options_(options),
      message_pages_(rounded_up(options.bytes, buffer_bytes) / buffer_bytes),
      buffers_(std::make_unique<page[]>(buffer_count)),
      messages_(std::make_unique<page[]>(options.connections * options.depth * message_pages_)),
      connections_(options.connections) {
  io_uring_params parameters{};
  parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE;
  parameters.cq_entries = completion_entries;
  check(io_uring_queue_init_params(submission_entries, &ring_, &parameters), "io_uring_setup");
  io_uring_register_ring_fd(&ring_);

  int error = 0;
  buffer_ring_ = io_uring_setup_buf_ring(&ring_, buffer_count, buffer_group, 0, &error);
  check(error, "buffer ring");
  for (unsigned id = 0; id < buffer_count; ++id) {
    io_uring_buf_ring_add(buffer_ring_, buffer(id), buffer_bytes, static_cast<unsigned short>(id),
                          io_uring_buf_ring_mask(buffer_count), static_cast<int>(id));
  }
  io_uring_buf_ring_advance(buffer_ring_, static_cast<int>(buffer_count));

  std::vector<int> sockets;
  for (std::size_t index = 0; index < connections_.size(); ++index) {
    connections_[index].socket = connect_to(port);
    sockets.push_back(connections_[index].socket.get());
  }
  check(io_uring_register_files(&ring_, sockets.data(), static_cast<unsigned>(sockets.size())), "register files");
  for (std::size_t index = 0; index < connections_.size(); ++index) receive(index);
}

load::~load() {
  io_uring_free_buf_ring(&ring_, buffer_ring_, buffer_count, buffer_group);
  io_uring_queue_exit(&ring_);
}

load_result load::run(std::chrono::nanoseconds length) {
  const auto start = std::chrono::steady_clock::now();
  const std::uint64_t echoes_before = echoes_;
  stopping_ = false;
  for (std::size_t index = 0; index < connections_.size(); ++index) {
    connections_[index].oldest = 0;
    for (std::size_t slot = 0; slot < options_.depth; ++slot) send(index, slot);
  }
  while (under_way_ > 0) {
    const int outcome = options_.spins ? io_uring_submit_and_get_events(&ring_) : io_uring_submit_and_wait(&ring_, 1);
    if (outcome != -EINTR) check(outcome, "io_uring_enter");
    unsigned head = 0;
    unsigned seen = 0;
    io_uring_cqe* completion = nullptr;
    io_uring_for_each_cqe(&ring_, head, completion) {
      ++seen;
      if ((completion->user_data & send_bit) != 0) {
        check(completion->res, "send");  // successes leave no completion
      } else {
        received(completion->user_data, *completion);
      }
    }
    io_uring_cq_advance(&ring_, seen);
    stopping_ = std::chrono::steady_clock::now() - start >= length;
  }
  const std::chrono::nanoseconds wall = std::chrono::steady_clock::now() - start;
  return {echoes_ - echoes_before, static_cast<double>(wall.count())};
}

void load::send(std::size_t index, std::size_t slot) {
  connection& peer = connections_[index];
  std::byte* const bytes = message(index, slot);
  ++peer.number;
  ++under_way_;
  const std::uint64_t stamp = (static_cast<std::uint64_t>(index) << 48) ^ (peer.number * 0x9e37'79b9'7f4a'7c15);
  const std::size_t stamp_bytes = std::min(sizeof stamp, options_.bytes);
  std::memcpy(bytes, &stamp, stamp_bytes);
  std::memcpy(bytes + options_.bytes - stamp_bytes, &stamp, stamp_bytes);

  io_uring_sqe& entry = submission();
  io_uring_prep_send(&entry, static_cast<int>(index), bytes, options_.bytes, MSG_WAITALL | MSG_NOSIGNAL);
  io_uring_sqe_set_flags(&entry, IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS);
  io_uring_sqe_set_data64(&entry, index | send_bit);
}

void load::receive(std::size_t index) {
  io_uring_sqe& entry = submission();
  io_uring_prep_recv_multishot(&entry, static_cast<int>(index), nullptr, 0, 0);
  entry.ioprio |= IORING_RECVSEND_POLL_FIRST;
  entry.buf_group = buffer_group;
  io_uring_sqe_set_flags(&entry, IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT);
  io_uring_sqe_set_data64(&entry, index);
}

void load::received(std::size_t index, const io_uring_cqe& completion) {
  if (completion.res == 0) throw std::runtime_error("the server closed a connection");
  if (completion.res != -ENOBUFS) {
    check(completion.res, "recv");
    const unsigned id = completion.flags >> IORING_CQE_BUFFER_SHIFT;
    echoed(index, std::span(buffer(id), static_cast<std::size_t>(completion.res)));
    io_uring_buf_ring_add(buffer_ring_, buffer(id), buffer_bytes, static_cast<unsigned short>(id),
                          io_uring_buf_ring_mask(buffer_count), 0);
    io_uring_buf_ring_advance(buffer_ring_, 1);
  }
  if ((completion.flags & IORING_CQE_F_MORE) == 0) receive(index);
}

void load::echoed(std::size_t index, std::span<const std::byte> chunk) {
  connection& peer = connections_[index];
  while (!chunk.empty()) {
    const std::byte* const sent = message(index, peer.oldest);
    const std::size_t begin = peer.arrived;
    const std::size_t end = std::min(begin + chunk.size(), options_.bytes);
    const auto differs = [&](std::size_t from, std::size_t to) {
      from = std::max(from, begin);
      to = std::min(to, end);
      return from < to && std::memcmp(chunk.data() + (from - begin), sent + from, to - from) != 0;
    };
    const std::size_t stamp_bytes = std::min(sizeof(std::uint64_t), options_.bytes);
    if (under_way_ == 0 || differs(0, stamp_bytes) || differs(options_.bytes - stamp_bytes, options_.bytes)) {
      throw std::runtime_error("connection " + std::to_string(index) + " got back other bytes than it sent");
    }
    chunk = chunk.subspan(end - begin);
    peer.arrived = end;
    if (end < options_.bytes) return;
    peer.arrived = 0;
    ++echoes_;
    --under_way_;
    const std::size_t slot = std::exchange(peer.oldest, (peer.oldest + 1) % options_.depth);
    if (!stopping_) send(index, slot);
  }
}

io_uring_sqe& load::submission() {
  io_uring_sqe* entry = io_uring_get_sqe(&ring_);
  while (entry == nullptr) {
    check(io_uring_submit(&ring_), "io_uring_enter");
    entry = io_uring_get_sqe(&ring_);
  }
  return *entry;
}

std::byte* load::buffer(std::size_t id) const noexcept { return buffers_[id].bytes.data(); }

std::byte* load::message(std::size_t index, std::size_t slot) const noexcept {
  return messages_[(index * options_.depth + slot) * message_pages_].bytes.data();
}

}  // namespace bench
