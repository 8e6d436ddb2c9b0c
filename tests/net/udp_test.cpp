#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <system_error>
#include <vector>

#include <tide/net/udp.hpp>
#include <tide/runtime/time.hpp>

#include "support/allocations.hpp"
#include "support/run.hpp"

namespace {

using namespace std::chrono_literals;
using support::run_here;
using tide::net::address;
using tide::net::udp_options;
using tide::net::udp_socket;

udp_socket make(const udp_options& wanted = {}) { return udp_socket::bind({"127.0.0.1", 0}, wanted).value(); }
address where(const udp_socket& of) { return of.local_address().value(); }

std::vector<std::byte> bytes_of_size(std::size_t size, unsigned seed) {
  std::vector<std::byte> made(size);
  for (std::size_t i = 0; i < size; ++i) made[i] = static_cast<std::byte>(i * 31 + i / 251 + seed);
  return made;
}

// A send buffer as small as the system allows: a large datagram waits until the one before it has left.
TEST(Udp, EverySizeArrivesWhole) {
  run_here([](tide::scope&) -> tide::task<> {
    udp_socket from = make({.send_buffer = 1});
    udp_socket to = make({.receive_buffer = 1 << 20});
    std::vector<std::size_t> sizes = {0, 1, 2, 1199, 1200, 1472, 1473, 8192, 65'506, udp_socket::most_bytes};
    std::mt19937 random(7);
    for (int i = 0; i < 300; ++i) sizes.push_back(random() % (udp_socket::most_bytes + 1));
    std::vector<std::byte> memory(udp_socket::most_bytes + 1);
    unsigned seed = 0;
    for (const std::size_t size : sizes) {
      const auto sent = bytes_of_size(size, ++seed);
      const auto went = co_await from.send_to(sent, where(to));
      EXPECT_TRUE(went.has_value()) << size;
      const auto got = co_await tide::timeout(10s, to.receive_from(memory));
      EXPECT_TRUE(got.has_value()) << size;
      if (!went || !got) co_return;
      EXPECT_EQ(got->size, size);
      EXPECT_FALSE(got->truncated);
      EXPECT_EQ(got->from.to_string(), where(from).to_string());
      EXPECT_TRUE(std::ranges::equal(got->bytes(memory), sent)) << size;
    }
  });
}

TEST(Udp, OneThatIsTooLongIsRefused) {
  run_here([](tide::scope&) -> tide::task<> {
    udp_socket from = make();
    const auto went = co_await from.send_to(bytes_of_size(udp_socket::most_bytes + 1, 0), where(from));
    EXPECT_EQ(went.error(), std::errc::message_size);
  });
}

TEST(Udp, WhatDoesNotFitIsSaidToBeCut) {
  run_here([](tide::scope&) -> tide::task<> {
    udp_socket from = make();
    udp_socket to = make();
    EXPECT_TRUE(co_await from.send_to("hello", where(to)));
    EXPECT_TRUE(co_await from.send_to("hell", where(to)));
    std::array<std::byte, 4> memory{};
    const auto first = co_await to.receive_from(memory);
    EXPECT_EQ(first->size, 4u);
    EXPECT_TRUE(first->truncated);
    const auto second = co_await to.receive_from(memory);
    EXPECT_EQ(second->size, 4u);
    EXPECT_FALSE(second->truncated);
  });
}

TEST(Udp, SegmentsArriveAsDatagrams) {
  run_here([](tide::scope&) -> tide::task<> {
    udp_socket from = make();
    udp_socket to = make();
    const auto all = bytes_of_size(1200 * 5 + 17, 3);
    EXPECT_TRUE(co_await from.send_segments(all, 1200, where(to)));
    std::vector<std::byte> memory(2000);
    std::vector<std::byte> whole;
    for (int i = 0; i < 6; ++i) {
      const auto got = co_await to.receive_from(memory);
      EXPECT_EQ(got->size, i < 5 ? 1200u : 17u);
      whole.insert(whole.end(), memory.begin(), memory.begin() + static_cast<std::ptrdiff_t>(got->size));
    }
    EXPECT_EQ(whole, all);
  });
}

TEST(Udp, CoalescedOnesTellTheirSize) {
  run_here([](tide::scope&) -> tide::task<> {
    udp_socket from = make();
    udp_socket to = make({.coalesce = true});
    const auto all = bytes_of_size(1200 * 5 + 17, 3);
    EXPECT_TRUE(co_await from.send_segments(all, 1200, where(to)));
    std::vector<std::byte> memory(65'536);
    std::vector<std::byte> whole;
    while (whole.size() < all.size()) {  // in how many pieces is the kernel's choice
      const auto got = co_await to.receive_from(memory);
      EXPECT_TRUE(got->segment == 1200 || (got->segment == 0 && got->size <= 1200)) << got->segment;
      whole.insert(whole.end(), memory.begin(), memory.begin() + static_cast<std::ptrdiff_t>(got->size));
    }
    EXPECT_EQ(whole, all);
  });
}

TEST(Udp, ABatchTakesOneSubmission) {
  run_here([](tide::scope& scope) -> tide::task<> {
    constexpr std::size_t count = 12;  // fewer than any suite's queue has entries
    udp_socket from = make();
    udp_socket to = make();
    std::vector<std::vector<std::byte>> sent;
    tide::net::udp_batch batch(count);
    for (unsigned i = 0; i < count; ++i) sent.push_back(bytes_of_size(10 + i, i));
    for (const auto& each : sent) EXPECT_TRUE(batch.add(each, where(to)));
    EXPECT_FALSE(batch.add(sent.front(), where(to)));
    co_await tide::yield();
    const auto& counts = scope.node().home().ring().count();
    const auto before = counts.enters;
    EXPECT_EQ(co_await from.send(batch), count);
    if (support::unkind_seed() == 0) {
      EXPECT_EQ(counts.enters - before, 1u);
    }
    std::vector<std::byte> memory(100);
    std::vector<bool> seen(count);
    for (std::size_t i = 0; i < count; ++i) {
      const auto got = co_await to.receive_from(memory);
      const std::size_t which = got->size - 10;
      EXPECT_TRUE(which < count && std::ranges::equal(got->bytes(memory), sent[which]));
      if (which < count) seen[which] = true;
    }
    EXPECT_EQ(std::ranges::count(seen, true), count);
  });
}

TEST(Udp, ABatchTellsHowManyWent) {
  run_here([](tide::scope&) -> tide::task<> {
    udp_socket from = make();
    const auto small = bytes_of_size(10, 0);
    const auto large = bytes_of_size(udp_socket::most_bytes + 1, 0);
    tide::net::udp_batch batch(2);
    EXPECT_EQ(co_await from.send(batch), 0u);
    batch.add(large, where(from));
    EXPECT_EQ((co_await from.send(batch)).error(), std::errc::message_size);
    batch.add(small, where(from));
    EXPECT_EQ(co_await from.send(batch), 1u);
  });
}

TEST(Udp, AConnectedOneHearsThatNobodyListens) {
  run_here([](tide::scope&) -> tide::task<> {
    udp_socket from = make();
    address gone;
    {
      udp_socket other = make();
      gone = where(other);
    }
    co_await tide::sleep(1ms);  // closed through the ring: once the kernel has turned, the port is free
    EXPECT_TRUE(co_await from.connect(gone));
    std::array<std::byte, 8> memory{};
    EXPECT_TRUE(co_await from.send(tide::bytes_of("x")));
    const auto got = co_await tide::timeout(10s, from.receive_from(memory));
    EXPECT_EQ(got.error(), std::errc::connection_refused);
  });
}

TEST(Udp, ACancelledReceiveLosesNothing) {
  run_here([](tide::scope&) -> tide::task<> {
    udp_socket from = make();
    udp_socket to = make();
    std::array<std::byte, 8> memory{};
    for (int i = 0; i < 100; ++i) {
      const auto none = co_await tide::timeout(0ns, to.receive_from(memory));
      EXPECT_FALSE(none.has_value());
      EXPECT_TRUE(co_await from.send_to("abc", where(to)));
      const auto got = co_await tide::timeout(10s, to.receive_from(memory));
      EXPECT_TRUE(got && got->size == 3);
    }
  });
}

TEST(Udp, SteadyTrafficAllocatesNothing) {
  if (support::unkind_seed() != 0) GTEST_SKIP() << "the fault-injecting ring allocates";
  run_here([](tide::scope&) -> tide::task<> {
    udp_socket from = make();
    udp_socket to = make();
    std::array<std::byte, 8> memory{};
    tide::net::udp_batch batch(1);
    batch.add(tide::bytes_of("abc"), where(to));
    const auto turn = [&]() -> tide::task<> {
      EXPECT_TRUE(co_await from.send_to("abc", where(to)));
      EXPECT_TRUE(co_await to.receive_from(memory));
      EXPECT_TRUE(co_await from.send(batch));
      EXPECT_TRUE(co_await to.receive_from(memory));
    };
    for (int i = 0; i < 10; ++i) co_await turn();
    const support::allocations counted;
    for (int i = 0; i < 100; ++i) co_await turn();
    EXPECT_EQ(counted.so_far(), 0u);
  });
}

TEST(Udp, OptionsThatCannotBeSetAreErrors) {
  EXPECT_EQ(udp_socket::bind(address("nowhere", 1)).error(), tide::errc::malformed);
  udp_socket one = make();
  EXPECT_EQ(udp_socket::bind(where(one)).error(), std::errc::address_in_use);
  EXPECT_FALSE(one.join(address("10.0.0.1", 0)));  // no group
  EXPECT_TRUE(one.multicast_ttl(4));
}

}  // namespace
