#include <gtest/gtest.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string>
#include <thread>

#include <tide/base/bytes.hpp>
#include <tide/base/descriptor.hpp>
#include <tide/ring/buffer_ring.hpp>
#include <tide/ring/mapping.hpp>
#include <tide/ring/ring.hpp>

#include "ring/probe.hpp"
#include "ring/sockets.hpp"
#include "support/process.hpp"

namespace {

using tide::ring::features;
using tide::ring::request;

struct mask {
  const char* name;
  features without;
};

/// The suite runs with each feature masked off, so that older kernels get what they were promised.
class Ring : public testing::TestWithParam<mask> {
 protected:
  std::unique_ptr<tide::ring::ring> make(unsigned entries = 64, unsigned completions = 0) {
    auto made =
        tide::ring::ring::create({.entries = entries, .completions = completions, .without = GetParam().without}).value();
    EXPECT_TRUE(made->enable());
    return made;
  }
};

INSTANTIATE_TEST_SUITE_P(Without, Ring,
                         testing::Values(mask{"Nothing", {}}, mask{"DeferTaskrun", {.defer_taskrun = true}},
                                         mask{"NoSqarray", {.no_sqarray = true}},
                                         mask{"RegisteredRing", {.registered_ring = true}}, mask{"Futex", {.futex = true}},
                                         mask{"BindListen", {.bind_listen = true}},
                                         mask{"RegisteredMemory", {.registered_memory = true}},
                                         mask{"Everything", {true, true, true, true, true, true, true}}),
                         [](const auto& each) { return each.param.name; });

TEST_P(Ring, MaskedFeaturesAreNotUsed) {
  auto ring = make();
  const features& has = ring->available();
  const features& without = GetParam().without;
  EXPECT_FALSE(has.defer_taskrun && without.defer_taskrun);
  EXPECT_FALSE(has.no_sqarray && without.no_sqarray);
  EXPECT_FALSE(has.registered_ring && without.registered_ring);
  EXPECT_FALSE(has.futex && without.futex);
  EXPECT_FALSE(has.bind_listen && without.bind_listen);
  EXPECT_FALSE(has.registered_memory && without.registered_memory);
}

TEST_P(Ring, NopRoundTrip) {
  auto ring = make();
  probe op;
  EXPECT_FALSE(op.in_flight());
  ring->start(op, request::nop());
  EXPECT_TRUE(op.in_flight());
  EXPECT_EQ(ring->in_flight(), 1u);
  EXPECT_TRUE(op.heard.empty()) << "completions never come from inside start";
  wait_for(*ring, [&] { return op.ended(); });
  EXPECT_EQ(op.result(), 0);
  EXPECT_EQ(op.heard.size(), 1u);
  EXPECT_FALSE(op.in_flight());
  EXPECT_EQ(ring->in_flight(), 0u);
}

TEST_P(Ring, AHundredThousandOperationsAtOnceOnAQueueOfEight) {
  auto ring = make(8);
  std::vector<probe> all(100'000);
  for (probe& each : all) ring->start(each, request::nop());
  EXPECT_EQ(ring->in_flight(), all.size());
  wait_for(*ring, [&] { return ring->in_flight() == 0; });
  for (const probe& each : all) ASSERT_EQ(each.heard.size(), 1u);
  EXPECT_EQ(ring->count().completed, all.size());
  EXPECT_EQ(ring->count().stale, 0u);
}

TEST_P(Ring, AFullCompletionQueueLosesNothing) {
  auto ring = make(8, 8);
  std::vector<probe> all(5'000);
  for (std::size_t i = 0; i < all.size(); ++i) {
    ring->start(all[i], request::nop());
    if (i % 8 == 7) ring->submit();  // and nobody takes what completes
  }
  wait_for(*ring, [&] { return ring->in_flight() == 0; });
  for (const probe& each : all) ASSERT_EQ(each.heard.size(), 1u);
  EXPECT_GT(ring->count().overflowed, 0u);
}

TEST_P(Ring, ReceiveAndSend) {
  auto ring = make();
  auto [a, b] = socket_pair();
  std::array<std::byte, 16> into{};
  probe receive;
  ring->start(receive, request::receive(a.get(), into));
  EXPECT_EQ(run_one(*ring, request::send(b.get(), tide::bytes_of("hello"), true)), 5);
  wait_for(*ring, [&] { return receive.ended(); });
  EXPECT_EQ(receive.result(), 5);
  EXPECT_EQ(tide::text_of(std::span(into).first(5)), "hello");
  EXPECT_EQ(run_one(*ring, request::shutdown(b.get(), SHUT_WR)), 0);
  EXPECT_EQ(run_one(*ring, request::receive(a.get(), into)), 0) << "end of stream";
}

TEST_P(Ring, FilesByOffset) {
  auto ring = make();
  const tide::descriptor file(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  ASSERT_TRUE(file);
  EXPECT_EQ(run_one(*ring, request::write(file.get(), tide::bytes_of("0123456789"), 0)), 10);
  std::array<std::byte, 4> into{};
  EXPECT_EQ(run_one(*ring, request::read(file.get(), into, 3)), 4);
  EXPECT_EQ(tide::text_of(into), "3456");
  EXPECT_EQ(run_one(*ring, request::poll(file.get(), POLLIN)) & POLLIN, POLLIN);
}

TEST_P(Ring, RegisteredMemoryIsNamedByItsNumber) {
  auto ring = make();
  const auto memory = tide::ring::mapping::anonymous(8192).value();
  const auto registered = ring->behind().register_memory(memory.bytes());
  if (!ring->available().registered_memory) {
    EXPECT_EQ(registered.error(), tide::errc::not_supported);
    return;
  }
  ASSERT_TRUE(registered);
  const tide::descriptor file(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  constexpr auto index = tide::ring::backend::memory_index;
  std::memcpy(memory.bytes().data(), "0123456789", 10);
  EXPECT_EQ(run_one(*ring, request::write_fixed(file.get(), memory.bytes().first(10), 0, index)), 10);
  EXPECT_EQ(run_one(*ring, request::read_fixed(file.get(), memory.bytes().last(4), 3, index)), 4);
  EXPECT_EQ(tide::text_of(memory.bytes().last(4)), "3456");
  std::array<std::byte, 4> outside{};
  EXPECT_EQ(run_one(*ring, request::read_fixed(file.get(), outside, 0, index)), -EFAULT);
  EXPECT_EQ(run_one(*ring, request::read_fixed(file.get(), memory.bytes(), 0, 1)), -EFAULT) << "there is one number only";
}

TEST_P(Ring, ErrorsComeAsResults) {
  auto ring = make();
  std::array<std::byte, 4> into{};
  EXPECT_EQ(run_one(*ring, request::receive(-1, into)), -EBADF);
  EXPECT_EQ(run_one(*ring, request::close(-1)), -EBADF);
}

TEST_P(Ring, CancelIsIdempotent) {
  auto ring = make();
  auto [a, b] = socket_pair();
  std::array<std::byte, 16> into{};
  probe receive;
  ring->start(receive, request::receive(a.get(), into));
  ring->submit();
  const auto before = ring->count().submitted;
  for (int i = 0; i < 3; ++i) ring->cancel(receive);
  EXPECT_TRUE(receive.in_flight()) << "a request to cancel frees nothing";
  wait_for(*ring, [&] { return receive.ended(); });
  EXPECT_EQ(receive.result(), -ECANCELED);
  EXPECT_EQ(receive.heard.size(), 1u);
  EXPECT_EQ(ring->count().submitted - before, 1u);
}

TEST_P(Ring, CancelOfWhatHasEndedDoesNothing) {
  auto ring = make();
  auto [a, b] = socket_pair();
  probe op;
  ring->start(op, request::nop());
  wait_for(*ring, [&] { return op.ended(); });
  std::array<std::byte, 4> into{};
  probe stranger;  // takes the slot that `op` has left
  ring->start(stranger, request::receive(a.get(), into));
  const auto before = ring->count().submitted;
  ring->cancel(op);
  EXPECT_EQ(ring->count().submitted, before);
  EXPECT_EQ(run_one(*ring, request::send(b.get(), tide::bytes_of("x"), true)), 1);
  wait_for(*ring, [&] { return stranger.ended(); });
  EXPECT_EQ(stranger.result(), 1);
}

TEST_P(Ring, CancelThatComesTooLateLeavesTheResult) {
  auto ring = make();
  auto [a, b] = socket_pair();
  ASSERT_EQ(::send(b.get(), "late", 4, 0), 4);
  std::array<std::byte, 4> into{};
  probe receive;
  ring->start(receive, request::receive(a.get(), into));
  ring->submit();
  ring->cancel(receive);
  wait_for(*ring, [&] { return receive.ended(); });
  EXPECT_EQ(receive.result(), 4);
  EXPECT_EQ(receive.heard.size(), 1u);
}

TEST_P(Ring, CancelEverything) {
  auto ring = make();
  auto [a, b] = socket_pair();
  std::array<std::array<std::byte, 4>, 20> into{};
  std::array<probe, 20> all;
  for (std::size_t i = 0; i < all.size(); ++i) ring->start(all[i], request::receive(a.get(), into[i]));
  ring->cancel_everything();
  wait_for(*ring, [&] { return ring->in_flight() == 0; });
  for (const probe& each : all) EXPECT_EQ(each.result(), -ECANCELED);
}

TEST_P(Ring, CancelByDescriptorSparesOthers) {
  auto ring = make();
  auto [a, b] = socket_pair();
  std::array<std::byte, 4> into_a{};
  std::array<std::byte, 4> into_b{};
  probe on_a;
  probe on_b;
  ring->start(on_a, request::receive(a.get(), into_a));
  ring->start(on_b, request::receive(b.get(), into_b));
  ring->start_detached(request::cancel_descriptor(a.get()));
  wait_for(*ring, [&] { return on_a.ended(); });
  EXPECT_EQ(on_a.result(), -ECANCELED);
  EXPECT_TRUE(on_b.in_flight());
  ring->cancel(on_b);
  wait_for(*ring, [&] { return on_b.ended(); });
}

TEST_P(Ring, MultishotAcceptEndsWithItsLastCompletionOnly) {
  auto ring = make();
  const tide::descriptor listening(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  auto* const raw = static_cast<sockaddr*>(static_cast<void*>(&at));
  ASSERT_EQ(::bind(listening.get(), raw, size), 0);
  ASSERT_EQ(::listen(listening.get(), 16), 0);
  ASSERT_EQ(::getsockname(listening.get(), raw, &size), 0);

  probe accept;
  ring->start(accept, request::accept_multishot(listening.get()));
  std::vector<tide::descriptor> sockets;
  for (std::size_t i = 0; i < 3; ++i) {
    sockets.emplace_back(run_one(*ring, request::socket(AF_INET, SOCK_STREAM, 0)));
    ASSERT_TRUE(sockets.back());
    EXPECT_EQ(run_one(*ring, request::connect(sockets.back().get(), raw, size)), 0);
    wait_for(*ring, [&] { return accept.heard.size() > i; });
    EXPECT_TRUE(accept.heard.back().more());
    EXPECT_TRUE(accept.in_flight());
    sockets.emplace_back(accept.result());
  }
  ring->cancel(accept);
  wait_for(*ring, [&] { return accept.ended(); });
  EXPECT_EQ(accept.result(), -ECANCELED);
  EXPECT_EQ(accept.heard.size(), 4u);
}

TEST_P(Ring, ProvidedBuffersRunOutAndComeBack) {
  auto ring = make();
  auto [a, b] = socket_pair();
  auto buffers = tide::ring::buffer_ring::create(*ring, {.group = 3, .count = 2, .size = 8}).value();
  ASSERT_EQ(::send(b.get(), "onetwo..threefour", 17, 0), 17);
  std::vector<std::uint16_t> out;
  std::string text;
  for (int i = 0; i < 2; ++i) {
    probe receive;
    ring->start(receive, request::receive_picked(a.get(), 3, 0));
    wait_for(*ring, [&] { return receive.ended(); });
    ASSERT_EQ(receive.result(), 8);
    ASSERT_TRUE(receive.heard.back().has_buffer());
    out.push_back(receive.heard.back().buffer());
    text += tide::text_of(buffers->bytes(out.back()));
  }
  EXPECT_EQ(text, "onetwo..threefou");
  EXPECT_NE(out[0], out[1]);
  EXPECT_EQ(run_one(*ring, request::receive_picked(a.get(), 3, 0)), -ENOBUFS);
  buffers->give_back(out[0]);
  probe receive;
  ring->start(receive, request::receive_picked(a.get(), 3, 0));
  wait_for(*ring, [&] { return receive.ended(); });
  ASSERT_EQ(receive.result(), 1);
  EXPECT_EQ(receive.heard.back().buffer(), out[0]);
  EXPECT_EQ(buffers->bytes(out[0])[0], std::byte{'r'});
  buffers->unregister();
  buffers->unregister();
  buffers->give_back(out[1]);  // into nothing
  EXPECT_LT(run_one(*ring, request::receive_picked(a.get(), 3, 0)), 0);
}

TEST_P(Ring, WaitingEndsWithTheTime) {
  auto ring = make();
  ring->submit_and_wait(1'000'000);  // nothing is in flight: only the time can end this
  EXPECT_EQ(ring->reap(), 0u);
}

TEST_P(Ring, DetachedRequestsAreSilent) {
  auto ring = make();
  auto [a, b] = socket_pair();
  ring->start_detached(request::close(a.release()));
  ring->start_detached(request::close(-1));  // fails, and nobody hears
  std::array<std::byte, 4> into{};
  EXPECT_EQ(run_one(*ring, request::receive(b.get(), into)), 0) << "the other end is closed";
  EXPECT_EQ(ring->in_flight(), 0u);
  EXPECT_EQ(ring->count().stale, 0u);
}

TEST(RingFutex, LooksAtTheValueAndCanBeCancelled) {
  auto ring = tide::ring::ring::create({}).value();
  ASSERT_TRUE(ring->enable());
  if (!ring->available().futex) GTEST_SKIP() << "this kernel has no FUTEX_WAIT operation";
  std::uint32_t word = 7;
  EXPECT_EQ(run_one(*ring, request::futex_wait(&word, 8)), -EAGAIN);
  probe wait;
  ring->start(wait, request::futex_wait(&word, 7));
  ring->submit();
  ring->cancel(wait);
  wait_for(*ring, [&] { return wait.ended(); });
  EXPECT_EQ(wait.result(), -ECANCELED);
}

TEST(RingThreads, NoOtherThreadCanTakeTheRing) {
  auto ring = tide::ring::ring::create({}).value();
  ASSERT_TRUE(ring->enable());
  EXPECT_TRUE(ring->enable()) << "the same thread may ask again";
  std::thread([&] { EXPECT_EQ(ring->enable().error(), std::errc::file_exists); }).join();
  EXPECT_EQ(run_one(*ring, request::nop()), 0);
}

TEST(RingThreads, ARingThatWasLetGoMayDieOnAnotherThread) {
  // Each thread numbers its registered rings from 0: a ring that gave its number back from here would take away ours.
  auto ours = tide::ring::ring::create({}).value();
  ASSERT_TRUE(ours->enable());
  std::unique_ptr<tide::ring::ring> theirs;
  std::thread([&] {
    theirs = tide::ring::ring::create({}).value();
    ASSERT_TRUE(theirs->enable());
    EXPECT_EQ(run_one(*theirs, request::nop()), 0);
    theirs->disable();
  }).join();
  theirs.reset();
  const auto enters = ours->count().enters;
  EXPECT_EQ(run_one(*ours, request::nop()), 0);
  EXPECT_LE(ours->count().enters - enters, 2u);
}

TEST(RingLeaks, RingsLeaveNoDescriptor) {
  const auto before = support::open_descriptors();
  for (int i = 0; i < 200; ++i) {
    auto ring = tide::ring::ring::create({.entries = 8, .without = {}}).value();
    ASSERT_TRUE(ring->enable());
    auto buffers = tide::ring::buffer_ring::create(*ring, {.group = 1, .count = 8, .size = 64}).value();
    EXPECT_EQ(run_one(*ring, request::nop()), 0);
  }
  EXPECT_EQ(support::open_descriptors(), before);
}

TEST(BufferRingOptions, BadOnesAreRefused) {
  auto ring = tide::ring::ring::create({.entries = 8, .without = {}}).value();
  ASSERT_TRUE(ring->enable());
  const auto make = [&](unsigned count, std::size_t size) {
    return tide::ring::buffer_ring::create(*ring, {.group = 1, .count = count, .size = size});
  };
  EXPECT_FALSE(make(0, 64));
  EXPECT_FALSE(make(3, 64));
  EXPECT_FALSE(make(65536, 64));
  EXPECT_FALSE(make(8, 0));
  auto first = make(8, 64);
  ASSERT_TRUE(first);
  EXPECT_FALSE(make(8, 64)) << "the group is taken";
  EXPECT_EQ(run_one(*ring, request::nop()), 0);
}

}  // namespace
