// How the kernel uses memory that it was given beforehand: sends without a copy, bundles, buffers that are used up piece by
// piece, datagrams with their senders, registered memory that another ring takes over. Counterparts of liburing's
// send-zerocopy, sendzc-bug, recvsend_bundle, recv-bundle-short-ooo, recv-inc-ooo, read-inc-buf-more, recvmsg-inc-tail,
// recv-multishot and regbuf-clone.
#include <gtest/gtest.h>

#include <liburing.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <tide/base/bytes.hpp>
#include <tide/ring/mapping.hpp>
#include <tide/ring/ring.hpp>

#include "ring/probe.hpp"
#include "ring/sockets.hpp"

namespace {

using tide::ring::mapping;
using tide::ring::request;

std::unique_ptr<tide::ring::ring> make_ring() {
  auto made = tide::ring::ring::create({.entries = 64}).value();
  EXPECT_TRUE(made->enable());
  return made;
}

std::string drain(int fd) {
  std::string all;
  char some[4096];
  for (ssize_t size = 0; (size = ::recv(fd, some, sizeof some, MSG_DONTWAIT)) > 0;)
    all.append(some, static_cast<std::size_t>(size));
  return all;
}

// ---- sends without a copy (6.0) ---------------------------------------------------------------------------------------

TEST(RingZeroCopy, AnOperationEndsWithItsNoticeAndNotWithItsResult) {
  auto ring = make_ring();
  const auto [ours, theirs] = tcp_pair();
  const std::string text(100'000, 'z');
  probe send;
  ring->start(send, request::send_zero_copy(ours.get(), tide::bytes_of(text), false));
  wait_for(*ring, [&] { return !send.heard.empty(); });
  ASSERT_GT(send.heard.front().result, 0);
  EXPECT_TRUE(send.heard.front().more());
  EXPECT_FALSE(send.heard.front().notice());
  const auto sent = static_cast<std::size_t>(send.heard.front().result);
  std::size_t received = 0;
  wait_for(*ring, [&] {  // the kernel lets go of the memory once the other side has taken what is in it
    received += drain(theirs.get()).size();
    return send.ended();
  });
  EXPECT_EQ(received + drain(theirs.get()).size(), sent);
  ASSERT_EQ(send.heard.size(), 2u);
  EXPECT_TRUE(send.heard.back().notice());
  EXPECT_FALSE(send.in_flight());
  EXPECT_TRUE(ring->at_rest());
}

TEST(RingZeroCopy, AFailureHasOneCompletionOrTheNoticeAsWell) {
  auto ring = make_ring();
  const tide::descriptor alone(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  for (const int fd : {alone.get(), -1}) {
    probe send;
    ring->start(send, request::send_zero_copy(fd, tide::bytes_of("nobody"), false));
    wait_for(*ring, [&] { return send.ended(); });
    EXPECT_LT(send.heard.front().result, 0);
    EXPECT_EQ(send.heard.size(), send.heard.front().more() ? 2u : 1u);
    EXPECT_TRUE(ring->at_rest());
  }
  EXPECT_EQ(ring->count().stale, 0u);
}

TEST(RingZeroCopy, ACancelledOneStillHasItsNotice) {
  auto ring = make_ring();
  const auto [ours, theirs] = tcp_pair();
  const int small = 4096;
  ::setsockopt(ours.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  const std::string text(8 << 20, 'z');  // more than both ends hold
  probe send;
  ring->start(send, request::send_zero_copy(ours.get(), tide::bytes_of(text), true));
  ring->submit();
  ring->cancel(send);
  wait_for(*ring, [&] { return !send.heard.empty(); });
  EXPECT_LT(send.heard.front().result, static_cast<int>(text.size()));
  wait_for(*ring, [&] {
    (void)drain(theirs.get());
    return send.ended();
  });
  EXPECT_EQ(send.heard.back().notice(), send.heard.size() == 2);
  EXPECT_EQ(ring->count().stale, 0u);
}

TEST(RingZeroCopy, SendsRegisteredMemoryByItsNumber) {
  auto ring = make_ring();
  const auto [ours, theirs] = tcp_pair();
  const auto memory = mapping::anonymous(8192).value();
  std::memset(memory.bytes().data(), 'r', 8192);
  ASSERT_TRUE(ring->behind().register_memory(memory.bytes()));
  constexpr auto index = tide::ring::backend::memory_index;
  probe send;
  ring->start(send, request::send_zero_copy(ours.get(), memory.bytes().subspan(100, 5000), true, index));
  std::string all;
  wait_for(*ring, [&] {
    all += drain(theirs.get());
    return send.ended();
  });
  EXPECT_EQ(send.heard.front().result, 5000);
  EXPECT_EQ(all + drain(theirs.get()), std::string(5000, 'r'));
  probe outside;
  ring->start(outside, request::send_zero_copy(ours.get(), tide::bytes_of("elsewhere"), true, index));
  wait_for(*ring, [&] { return outside.ended(); });
  EXPECT_EQ(outside.heard.front().result, -EFAULT);
}

// ---- rings of provided buffers that are shared out in other ways ------------------------------------------------------

/// So many buffers in a ring of their own, offered in the order that the test wants.
class offered_buffers {
 public:
  offered_buffers(tide::ring::ring& of, std::size_t size, unsigned flags)
      : descriptor_(static_cast<unsigned>(of.behind().descriptor())), size_(size) {
    io_uring_buf_reg wanted{};
    wanted.ring_addr = reinterpret_cast<std::uint64_t>(entries());
    wanted.ring_entries = count;
    wanted.bgid = 9;
    wanted.flags = static_cast<decltype(wanted.flags)>(flags);
    io_uring_buf_ring_init(entries());
    status = io_uring_register(descriptor_, IORING_REGISTER_PBUF_RING, &wanted, 1);
  }
  ~offered_buffers() {
    io_uring_buf_reg gone{};
    gone.bgid = 9;
    io_uring_register(descriptor_, IORING_UNREGISTER_PBUF_RING, &gone, 1);
  }
  void offer(std::initializer_list<std::uint16_t> numbers) {
    int at = 0;
    for (const std::uint16_t each : numbers) {
      io_uring_buf_ring_add(entries(), bytes(each).data(), static_cast<unsigned>(size_), each, io_uring_buf_ring_mask(count),
                            at++);
    }
    io_uring_buf_ring_advance(entries(), at);
  }
  std::span<std::byte> bytes(std::uint16_t number) { return memory_.bytes().subspan(number * size_, size_); }
  std::string text(std::uint16_t number, std::size_t from, std::size_t size) {
    return std::string(tide::text_of(bytes(number).subspan(from, size)));
  }

  static constexpr unsigned count = 8;
  int status = 0;

 private:
  io_uring_buf_ring* entries() { return static_cast<io_uring_buf_ring*>(static_cast<void*>(ring_memory_.bytes().data())); }
  mapping ring_memory_ = mapping::anonymous(4096).value();
  mapping memory_ = mapping::anonymous(65'536).value();
  unsigned descriptor_;
  std::size_t size_;
};

request receive_into(int fd, unsigned flags, std::size_t limit = 0) {
  return raw([&](io_uring_sqe& entry) {
    io_uring_prep_recv(&entry, fd, nullptr, limit, 0);
    entry.ioprio |= static_cast<decltype(entry.ioprio)>(flags);
    entry.flags |= IOSQE_BUFFER_SELECT;
    entry.buf_group = 9;
  });
}

TEST(RingBundle, OneCompletionFillsBuffersInTheOrderTheyWereOfferedWhateverTheirNumbers) {
  auto ring = make_ring();
  offered_buffers buffers(*ring, 16, 0);
  ASSERT_EQ(buffers.status, 0);
  buffers.offer({3, 1, 2, 0});
  const auto [ours, theirs] = tcp_pair();
  const std::string text = "0123456789abcdefghijklmnopqrstuvwxyzABCD";  // two and a half of them
  ASSERT_EQ(::send(theirs.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  // As many buffers as the kernel likes at a time; what counts is that the number says where they begin.
  const std::array<std::uint16_t, 4> order{3, 1, 2, 0};
  std::size_t at = 0;
  std::size_t most = 0;
  std::string all;
  while (all.size() < text.size()) {
    probe receive;
    ring->start(receive, receive_into(ours.get(), IORING_RECVSEND_BUNDLE));
    wait_for(*ring, [&] { return receive.ended(); });
    if (receive.result() == -EINVAL) GTEST_SKIP() << "this kernel has no bundles (6.10)";
    ASSERT_GT(receive.result(), 0);
    ASSERT_EQ(receive.heard.front().buffer(), order.at(at));
    auto left = static_cast<std::size_t>(receive.result());
    most = std::max(most, left);
    for (; left > 0; ++at) {
      const std::size_t size = std::min<std::size_t>(left, 16);
      all += buffers.text(order.at(at), 0, size);
      left -= size;
    }
  }
  EXPECT_EQ(all, text);
  EXPECT_GT(most, 16u);
  // The next begins with the one behind them: one that is short is used up, too.
  ASSERT_EQ(::send(theirs.get(), "next", 4, 0), 4);
  probe next;
  ring->start(next, receive_into(ours.get(), IORING_RECVSEND_BUNDLE));
  wait_for(*ring, [&] { return next.ended(); });
  EXPECT_EQ(next.result(), 4);
  EXPECT_EQ(next.heard.front().buffer(), 0);
  EXPECT_EQ(run_one(*ring, receive_into(ours.get(), IORING_RECVSEND_BUNDLE)), -ENOBUFS);
}

TEST(RingIncremental, ABufferIsUsedUpPieceByPieceAndSaysWhetherThereIsMoreOfIt) {
  auto ring = make_ring();
  offered_buffers buffers(*ring, 32, IOU_PBUF_RING_INC);
  if (buffers.status == -EINVAL) GTEST_SKIP() << "this kernel has no incremental buffers (6.12)";
  ASSERT_EQ(buffers.status, 0);
  buffers.offer({5, 2});
  const auto [ours, theirs] = tcp_pair();
  const auto receive = [&](std::string_view text) {
    EXPECT_EQ(::send(theirs.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    probe op;
    ring->start(op, receive_into(ours.get(), 0));
    wait_for(*ring, [&] { return op.ended(); });
    EXPECT_TRUE(op.heard.front().has_buffer());
    return op.heard.front();
  };
  const auto more_of_it = [](tide::ring::completion said) { return (said.flags & IORING_CQE_F_BUF_MORE) != 0; };
  auto said = receive("first");
  EXPECT_EQ(said.result, 5);
  EXPECT_EQ(said.buffer(), 5);
  EXPECT_TRUE(more_of_it(said));
  said = receive("second");
  EXPECT_EQ(said.buffer(), 5) << "the same goes on behind what it has";
  EXPECT_TRUE(more_of_it(said));
  EXPECT_EQ(buffers.text(5, 0, 11), "firstsecond");
  said = receive("and the tail, 21 long");
  EXPECT_EQ(said.result, 21) << "what is left of it, to the last byte";
  EXPECT_EQ(said.buffer(), 5);
  EXPECT_FALSE(more_of_it(said)) << "it comes back only now";
  said = receive("x");
  EXPECT_EQ(said.buffer(), 2);
  EXPECT_EQ(buffers.text(2, 0, 1), "x");
}

TEST(RingIncremental, ABundleEndsInTheMidstOfABuffer) {
  auto ring = make_ring();
  offered_buffers buffers(*ring, 32, IOU_PBUF_RING_INC);
  if (buffers.status == -EINVAL) GTEST_SKIP() << "this kernel has no incremental buffers (6.12)";
  buffers.offer({4, 0, 1});
  const auto [ours, theirs] = tcp_pair();
  const std::string text(40, 'b');
  ASSERT_EQ(::send(theirs.get(), text.data(), text.size(), 0), 40);
  probe bundle;
  ring->start(bundle, receive_into(ours.get(), IORING_RECVSEND_BUNDLE));
  wait_for(*ring, [&] { return bundle.ended(); });
  ASSERT_EQ(bundle.result(), 40);
  EXPECT_EQ(bundle.heard.front().buffer(), 4);
  ASSERT_EQ(::send(theirs.get(), "rest", 4, 0), 4);
  probe rest;
  ring->start(rest, receive_into(ours.get(), 0));
  wait_for(*ring, [&] { return rest.ended(); });
  EXPECT_EQ(rest.heard.front().buffer(), 0);
  EXPECT_EQ(buffers.text(0, 0, 12), "bbbbbbbbrest");
}

// ---- datagrams with their senders, again and again (6.0) --------------------------------------------------------------

void datagrams(unsigned flags) {
  auto ring = make_ring();
  offered_buffers buffers(*ring, flags == 0 ? 128 : 4096, flags);
  if (buffers.status == -EINVAL) GTEST_SKIP() << "this kernel has no incremental buffers (6.12)";
  buffers.offer({0, 1, 2, 3, 4, 5, 6, 7});
  bound_socket ours(SOCK_DGRAM);
  bound_socket theirs(SOCK_DGRAM);
  msghdr wanted{};
  wanted.msg_namelen = sizeof(sockaddr_in);
  const request receive_all = raw([&](io_uring_sqe& entry) {
    io_uring_prep_recvmsg_multishot(&entry, ours.fd.get(), &wanted, MSG_TRUNC);
    entry.flags |= IOSQE_BUFFER_SELECT;
    entry.buf_group = 9;
  });
  probe receive;
  ring->start(receive, receive_all);
  const std::array<std::string, 4> sent{"one", "", "three", std::string(200, 'x')};
  std::size_t from = 0;
  for (std::size_t i = 0; i < sent.size(); ++i) {
    ASSERT_EQ(::sendto(theirs.fd.get(), sent[i].data(), sent[i].size(), 0, ours.raw(), ours.size),
              static_cast<ssize_t>(sent[i].size()));
    wait_for(*ring, [&] { return receive.heard.size() > i; });
    const auto said = receive.heard.back();
    ASSERT_TRUE(said.has_buffer());
    ASSERT_EQ(said.more(), !sent[i].empty()) << "a datagram without bytes is delivered, and ends the request";
    if (!said.more()) ring->start(receive, receive_all);
    if (flags == 0) from = 0;
    alignas(io_uring_recvmsg_out) std::array<std::byte, 512> memory{};  // one behind the other they are not aligned
    std::ranges::copy(buffers.bytes(said.buffer()).subspan(from, static_cast<std::size_t>(said.result)), memory.begin());
    from += static_cast<std::size_t>(said.result);
    auto* const out = io_uring_recvmsg_validate(memory.data(), said.result, &wanted);
    ASSERT_NE(out, nullptr);
    EXPECT_EQ(out->payloadlen, sent[i].size()) << "the datagram's, also of one that was cut off";
    const unsigned kept = io_uring_recvmsg_payload_length(out, said.result, &wanted);
    EXPECT_EQ((out->flags & MSG_TRUNC) != 0, kept < sent[i].size());
    EXPECT_EQ(flags == 0 && i == 3, kept < sent[i].size());
    EXPECT_EQ(std::string_view(static_cast<char*>(io_uring_recvmsg_payload(out, &wanted)), kept), sent[i].substr(0, kept));
    sockaddr_in sender{};
    std::memcpy(&sender, io_uring_recvmsg_name(out), sizeof sender);
    EXPECT_EQ(sender.sin_port, theirs.at.sin_port);
  }
  ring->cancel(receive);
  wait_for(*ring, [&] { return receive.ended(); });
  EXPECT_EQ(receive.result(), -ECANCELED);
}

TEST(RingDatagrams, OneRequestBringsEachWithItsSender) { datagrams(0); }
TEST(RingDatagrams, AlsoOneBehindTheOtherInABuffer) { datagrams(IOU_PBUF_RING_INC); }

// ---- registered memory of another ring (6.12) -------------------------------------------------------------------------

TEST(RingClone, RegisteredMemoryOutlivesTheRingItWasTakenFrom) {
  auto first = make_ring();
  auto second = make_ring();
  auto memory = mapping::anonymous(8192).value();
  ASSERT_TRUE(first->behind().register_memory(memory.bytes()));
  struct io_uring_clone_buffers from{};
  from.src_fd = static_cast<decltype(from.src_fd)>(first->behind().descriptor());
  const auto to = static_cast<unsigned>(second->behind().descriptor());
  const int cloned = io_uring_register(to, IORING_REGISTER_CLONE_BUFFERS, &from, 1);
  if (cloned == -EINVAL) GTEST_SKIP() << "this kernel does not clone registered memory (6.12)";
  ASSERT_EQ(cloned, 0);
  first.reset();
  const auto [ours, theirs] = socket_pair();
  ASSERT_EQ(::send(theirs.get(), "cloned", 6, 0), 6);
  constexpr auto index = tide::ring::backend::memory_index;
  EXPECT_EQ(run_one(*second, request::read_fixed(ours.get(), memory.bytes().first(100), ~0ULL, index)), 6);
  EXPECT_EQ(tide::text_of(memory.bytes().first(6)), "cloned");
  EXPECT_EQ(io_uring_register(to, IORING_REGISTER_CLONE_BUFFERS, &from, 1) < 0, true) << "of a ring that has gone";
}

}  // namespace
