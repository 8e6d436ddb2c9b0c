// What the kernel does with a ring where few look: time limits in a chain, descriptors of the ring's own, rings that grow,
// waits with a least time, threads and processes that go. Counterparts of liburing's link-timeout, linked-defer-close,
// accept and open direct, file-alloc-range-hint, ooo-file-unreg, resize-rings, waitid, futex-kill, thread-exit, reg-wait,
// min-timeout, poll-mshot-overflow. The library uses little of it; where it does, the ring's own rules are looked at too.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <liburing.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <tide/base/bytes.hpp>
#include <tide/ring/mapping.hpp>
#include <tide/ring/ring.hpp>

#include "ring/probe.hpp"
#include "ring/sockets.hpp"

namespace {

using tide::ring::request;
using link = tide::ring::ring::link;

std::unique_ptr<tide::ring::ring> make_ring(unsigned entries = 64, unsigned completions = 0) {
  auto made = tide::ring::ring::create({.entries = entries, .completions = completions}).value();
  EXPECT_TRUE(made->enable());
  return made;
}

/// A ring without ours around it.
struct plain_ring {
  explicit plain_ring(unsigned flags) : status(io_uring_queue_init(8, &of, flags)) {}
  ~plain_ring() {
    if (status == 0) io_uring_queue_exit(&of);
  }
  io_uring of{};
  int status;
};

// ---- chains -----------------------------------------------------------------------------------------------------------

/// A receive with a limit behind it, of which nobody hears: time limits here are the executor's own timers, which cost no
/// request; a chain with one keeps the ring's rule all the same, that an operation ends once.
int limited_receive(tide::ring::ring& ring, int fd, std::span<std::byte> into, __kernel_timespec limit) {
  probe receive;
  ring.start(receive, request::receive(fd, into).linked());
  ring.start_detached(raw([&](io_uring_sqe& entry) { io_uring_prep_link_timeout(&entry, &limit, 0); }));
  wait_for(ring, [&] { return receive.ended(); });
  ring.submit_and_wait(0);
  ring.reap();
  EXPECT_EQ(receive.heard.size(), 1u);
  EXPECT_TRUE(ring.at_rest());
  EXPECT_EQ(ring.count().stale, 0u);
  return receive.result();
}

TEST(RingLinkTimeout, EndsWhatTakesTooLongAndLeavesAloneWhatDoesNot) {
  auto ring = make_ring();
  const auto [ours, theirs] = socket_pair();
  std::array<std::byte, 4> into{};
  EXPECT_EQ(limited_receive(*ring, ours.get(), into, {.tv_sec = 0, .tv_nsec = 1'000'000}), -ECANCELED);
  ASSERT_EQ(::send(theirs.get(), "kept", 4, 0), 4);
  EXPECT_EQ(limited_receive(*ring, ours.get(), into, {.tv_sec = 3600, .tv_nsec = 0}), 4) << "no byte was taken before";
  EXPECT_EQ(limited_receive(*ring, -1, into, {.tv_sec = 3600, .tv_nsec = 0}), -EBADF);
}

TEST(RingChainClose, TheLastLinkThatClosesFreesTheDescriptorWithoutAnotherCall) {
  auto ring = make_ring();
  auto [ours, theirs] = socket_pair();
  probe wait;
  probe close;
  const std::array links{link{&wait, request::poll(ours.get(), POLLIN)}, link{&close, request::close(ours.release())}};
  ASSERT_TRUE(ring->start_chain(links));
  ring->submit();
  ASSERT_EQ(::send(theirs.get(), "x", 1, 0), 1);
  wait_for(*ring, [&] { return close.ended(); });
  EXPECT_EQ(close.result(), 0);
  char byte = 0;
  EXPECT_EQ(::recv(theirs.get(), &byte, 1, 0), -1) << "the other end has gone with a byte unread";
  EXPECT_EQ(errno, ECONNRESET);
  EXPECT_TRUE(ring->at_rest());
}

TEST(RingDrain, BeginsWhenAllBeforeItHasEnded) {
  auto ring = make_ring();
  const auto [ours, theirs] = socket_pair();
  std::array<std::byte, 1> into{};
  std::vector<int> order;
  probe receive;
  probe last;
  receive.then = [&](auto) { order.push_back(1); };
  last.then = [&](auto) { order.push_back(2); };
  ring->start(receive, request::receive(ours.get(), into));
  ring->start(last, raw([](io_uring_sqe& entry) {
                io_uring_prep_nop(&entry);
                entry.flags |= IOSQE_IO_DRAIN;
              }));
  ring->submit_and_wait(0);
  ring->reap();
  EXPECT_FALSE(last.ended());
  ASSERT_EQ(::send(theirs.get(), "x", 1, 0), 1);
  wait_for(*ring, [&] { return ring->in_flight() == 0; });
  EXPECT_EQ(order, (std::vector{1, 2}));
}

// ---- descriptors of the ring's own (5.19) -----------------------------------------------------------------------------

void make_table(tide::ring::ring& ring, unsigned slots) {
  io_uring_rsrc_register wanted{};
  wanted.nr = slots;
  wanted.flags = IORING_RSRC_REGISTER_SPARSE;
  EXPECT_EQ(
      io_uring_register(static_cast<unsigned>(ring.behind().descriptor()), IORING_REGISTER_FILES2, &wanted, sizeof wanted),
      0);
}

request direct_socket() {
  return raw([](io_uring_sqe& entry) { io_uring_prep_socket_direct_alloc(&entry, AF_UNIX, SOCK_STREAM, 0, 0); });
}
request direct_close(int slot) {
  return raw([&](io_uring_sqe& entry) { io_uring_prep_close_direct(&entry, static_cast<unsigned>(slot)); });
}

/// How many slots are free: fills the table and empties it again.
unsigned free_slots(tide::ring::ring& ring) {
  std::vector<int> taken;
  int slot = 0;
  while ((slot = run_one(ring, direct_socket())) >= 0) taken.push_back(slot);
  EXPECT_EQ(slot, -ENFILE);
  for (const int each : taken) EXPECT_EQ(run_one(ring, direct_close(each)), 0);
  return static_cast<unsigned>(taken.size());
}

TEST(RingDirect, CancelledAcceptsAndFailedOpensLeaveTheTableAsItWas) {
  auto ring = make_ring();
  make_table(*ring, 6);
  ASSERT_EQ(free_slots(*ring), 6u);
  bound_socket listening(SOCK_STREAM);
  ASSERT_EQ(::listen(listening.fd.get(), 16), 0);
  for (int round = 0; round < 50; ++round) {
    probe accept;
    ring->start(accept, raw([&](io_uring_sqe& entry) {
                  io_uring_prep_accept_direct(&entry, listening.fd.get(), nullptr, nullptr, 0, IORING_FILE_INDEX_ALLOC);
                }));
    if (round % 2 == 1) ring->submit();
    const tide::descriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (round % 3 == 0) {
      ASSERT_EQ(::connect(client.get(), listening.raw(), listening.size), 0);
    }
    ring->cancel(accept);  // which may meet the connection
    wait_for(*ring, [&] { return accept.ended(); });
    if (accept.result() >= 0) {
      EXPECT_EQ(run_one(*ring, direct_close(accept.result())), 0);
    } else {
      EXPECT_EQ(accept.result(), -ECANCELED);
    }
    const int opened = run_one(*ring, raw([](io_uring_sqe& entry) {
      io_uring_prep_openat_direct(&entry, AT_FDCWD, "/nowhere/at/all", O_RDONLY, 0, IORING_FILE_INDEX_ALLOC);
    }));
    EXPECT_EQ(opened, -ENOENT);
  }
  EXPECT_EQ(free_slots(*ring), 6u);
}

TEST(RingDirect, NumbersComeFromTheRangeThatWasGiven) {
  auto ring = make_ring();
  make_table(*ring, 8);
  io_uring_file_index_range range{.off = 3, .len = 2, .resv = 0};
  const auto fd = static_cast<unsigned>(ring->behind().descriptor());
  ASSERT_EQ(io_uring_register(fd, IORING_REGISTER_FILE_ALLOC_RANGE, &range, 0), 0);
  EXPECT_EQ(run_one(*ring, direct_socket()), 3);
  EXPECT_EQ(run_one(*ring, direct_socket()), 4);
  EXPECT_EQ(run_one(*ring, direct_socket()), -ENFILE);
  EXPECT_EQ(run_one(*ring, direct_close(3)), 0);
  EXPECT_EQ(run_one(*ring, direct_socket()), 3);
  range = {.off = 7, .len = 5, .resv = 0};
  EXPECT_LT(io_uring_register(fd, IORING_REGISTER_FILE_ALLOC_RANGE, &range, 0), 0) << "beyond the table";
}

TEST(RingDirect, WhatIsUnderWayKeepsItsFileWhateverHappensToTheTable) {
  auto ring = make_ring();
  make_table(*ring, 4);
  const auto fd = static_cast<unsigned>(ring->behind().descriptor());
  std::array<std::array<tide::descriptor, 2>, 2> pairs{socket_pair(), socket_pair()};
  for (unsigned i = 0; i < 2; ++i) {
    int number = pairs[i][0].get();
    io_uring_files_update change{};
    change.offset = i;
    change.fds = reinterpret_cast<std::uint64_t>(&number);
    ASSERT_EQ(io_uring_register(fd, IORING_REGISTER_FILES_UPDATE, &change, 1), 1);
    pairs[i][0] = tide::descriptor();  // the table's now
  }
  std::array<std::array<std::byte, 4>, 2> into{};
  std::array<probe, 2> receives;
  for (unsigned i = 0; i < 2; ++i) {
    ring->start(receives[i], raw([&](io_uring_sqe& entry) {
                  io_uring_prep_recv(&entry, static_cast<int>(i), into[i].data(), into[i].size(), 0);
                  entry.flags |= IOSQE_FIXED_FILE;
                }));
  }
  ring->submit();
  EXPECT_EQ(run_one(*ring, direct_close(1)), 0);  // not in the order in which they came
  EXPECT_EQ(io_uring_register(fd, IORING_UNREGISTER_FILES, nullptr, 0), 0);
  for (unsigned i = 0; i < 2; ++i) ASSERT_EQ(::send(pairs[i][1].get(), "here", 4, 0), 4);
  wait_for(*ring, [&] { return ring->in_flight() == 0; });
  for (const probe& each : receives) EXPECT_EQ(each.result(), 4);
  char byte = 0;
  EXPECT_EQ(::recv(pairs[0][1].get(), &byte, 1, 0), 0) << "and the file went with it";
}

// ---- the queues -------------------------------------------------------------------------------------------------------

TEST(RingResize, ACompletionQueueThatGrowsKeepsWhatIsInIt) {
  plain_ring ring(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
  ASSERT_EQ(ring.status, 0);
  for (std::uint64_t i = 1; i <= 8; ++i) {
    io_uring_sqe* const entry = io_uring_get_sqe(&ring.of);
    io_uring_prep_nop(entry);
    entry->user_data = i;
  }
  ASSERT_EQ(io_uring_submit_and_get_events(&ring.of), 8);
  io_uring_params wanted{};
  wanted.sq_entries = 8;
  wanted.cq_entries = 64;
  wanted.flags = IORING_SETUP_CQSIZE;
  const int resized = io_uring_resize_rings(&ring.of, &wanted);
  if (resized == -EINVAL) GTEST_SKIP() << "this kernel does not resize rings (6.13)";
  ASSERT_EQ(resized, 0);
  EXPECT_GE(ring.of.cq.ring_entries, 64u);
  for (std::uint64_t i = 1; i <= 8; ++i) {
    io_uring_cqe* said = nullptr;
    ASSERT_EQ(io_uring_wait_cqe(&ring.of, &said), 0);
    EXPECT_EQ(said->user_data, i);
    io_uring_cqe_seen(&ring.of, said);
  }
}

TEST(RingPollMultishot, LosesNoEventWhereTheQueueOverflows) {
  auto ring = make_ring(8, 8);
  const tide::descriptor event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  probe poll;
  const request again = raw([&](io_uring_sqe& entry) { io_uring_prep_poll_multishot(&entry, event.get(), POLLIN); });
  ring->start(poll, again);
  std::vector<probe> others(200);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < others.size(); ++i) {
    ASSERT_EQ(::eventfd_write(event.get(), 1), 0);
    ring->start(others[i], request::nop());
    ring->submit();  // and nobody takes what completes
    if (i % 50 != 49) continue;
    ring->reap();
    if (!poll.in_flight()) ring->start(poll, again);  // an overflow may end it: it says so, and what came is still there
    eventfd_t count = 0;
    if (::eventfd_read(event.get(), &count) == 0) seen += count;
  }
  EXPECT_EQ(seen, others.size());
  EXPECT_FALSE(poll.heard.empty());
  EXPECT_GT(ring->count().overflowed, 0u);
  if (poll.in_flight()) ring->cancel(poll);
  wait_for(*ring, [&] { return ring->in_flight() == 0; });
  for (const probe& each : others) EXPECT_EQ(each.heard.size(), 1u);
  EXPECT_EQ(ring->count().stale, 0u);
}

TEST(RingWait, ALeastTimeEndsAWaitThatHasSomethingButNotAll) {
  plain_ring ring(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
  ASSERT_EQ(ring.status, 0);
  if ((ring.of.features & IORING_FEAT_MIN_TIMEOUT) == 0) GTEST_SKIP() << "this kernel has no least time to wait (6.12)";
  io_uring_prep_nop(io_uring_get_sqe(&ring.of));
  __kernel_timespec never{.tv_sec = 3600, .tv_nsec = 0};
  io_uring_cqe* said = nullptr;
  EXPECT_EQ(io_uring_submit_and_wait_min_timeout(&ring.of, &said, 2, &never, 100, nullptr), 1);  // two would never come
  EXPECT_EQ(io_uring_cq_ready(&ring.of), 1u);
}

TEST(RingWait, ItsArgumentsCanBeRegisteredBeforehand) {
  plain_ring ring(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED);
  ASSERT_EQ(ring.status, 0);
  auto memory = tide::ring::mapping::anonymous(4096).value();
  io_uring_region_desc where{};
  where.user_addr = reinterpret_cast<std::uint64_t>(memory.bytes().data());
  where.size = 4096;
  where.flags = IORING_MEM_REGION_TYPE_USER;
  io_uring_mem_region_reg wanted{};
  wanted.region_uptr = reinterpret_cast<std::uint64_t>(&where);
  wanted.flags = IORING_MEM_REGION_REG_WAIT_ARG;
  const int registered = io_uring_register_region(&ring.of, &wanted);
  if (registered == -EINVAL) GTEST_SKIP() << "this kernel registers no arguments of waits (6.13)";
  ASSERT_EQ(registered, 0);
  ASSERT_EQ(io_uring_enable_rings(&ring.of), 0);
  auto* const waits = static_cast<io_uring_reg_wait*>(static_cast<void*>(memory.bytes().data()));
  waits[1].ts = {.tv_sec = 0, .tv_nsec = 1'000'000};
  waits[1].flags = IORING_REG_WAIT_TS;
  io_uring_cqe* said = nullptr;
  EXPECT_EQ(io_uring_submit_and_wait_reg(&ring.of, &said, 1, 1), -ETIME);
  io_uring_prep_nop(io_uring_get_sqe(&ring.of));
  EXPECT_EQ(io_uring_submit_and_wait_reg(&ring.of, &said, 1, 1), 1);
}

// ---- processes and threads that go ------------------------------------------------------------------------------------

TEST(RingWaitid, TellsOfAChildThatEndsAndCanBeCancelled) {
  auto ring = make_ring();
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  tide::descriptor held(ends[1]);
  const tide::descriptor waited_for(ends[0]);
  const pid_t child = ::fork();
  if (child == 0) {
    held = tide::descriptor();
    char byte = 0;
    ::_exit(::read(waited_for.get(), &byte, 1) == 0 ? 7 : 1);
  }
  siginfo_t said{};
  const request wait =
      raw([&](io_uring_sqe& entry) { io_uring_prep_waitid(&entry, P_PID, static_cast<id_t>(child), &said, WEXITED, 0); });
  probe first;
  ring->start(first, wait);
  ring->submit();
  ring->cancel(first);
  wait_for(*ring, [&] { return first.ended(); });
  const bool missing = first.result() == -EINVAL;
  probe second;
  if (!missing) {
    EXPECT_EQ(first.result(), -ECANCELED);
    ring->start(second, wait);
    ring->submit();
  }
  held = tide::descriptor();  // the child ends
  if (missing) {
    ::waitpid(child, nullptr, 0);
    GTEST_SKIP() << "this kernel has no WAITID operation (6.7)";
  }
  wait_for(*ring, [&] { return second.ended(); });
  EXPECT_EQ(second.result(), 0);
  EXPECT_EQ(said.si_code, CLD_EXITED);
  EXPECT_EQ(said.si_status, 7);
  EXPECT_EQ(::waitpid(child, nullptr, 0), -1) << "it has been collected";
}

TEST(RingFutex, AProcessThatIsKilledInTheMidstOfAWaitGoes) {
  if (auto ring = make_ring(); !ring->available().futex) GTEST_SKIP() << "this kernel has no FUTEX_WAIT operation";
  auto memory =
      static_cast<std::uint32_t*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(static_cast<void*>(memory), MAP_FAILED);
  const pid_t child = ::fork();
  if (child == 0) {
    auto ring = make_ring();
    probe wait;
    ring->start(wait, request::futex_wait(memory, 0));
    ring->submit();
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(::syscall(SYS_futex, memory, FUTEX_WAKE, 1, nullptr, nullptr, 0), 0) << "and waits no more";
  ::munmap(memory, 4096);
}

TEST(RingThreads, WhatAThreadHasStartedOutlivesItAndEndsOnce) {
  plain_ring ring(0);  // one that any thread may use
  ASSERT_EQ(ring.status, 0);
  const auto [ours, theirs] = socket_pair();
  char into[4];
  std::thread([&] {
    io_uring_prep_recv(io_uring_get_sqe(&ring.of), ours.get(), into, sizeof into, 0);
    EXPECT_EQ(io_uring_submit(&ring.of), 1);
  }).join();
  EXPECT_EQ(io_uring_cq_ready(&ring.of), 0u) << "the memory is still the kernel's: a thread that ends cancels nothing";
  ASSERT_EQ(::send(theirs.get(), "late", 4, 0), 4);
  io_uring_cqe* said = nullptr;
  ASSERT_EQ(io_uring_wait_cqe(&ring.of, &said), 0);
  EXPECT_TRUE(said->res == 4 || said->res == -ECANCELED) << said->res;  // there is no thread left to receive for it
  io_uring_cqe_seen(&ring.of, said);
  EXPECT_EQ(io_uring_cq_ready(&ring.of), 0u);
}

// ---- not here ---------------------------------------------------------------------------------------------------------

TEST(RingPassthrough, CommandsOfADeviceNeedOne) {
  const std::filesystem::directory_iterator devices("/dev");
  for (const auto& each : devices) {
    if (each.path().filename().string().starts_with("ng"))
      GTEST_SKIP() << "rings here have entries of 64 bytes; commands of " << each.path() << " need 128";
  }
  GTEST_SKIP() << "no device that takes commands (/dev/ng*n*)";
}

TEST(RingTimestamps, OfTransmissionsNeedCompletionsOf32Bytes) {
  GTEST_SKIP() << "SOCKET_URING_OP_TX_TIMESTAMP (6.16) needs completions of 32 bytes, and rings here have those of 16";
}

}  // namespace
