// tcp_stream::exchange: a question and its answer in one submission.
#include <gtest/gtest.h>

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <random>
#include <string>
#include <thread>

#include <tide/base/descriptor.hpp>

#include "support/allocations.hpp"
#include "support/run.hpp"
#include "support/tcp.hpp"

namespace {

using namespace std::chrono_literals;
using support::run_here;
using tide::net::tcp_stream;

/// Answers each byte with its successor.
tide::task<> successor(tcp_stream peer) {
  while (true) {
    auto data = co_await peer.receive();
    if (!data || data->empty()) co_return;
    std::string answer(tide::text_of(data->bytes()));
    for (char& each : answer) ++each;
    if (!co_await peer.write_all(std::move(answer))) co_return;
  }
}

TEST(Exchange, GivesTheAnswerToTheQuestion) {
  run_here([](tide::scope& scope) -> tide::task<> {
    auto listener = support::listen();
    auto [client, server] = co_await support::connect(listener);
    scope.spawn(successor, std::move(server));
    std::array<std::byte, 64> answer{};
    for (int i = 0; i < 100; ++i) {
      const std::string question(static_cast<std::size_t>(i % 7), static_cast<char>('a' + i % 20));
      if (question.empty()) continue;
      std::string got;
      auto size = co_await client.exchange(tide::bytes_of(question), answer);
      while (size && *size != 0) {
        got += tide::text_of(std::span(answer).first(*size));
        if (got.size() == question.size()) break;
        size = co_await client.read_some(answer);
      }
      EXPECT_EQ(got, std::string(question.size(), static_cast<char>(question[0] + 1)));
    }
    EXPECT_TRUE(co_await client.shutdown());
    EXPECT_EQ(co_await client.exchange({}, answer), 0u) << "nothing to ask is a receive";
  });
}

/// More than the socket takes: the receive must wait for all of it, and takes what the peer says then.
TEST(Exchange, AQuestionThatFillsTheSocketIsSentWhole) {
  run_here([](tide::scope& scope) -> tide::task<> {
    auto listener = support::listen();
    auto [client, server] = co_await support::connect(listener, {.send_buffer = 4096});
    const std::string question(10'000'000, 'q');
    const auto count = [](tcp_stream peer, std::size_t expected) -> tide::task<> {
      std::size_t got = 0;
      while (got < expected) {
        auto data = co_await peer.receive();
        if (!data || data->empty()) break;
        got += data->size();
      }
      EXPECT_EQ(got, expected);
      EXPECT_TRUE(co_await peer.write_all("thanks"));
    };
    scope.spawn(count, std::move(server), question.size());
    std::array<std::byte, 64> answer{};
    std::string got;
    auto size = co_await client.exchange(tide::bytes_of(question), answer);
    while (size && *size != 0) {
      got += tide::text_of(std::span(answer).first(*size));
      size = co_await client.read_some(answer);
    }
    EXPECT_EQ(got, "thanks");
  });
}

/// The receiver that receive() left with the kernel holds bytes, or will: they come first.
TEST(Exchange, KeepsTheOrderOfBytesAfterReceive) {
  run_here([](tide::scope&) -> tide::task<> {
    auto listener = support::listen();
    auto [client, server] = co_await support::connect(listener);
    std::array<std::byte, 1> one{};
    EXPECT_TRUE(co_await server.write_all("a"));
    const auto first = co_await client.receive();
    EXPECT_EQ(tide::text_of(first.value().bytes()), "a");
    EXPECT_TRUE(co_await server.write_all("bcd"));
    std::string got;
    for (int i = 0; i < 3; ++i) {
      const auto size = co_await client.exchange(tide::bytes_of("?"), one);
      EXPECT_EQ(size, 1u);
      got += tide::text_of(one);
    }
    EXPECT_EQ(got, "bcd");
    std::string asked;
    while (asked.size() < 3) {
      const auto heard = co_await server.receive();
      if (!heard || heard->empty()) break;
      asked += tide::text_of(heard->bytes());
    }
    EXPECT_EQ(asked, "???");
  });
}

std::error_code error_of(const tide::result<std::size_t>& got) { return got ? std::error_code() : got.error(); }

TEST(Exchange, SaysWhyItFailed) {
  run_here([](tide::scope& scope) -> tide::task<> {
    auto listener = support::listen();
    std::array<std::byte, 8> answer{};
    {
      auto [client, server] = co_await support::connect(listener);
      EXPECT_TRUE(co_await client.shutdown());
      EXPECT_EQ(error_of(co_await client.exchange(tide::bytes_of("x"), answer)), std::errc::broken_pipe);
    }
    {
      auto [client, server] = co_await support::connect(listener);
      EXPECT_EQ(error_of(co_await tide::timeout(1ms, client.exchange(tide::bytes_of("x"), answer))), tide::errc::timed_out);
    }
    auto [client, server] = co_await support::connect(listener);
    scope.cancel();
    EXPECT_EQ(error_of(co_await client.exchange(tide::bytes_of("x"), answer)), tide::errc::canceled);
  });
}

/// Cancels at random moments of questions that the peer answers, or reads slowly, or not at all.
TEST(Exchange, RandomCancelsEndIt) {
  run_here([](tide::scope& scope) -> tide::task<> {
    auto listener = support::listen();
    std::mt19937 random(11);
    const std::string question(100'000, 'q');
    for (int i = 0; i < 300; ++i) {
      auto [client, server] = co_await support::connect(listener, {.send_buffer = 4096});
      if (i % 3 == 0) scope.spawn(successor, std::move(server));
      std::array<std::byte, 16> answer{};
      const auto size = i % 2 == 0 ? 1 : question.size();
      const auto asked = tide::bytes_of(question).first(size);
      const auto got = co_await tide::timeout(std::chrono::microseconds(random() % 300), client.exchange(asked, answer));
      EXPECT_TRUE(got || got.error() == tide::errc::timed_out) << got.error().message();
    }
  });
}

TEST(Exchange, AllocatesNothing) {
  if (!support::counts_allocations) GTEST_SKIP() << "not counted under a sanitizer";
  if (support::unkind_seed() != 0) GTEST_SKIP() << "the fault injector allocates";
  run_here([](tide::scope& scope) -> tide::task<> {
    auto listener = support::listen();
    auto [client, server] = co_await support::connect(listener);
    const auto echo = [](tcp_stream peer) -> tide::task<> {
      std::array<std::byte, 16> memory{};
      auto size = co_await peer.read_some(memory);
      while (size && *size != 0) size = co_await peer.exchange(std::span(memory).first(*size), memory);
    };
    scope.spawn(echo, std::move(server));
    const auto some = [](tcp_stream& stream) -> tide::task<> {
      std::array<std::byte, 16> answer{};
      for (int i = 0; i < 500; ++i) EXPECT_EQ(co_await stream.exchange(tide::bytes_of("ping"), answer), 4u);
    };
    co_await some(client);
    const support::allocations counted;
    co_await some(client);
    EXPECT_EQ(counted.so_far(), 0u);
  });
}

/// Against a peer on a thread of its own, so that the ring has nothing else to enter for.
TEST(Exchange, EntersTheKernelOnceAMessage) {
  if (support::unkind_seed() != 0) GTEST_SKIP() << "the fault injector enters when it likes";
  constexpr std::uint64_t messages = 200;
  run_here([](tide::scope&) -> tide::task<> {
    auto listener = support::listen();
    auto [client, server] = co_await support::connect(listener);
    std::jthread peer([fd = server.native_handle()] {
      std::array<char, 16> memory{};
      for (ssize_t size = 1; size > 0;) {
        size = ::recv(fd, memory.data(), memory.size(), 0);
        if (size > 0) size = ::send(fd, memory.data(), static_cast<std::size_t>(size), MSG_NOSIGNAL);
      }
    });
    std::array<std::byte, 16> answer{};
    EXPECT_EQ(co_await client.exchange(tide::bytes_of("warm"), answer), 4u);
    const tide::ring::counters& count = tide::executor::current()->ring().count();
    const std::uint64_t enters = count.enters;
    const std::uint64_t completions = count.completed;
    for (std::uint64_t i = 0; i < messages; ++i) EXPECT_EQ(co_await client.exchange(tide::bytes_of("ping"), answer), 4u);
    EXPECT_LE(count.enters - enters, messages + messages / 10);
    EXPECT_LE(count.completed - completions, messages + messages / 10);
    EXPECT_TRUE(co_await client.shutdown());
    peer.join();
  });
}

}  // namespace
