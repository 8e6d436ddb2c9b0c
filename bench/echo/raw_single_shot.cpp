// The echo loop as an expert writes it with liburing, first form: one recv, one send, one recv, … per connection, each with
// its own buffer, on descriptors that live in the ring's table and never in the process's. No abstraction: this is what the
// runtime is measured against.
//
// With TIDE_BENCH_FUSED, third form: a send is linked to the recv behind it, and only that recv (or a send that failed) is
// heard of, so that a message takes one submission, one completion and one wake.
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

#include "echo/server_support.hpp"

namespace {

#ifdef TIDE_BENCH_FUSED
constexpr bool fused = true;
#else
constexpr bool fused = false;
#endif

constexpr unsigned submission_entries = 1024;
constexpr unsigned completion_entries = 4096;
constexpr unsigned connection_max = 4096;
constexpr std::size_t buffer_bytes = 4096;

// Aligned for the kernel's copies: into memory that is not they make a 4 KiB message some 10 % dearer.
struct alignas(4096) buffer {
  std::array<std::byte, buffer_bytes> bytes;
};

enum operation : std::uint64_t { accepting, receiving, sending, closing };

std::atomic<std::uint64_t> enters = 0;

std::uint64_t tag(operation kind, unsigned slot) { return static_cast<std::uint64_t>(slot) << 8 | kind; }

void count_enter() { enters.store(enters.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed); }

io_uring_sqe* submission(io_uring& ring) {
  io_uring_sqe* entry = io_uring_get_sqe(&ring);
  while (entry == nullptr) {
    count_enter();
    io_uring_submit(&ring);
    entry = io_uring_get_sqe(&ring);
  }
  return entry;
}

void accept(io_uring& ring, int listener) {
  io_uring_sqe* entry = submission(ring);
  io_uring_prep_multishot_accept_direct(entry, listener, nullptr, nullptr, 0);
  io_uring_sqe_set_data64(entry, tag(accepting, 0));
}

void receive(io_uring& ring, unsigned slot, std::byte* into) {
  io_uring_sqe* entry = submission(ring);
  io_uring_prep_recv(entry, static_cast<int>(slot), into, buffer_bytes, 0);
  io_uring_sqe_set_flags(entry, IOSQE_FIXED_FILE);
  io_uring_sqe_set_data64(entry, tag(receiving, slot));
}

void send(io_uring& ring, unsigned slot, std::byte* buffer, std::size_t length) {
  while (fused && io_uring_sq_space_left(&ring) < 2) {  // a chain may not be split
    count_enter();
    io_uring_submit(&ring);
  }
  io_uring_sqe* entry = submission(ring);
  io_uring_prep_send(entry, static_cast<int>(slot), buffer, length, MSG_WAITALL | MSG_NOSIGNAL);
  io_uring_sqe_set_flags(entry, IOSQE_FIXED_FILE | (fused ? IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS : 0U));
  io_uring_sqe_set_data64(entry, tag(sending, slot));
  if (fused) receive(ring, slot, buffer);
}

void close(io_uring& ring, unsigned slot) {
  io_uring_sqe* entry = submission(ring);
  io_uring_prep_close_direct(entry, slot);
  io_uring_sqe_set_data64(entry, tag(closing, slot));
}

}  // namespace

int main(int argc, char** argv) {
  bench::answer_signals([] { return enters.load(std::memory_order_relaxed); });
  const tide::descriptor listener = bench::listen_on(bench::port_of(argc, argv));

  io_uring ring{};
  io_uring_params parameters{};
  parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE;
  parameters.cq_entries = completion_entries;
  if (const int outcome = io_uring_queue_init_params(submission_entries, &ring, &parameters); outcome < 0) {
    std::println(stderr, "io_uring_setup: {}", std::strerror(-outcome));
    return 1;
  }
  io_uring_register_ring_fd(&ring);
  io_uring_register_files_sparse(&ring, connection_max);

  const auto buffers = std::make_unique_for_overwrite<buffer[]>(connection_max);
  accept(ring, listener.get());
  bench::announce(listener.get());

  while (true) {
    count_enter();
    const int outcome = io_uring_submit_and_wait(&ring, 1);
    if (outcome < 0 && outcome != -EINTR) return 1;
    unsigned head = 0;
    unsigned seen = 0;
    io_uring_cqe* completion = nullptr;
    io_uring_for_each_cqe(&ring, head, completion) {
      ++seen;
      const auto slot = static_cast<unsigned>(completion->user_data >> 8);
      const int result = completion->res;
      switch (static_cast<operation>(completion->user_data & 0xff)) {
        case accepting:
          if (result >= 0) receive(ring, static_cast<unsigned>(result), buffers[static_cast<unsigned>(result)].bytes.data());
          if ((completion->flags & IORING_CQE_F_MORE) == 0) accept(ring, listener.get());
          break;
        case receiving:
          if (result > 0) {
            send(ring, slot, buffers[slot].bytes.data(), static_cast<std::size_t>(result));
          } else {
            close(ring, slot);
          }
          break;
        case sending:
          if (result > 0 && !fused) {
            receive(ring, slot, buffers[slot].bytes.data());
          } else {
            close(ring, slot);
          }
          break;
        case closing: break;
      }
    }
    io_uring_cq_advance(&ring, seen);
  }
}
