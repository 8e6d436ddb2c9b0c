#include <tide/ring/request.hpp>

#include <liburing.h>
#include <sys/socket.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>

#ifndef FUTEX2_SIZE_U32
#define FUTEX2_SIZE_U32 0x02
#endif

namespace tide::ring {

static_assert(sizeof(io_uring_sqe) == 64 && alignof(io_uring_sqe) <= 8 && std::is_trivially_copyable_v<io_uring_sqe>);
static_assert(std::endian::native == std::endian::little, "request::from puts the fields of an entry together by hand");

namespace {

constexpr std::uint64_t any_bit = ~0ULL;  // FUTEX_BITSET_MATCH_ANY, widened

/// What read(2) moves at most at a time. The field is of 32 bits: 4 GiB would be read as nothing.
constexpr unsigned at_once(std::size_t size) noexcept {
  return static_cast<unsigned>(std::min<std::size_t>(size, 0x7ffff000));
}

// A request is copied right after it was made, sixteen bytes at a time, and such a load waits for smaller stores to reach
// the cache (10 ns, a tenth of an operation). So the fields, which are in registers where this is inlined, are put together
// before they are stored.
[[gnu::always_inline]] inline void put_together(const io_uring_sqe& entry, std::byte* into) noexcept {
  using pair [[gnu::vector_size(16)]] = std::uint64_t;  // stored as one
  const pair pairs[] = {
      {entry.opcode | std::uint64_t{entry.flags} << 8U | std::uint64_t{entry.ioprio} << 16U |
           std::uint64_t{static_cast<std::uint32_t>(entry.fd)} << 32U,
       entry.off},
      {entry.addr, entry.len | std::uint64_t{static_cast<std::uint32_t>(entry.rw_flags)} << 32U},
      {entry.user_data, entry.buf_index | std::uint64_t{entry.personality} << 16U | std::uint64_t{entry.file_index} << 32U},
      {entry.addr3, entry.__pad2[0]},
  };
  std::memcpy(into, pairs, sizeof(pairs));
}

}  // namespace

[[gnu::always_inline]] inline request request::made_of(const io_uring_sqe& entry) noexcept {
  request made;
  put_together(entry, made.bytes_.data());
  return made;
}

request request::from(const io_uring_sqe& entry) noexcept { return made_of(entry); }

request request::linked() const noexcept {
  io_uring_sqe made = entry();
  made.flags |= IOSQE_IO_LINK;
  return made_of(made);
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
  io_uring_sqe made{};
  io_uring_prep_nop(&made);
  return made_of(made);
}

request request::receive(int fd, std::span<std::byte> into) noexcept {
  io_uring_sqe made{};
  io_uring_prep_recv(&made, fd, into.data(), into.size(), 0);
  return made_of(made);
}

request request::receive_picked(int fd, std::uint16_t group, std::size_t limit) noexcept {
  io_uring_sqe made{};
  io_uring_prep_recv(&made, fd, nullptr, limit, 0);
  made.flags |= IOSQE_BUFFER_SELECT;
  made.buf_group = group;
  return made_of(made);
}

request request::receive_multishot(int fd, std::uint16_t group) noexcept {
  io_uring_sqe made{};
  io_uring_prep_recv_multishot(&made, fd, nullptr, 0, 0);
  made.flags |= IOSQE_BUFFER_SELECT;
  made.buf_group = group;
  return made_of(made);
}

request request::send(int fd, std::span<const std::byte> bytes, bool whole) noexcept {
  io_uring_sqe made{};
  io_uring_prep_send(&made, fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | (whole ? MSG_WAITALL : 0));
  return made_of(made);
}

request request::send_zero_copy(int fd, std::span<const std::byte> bytes, bool whole,
                                std::optional<std::uint16_t> index) noexcept {
  io_uring_sqe made{};
  const int flags = MSG_NOSIGNAL | (whole ? MSG_WAITALL : 0);
  if (index) {
    io_uring_prep_send_zc_fixed(&made, fd, bytes.data(), bytes.size(), flags, 0, *index);
  } else {
    io_uring_prep_send_zc(&made, fd, bytes.data(), bytes.size(), flags, 0);
  }
  return made_of(made);
}

request request::send_message(int fd, const msghdr* message, bool whole) noexcept {
  io_uring_sqe made{};
  io_uring_prep_sendmsg(&made, fd, message, MSG_NOSIGNAL | (whole ? MSG_WAITALL : 0));
  return made_of(made);
}

request request::receive_message(int fd, msghdr* message) noexcept {
  io_uring_sqe made{};
  io_uring_prep_recvmsg(&made, fd, message, 0);
  return made_of(made);
}

request request::socket(int domain, int type, int protocol) noexcept {
  io_uring_sqe made{};
  io_uring_prep_socket(&made, domain, type | SOCK_CLOEXEC, protocol, 0);
  return made_of(made);
}

request request::connect(int fd, const sockaddr* to, unsigned length) noexcept {
  io_uring_sqe made{};
  io_uring_prep_connect(&made, fd, to, length);
  return made_of(made);
}

request request::accept_multishot(int fd) noexcept {
  io_uring_sqe made{};
  io_uring_prep_multishot_accept(&made, fd, nullptr, nullptr, SOCK_CLOEXEC);
  return made_of(made);
}

request request::shutdown(int fd, int how) noexcept {
  io_uring_sqe made{};
  io_uring_prep_shutdown(&made, fd, how);
  return made_of(made);
}

request request::close(int fd) noexcept {
  io_uring_sqe made{};
  io_uring_prep_close(&made, fd);
  return made_of(made);
}

request request::read(int fd, std::span<std::byte> into, std::uint64_t offset) noexcept {
  io_uring_sqe made{};
  io_uring_prep_read(&made, fd, into.data(), at_once(into.size()), offset);
  return made_of(made);
}

request request::write(int fd, std::span<const std::byte> bytes, std::uint64_t offset) noexcept {
  io_uring_sqe made{};
  io_uring_prep_write(&made, fd, bytes.data(), at_once(bytes.size()), offset);
  return made_of(made);
}

request request::read_fixed(int fd, std::span<std::byte> into, std::uint64_t offset, std::uint16_t index) noexcept {
  io_uring_sqe made{};
  io_uring_prep_read_fixed(&made, fd, into.data(), at_once(into.size()), offset, index);
  return made_of(made);
}

request request::write_fixed(int fd, std::span<const std::byte> bytes, std::uint64_t offset, std::uint16_t index) noexcept {
  io_uring_sqe made{};
  io_uring_prep_write_fixed(&made, fd, bytes.data(), at_once(bytes.size()), offset, index);
  return made_of(made);
}

request request::poll(int fd, unsigned events) noexcept {
  io_uring_sqe made{};
  io_uring_prep_poll_add(&made, fd, events);
  return made_of(made);
}

// Not FUTEX2_PRIVATE: since Linux 6.16 a process gets a hash table of its own for private futexes when it starts its first
// thread, and a wait that the ring holds from before that is not found by wakes after it (seen on 6.18).
request request::futex_wait(const std::uint32_t* word, std::uint32_t expected) noexcept {
  io_uring_sqe made{};
  io_uring_prep_futex_wait(&made, const_cast<std::uint32_t*>(word), expected, any_bit & 0xffffffffU, FUTEX2_SIZE_U32, 0);
  return made_of(made);
}

request request::message(int ring) noexcept {
  io_uring_sqe made{};
  io_uring_prep_msg_ring(&made, ring, 0, 0, 0);
  return made_of(made);
}

request request::cancel(std::uint64_t token) noexcept {
  io_uring_sqe made{};
  io_uring_prep_cancel64(&made, token, 0);
  return made_of(made);
}

request request::cancel_descriptor(int fd) noexcept {
  io_uring_sqe made{};
  io_uring_prep_cancel_fd(&made, fd, IORING_ASYNC_CANCEL_ALL);
  return made_of(made);
}

request request::cancel_everything() noexcept {
  io_uring_sqe made{};
  io_uring_prep_cancel64(&made, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
  return made_of(made);
}

}  // namespace tide::ring
