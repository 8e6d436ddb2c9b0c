// One submission to the kernel as a value: made by a named function, handed to ring::start.
//
//   ring.start(op, tide::ring::request::receive(fd, span));
//
// Memory named by a request (spans, addresses, message headers) stays valid until the operation's last completion.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

struct msghdr;
struct sockaddr;
struct io_uring_sqe;

namespace tide::ring {

class request {
 public:
  static request nop() noexcept;
  /// recv(2) into `into`.
  static request receive(int fd, std::span<std::byte> into) noexcept;
  /// recv(2) into a buffer that the kernel picks from group `group` (a buffer_ring), at most `limit` bytes (0: the buffer).
  static request receive_picked(int fd, std::uint16_t group, std::size_t limit) noexcept;
  /// The same again and again, a buffer each time, until the end of the stream, an error, no buffer (-ENOBUFS) or a cancel
  /// (kernel 6.0).
  static request receive_multishot(int fd, std::uint16_t group) noexcept;
  /// send(2) with MSG_NOSIGNAL; `whole` asks the kernel to go on after short sends (MSG_WAITALL).
  static request send(int fd, std::span<const std::byte> bytes, bool whole) noexcept;
  /// The same without a copy (kernel 6.0): the memory is the kernel's until completion::notice, which comes when the peer
  /// has taken what was sent. With `index`: registered memory, all of `bytes` inside, which spares pinning it for each send.
  static request send_zero_copy(int fd, std::span<const std::byte> bytes, bool whole,
                                std::optional<std::uint16_t> index = std::nullopt) noexcept;
  static request send_message(int fd, const msghdr* message, bool whole) noexcept;
  /// recvmsg(2). The kernel writes lengths and flags back into `message`.
  static request receive_message(int fd, msghdr* message) noexcept;
  static request socket(int domain, int type, int protocol) noexcept;
  static request connect(int fd, const sockaddr* to, unsigned length) noexcept;
  /// accept4(2) with SOCK_CLOEXEC, again and again until it is cancelled or fails (kernel 5.19).
  static request accept_multishot(int fd) noexcept;
  static request shutdown(int fd, int how) noexcept;
  static request close(int fd) noexcept;
  /// read(2); `offset` of ~0 means the file's own position.
  static request read(int fd, std::span<std::byte> into, std::uint64_t offset) noexcept;
  static request write(int fd, std::span<const std::byte> bytes, std::uint64_t offset) noexcept;
  /// The same with memory that is registered with the ring by that number, all of it inside: else -EFAULT.
  static request read_fixed(int fd, std::span<std::byte> into, std::uint64_t offset, std::uint16_t index) noexcept;
  static request write_fixed(int fd, std::span<const std::byte> bytes, std::uint64_t offset, std::uint16_t index) noexcept;
  static request poll(int fd, unsigned events) noexcept;
  /// Waits until `*word` was woken by futex(2), or fails with -EAGAIN if it is not `expected` (kernel 6.7). Wake without
  /// FUTEX_PRIVATE_FLAG.
  static request futex_wait(const std::uint32_t* word, std::uint32_t expected) noexcept;
  /// Puts a completion that nobody waits for into another ring of this process, which wakes its thread.
  static request message(int ring) noexcept;
  /// Asks to cancel what was submitted with `token`.
  static request cancel(std::uint64_t token) noexcept;
  /// Asks to cancel everything under way on `fd`.
  static request cancel_descriptor(int fd) noexcept;
  /// Asks to cancel everything under way on the ring.
  static request cancel_everything() noexcept;

  /// The same, followed by the next request that is pushed, which begins when this one has succeeded (IOSQE_IO_LINK).
  [[nodiscard]] request linked() const noexcept;
  /// True if a positive result is a number of bytes: for reads, writes, sends and receives.
  [[nodiscard]] bool moves_bytes() const noexcept {
    return (byte_movers >> (static_cast<unsigned>(bytes_.front()) & 63U) & 1U) != 0;
  }
  /// The kernel's number of the operation (io_uring_enter(2)): equal for requests made by the same function.
  [[nodiscard]] unsigned operation() const noexcept { return static_cast<unsigned>(bytes_.front()); }
  /// The 64 bytes as the kernel takes them. For backends.
  [[nodiscard]] const io_uring_sqe& entry() const noexcept {
    // SAFETY: bytes_ has the size and alignment of io_uring_sqe, a trivial type; request.cpp asserts it.
    return *reinterpret_cast<const io_uring_sqe*>(bytes_.data());
  }
  static request from(const io_uring_sqe& entry) noexcept;

 private:
  request() noexcept = default;
  static request made_of(const io_uring_sqe& entry) noexcept;
  static constexpr std::uint64_t byte_movers = 0x380004cc00636;  // a bit for each opcode
  alignas(8) std::array<std::byte, 64> bytes_;                   // whole, by from()
};

}  // namespace tide::ring
