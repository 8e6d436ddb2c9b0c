// The load on an echo server: one thread, many connections, each with one message under way, or several (closed loop).
//
//   bench::load load(server.port(), {.connections = 50, .bytes = 64});
//   bench::load_result done = load.run(std::chrono::milliseconds(100));   // done.messages in done.wall_ns
//
// A run starts and ends with every connection at rest, so what the server used between two runs belongs to exactly the
// messages counted. Each message carries a stamp of its connection and number in its first and last bytes, and both are
// checked on the way back.
#pragma once

#include <liburing.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <tide/base/descriptor.hpp>

namespace bench {

struct load_options {
  std::size_t connections = 1;
  std::size_t bytes = 64;  ///< of a message; at least 1
  std::size_t depth = 1;   ///< messages under way a connection, a send each; at most 64 KiB together
  bool spins = false;      ///< look for answers all the time instead of sleeping until one is there
};

struct load_result {
  std::uint64_t messages = 0;
  double wall_ns = 0;
};

/// Not thread-safe, not movable: the kernel writes into its buffers. The constructor connects; it and run() throw
/// std::system_error or std::runtime_error, the latter when an echo differs from what was sent.
class load {
 public:
  load(std::uint16_t port, const load_options& options);
  load(const load&) = delete;
  load& operator=(const load&) = delete;
  ~load();

  load_result run(std::chrono::nanoseconds length);

 private:
  struct connection;
  struct page;

  void send(std::size_t index, std::size_t slot);
  void receive(std::size_t index);
  void received(std::size_t index, const io_uring_cqe& completion);
  void echoed(std::size_t index, std::span<const std::byte> chunk);
  io_uring_sqe& submission();
  std::byte* buffer(std::size_t id) const noexcept;
  std::byte* message(std::size_t index, std::size_t slot) const noexcept;

  load_options options_;
  io_uring ring_{};
  io_uring_buf_ring* buffer_ring_ = nullptr;
  std::size_t message_pages_;
  std::unique_ptr<page[]> buffers_;
  std::unique_ptr<page[]> messages_;  // message_pages_ a message
  std::vector<connection> connections_;
  std::uint64_t echoes_ = 0;
  std::size_t under_way_ = 0;
  bool stopping_ = false;
};

}  // namespace bench
