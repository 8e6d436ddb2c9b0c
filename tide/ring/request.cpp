#include <tide/ring/request.hpp>

#include <liburing.h>
#include <sys/socket.h>

#include <type_traits>

#ifndef FUTEX2_SIZE_U32
#define FUTEX2_SIZE_U32 0x02
#endif

namespace tide::ring {

static_assert(sizeof(io_uring_sqe) == 64 && alignof(io_uring_sqe) <= 8 && std::is_trivially_copyable_v<io_uring_sqe>);

// SAFETY: bytes_ has the size and alignment of io_uring_sqe, a trivial type; request keeps it so by the assertion above.
io_uring_sqe& request::entry() noexcept { return *reinterpret_cast<io_uring_sqe*>(bytes_.data()); }
const io_uring_sqe& request::entry() const noexcept { return *reinterpret_cast<const io_uring_sqe*>(bytes_.data()); }

namespace {
constexpr std::uint64_t any_bit = ~0ULL;  // FUTEX_BITSET_MATCH_ANY, widened
}

request request::from(const io_uring_sqe& entry) noexcept {
  request made;
  made.entry() = entry;
  return made;
}

request request::linked() const noexcept {
  request made = *this;
  made.entry().flags |= IOSQE_IO_LINK;
  return made;
}

request request::nop() noexcept {
  static_assert(offsetof(io_uring_sqe, opcode) == 0);
  static_assert([] {
    std::uint64_t bits = 0;
    for (const int each : {IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_READ_FIXED, IORING_OP_WRITE_FIXED, IORING_OP_SENDMSG,
                           IORING_OP_RECVMSG, IORING_OP_READ, IORING_OP_WRITE, IORING_OP_SEND, IORING_OP_RECV,
                           IORING_OP_SPLICE, IORING_OP_SEND_ZC, IORING_OP_SENDMSG_ZC, IORING_OP_READ_MULTISHOT})
      bits |= 1ULL << static_cast<unsigned>(each);
    return bits == byte_movers;
  }());
  request made;
  io_uring_prep_nop(&made.entry());
  return made;
}

request request::receive(int fd, std::span<std::byte> into) noexcept {
  request made;
  io_uring_prep_recv(&made.entry(), fd, into.data(), into.size(), 0);
  return made;
}

request request::receive_picked(int fd, std::uint16_t group, std::size_t limit) noexcept {
  request made;
  io_uring_prep_recv(&made.entry(), fd, nullptr, limit, 0);
  made.entry().flags |= IOSQE_BUFFER_SELECT;
  made.entry().buf_group = group;
  return made;
}

request request::receive_multishot(int fd, std::uint16_t group) noexcept {
  request made;
  io_uring_prep_recv_multishot(&made.entry(), fd, nullptr, 0, 0);
  made.entry().flags |= IOSQE_BUFFER_SELECT;
  made.entry().buf_group = group;
  return made;
}

request request::send(int fd, std::span<const std::byte> bytes, bool whole) noexcept {
  request made;
  io_uring_prep_send(&made.entry(), fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | (whole ? MSG_WAITALL : 0));
  return made;
}

request request::send_message(int fd, const msghdr* message, bool whole) noexcept {
  request made;
  io_uring_prep_sendmsg(&made.entry(), fd, message, MSG_NOSIGNAL | (whole ? MSG_WAITALL : 0));
  return made;
}

request request::socket(int domain, int type, int protocol) noexcept {
  request made;
  io_uring_prep_socket(&made.entry(), domain, type | SOCK_CLOEXEC, protocol, 0);
  return made;
}

request request::connect(int fd, const sockaddr* to, unsigned length) noexcept {
  request made;
  io_uring_prep_connect(&made.entry(), fd, to, length);
  return made;
}

request request::accept_multishot(int fd) noexcept {
  request made;
  io_uring_prep_multishot_accept(&made.entry(), fd, nullptr, nullptr, SOCK_CLOEXEC);
  return made;
}

request request::shutdown(int fd, int how) noexcept {
  request made;
  io_uring_prep_shutdown(&made.entry(), fd, how);
  return made;
}

request request::close(int fd) noexcept {
  request made;
  io_uring_prep_close(&made.entry(), fd);
  return made;
}

request request::read(int fd, std::span<std::byte> into, std::uint64_t offset) noexcept {
  request made;
  io_uring_prep_read(&made.entry(), fd, into.data(), static_cast<unsigned>(into.size()), offset);
  return made;
}

request request::write(int fd, std::span<const std::byte> bytes, std::uint64_t offset) noexcept {
  request made;
  io_uring_prep_write(&made.entry(), fd, bytes.data(), static_cast<unsigned>(bytes.size()), offset);
  return made;
}

request request::read_fixed(int fd, std::span<std::byte> into, std::uint64_t offset, std::uint16_t index) noexcept {
  request made;
  io_uring_prep_read_fixed(&made.entry(), fd, into.data(), static_cast<unsigned>(into.size()), offset, index);
  return made;
}

request request::write_fixed(int fd, std::span<const std::byte> bytes, std::uint64_t offset, std::uint16_t index) noexcept {
  request made;
  io_uring_prep_write_fixed(&made.entry(), fd, bytes.data(), static_cast<unsigned>(bytes.size()), offset, index);
  return made;
}

request request::poll(int fd, unsigned events) noexcept {
  request made;
  io_uring_prep_poll_add(&made.entry(), fd, events);
  return made;
}

// Not FUTEX2_PRIVATE: since Linux 6.16 a process gets a hash table of its own for private futexes when it starts its first
// thread, and a wait that the ring holds from before that is not found by wakes after it (seen on 6.18).
request request::futex_wait(const std::uint32_t* word, std::uint32_t expected) noexcept {
  request made;
  io_uring_prep_futex_wait(&made.entry(), const_cast<std::uint32_t*>(word), expected, any_bit & 0xffffffffU, FUTEX2_SIZE_U32,
                           0);
  return made;
}

request request::message(int ring) noexcept {
  request made;
  io_uring_prep_msg_ring(&made.entry(), ring, 0, 0, 0);
  return made;
}

request request::cancel(std::uint64_t token) noexcept {
  request made;
  io_uring_prep_cancel64(&made.entry(), token, 0);
  return made;
}

request request::cancel_descriptor(int fd) noexcept {
  request made;
  io_uring_prep_cancel_fd(&made.entry(), fd, IORING_ASYNC_CANCEL_ALL);
  return made;
}

request request::cancel_everything() noexcept {
  request made;
  io_uring_prep_cancel64(&made.entry(), 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
  return made;
}

}  // namespace tide::ring
