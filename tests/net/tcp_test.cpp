#include <gtest/gtest.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "support/allocations.hpp"
#include "support/process.hpp"
#include "support/run.hpp"
#include "support/tcp.hpp"

namespace {

using namespace std::chrono_literals;
using support::run_here;
using tide::net::tcp_stream;

std::string text_of_size(std::size_t size) {
  std::string text(size, ' ');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + (i * 31 + i / 251) % 26);
  return text;
}

tide::task<> echo_picked(tcp_stream peer) {
  while (true) {
    auto data = co_await peer.receive();
    if (!data || data->empty()) co_return;
    if (!co_await peer.write_all(std::move(*data))) co_return;
  }
}

tide::task<> echo_lent(tcp_stream peer) {
  std::vector<std::byte> memory(4096);
  while (true) {
    const auto size = co_await peer.read_some(std::span(memory));
    if (!size || *size == 0) co_return;
    if (!co_await peer.write_all(tide::bytes_view(memory).first(*size))) co_return;
  }
}

tide::task<> echo_given(tcp_stream peer) {
  std::string buffer(5000, '\0');
  while (true) {
    auto [size, back] = co_await peer.read(std::move(buffer));
    if (!size || *size == 0) co_return;
    EXPECT_EQ(back.size(), 5000u);
    if (!co_await peer.write_all(std::string(back, 0, *size))) co_return;
    buffer = std::move(back);
  }
}

tide::task<> send_and_finish(tcp_stream& stream, const std::string& text) {
  EXPECT_TRUE(co_await stream.write_all(text));
  EXPECT_TRUE(co_await stream.shutdown());
}

tide::task<std::string> read_to_end(tcp_stream& stream) {
  std::string got;
  while (true) {
    const auto data = co_await stream.receive();
    EXPECT_TRUE(data);
    if (!data || data->empty()) co_return got;
    got += tide::text_of(data->bytes());
  }
}

class TcpEcho : public testing::TestWithParam<tide::task<> (*)(tcp_stream)> {};
INSTANTIATE_TEST_SUITE_P(By, TcpEcho, testing::Values(&echo_picked, &echo_lent, &echo_given), [](const auto& each) {
  return each.index == 0 ? "Picked" : each.index == 1 ? "Lent" : "Given";
});

TEST_P(TcpEcho, FromNothingToAMebibyte) {
  run_here([](tide::scope& scope) -> tide::task<> {
    auto listener = support::listen();
    for (const std::size_t size : {0u, 1u, 2u, 4095u, 4096u, 4097u, 16383u, 16384u, 16385u, 100'000u, 1'048'576u}) {
      auto [client, server] = co_await support::connect(listener);
      const std::string text = text_of_size(size);
      scope.spawn(GetParam(), std::move(server));
      scope.spawn(send_and_finish, std::ref(client), std::ref(text));
      const std::string got = co_await read_to_end(client);
      EXPECT_EQ(got.size(), size);
      EXPECT_TRUE(got == text) << size;
      co_await scope.join();
    }
  });
}

TEST(Tcp, AddressesOfBothEnds) {
  run_here([](tide::scope&) -> tide::task<> {
    auto listener = support::listen();
    auto [client, server] = co_await support::connect(listener);
    EXPECT_EQ(client.peer_address()->to_string(), listener.local_address()->to_string());
    EXPECT_EQ(client.local_address()->to_string(), server.peer_address()->to_string());
    EXPECT_TRUE(client);
    tcp_stream moved = std::move(client);
    EXPECT_FALSE(client);
    EXPECT_EQ((co_await client.receive()).error(), std::errc::bad_file_descriptor);
  });
}

TEST(Tcp, RefusedAndMalformed) {
  run_here([](tide::scope&) -> tide::task<> {
    tide::net::address gone;
    {
      auto listener = support::listen();
      gone = listener.local_address().value();
    }
    EXPECT_EQ((co_await tcp_stream::connect(gone)).error(), std::errc::connection_refused);
    EXPECT_EQ((co_await tcp_stream::connect({"nonsense", 1})).error(), tide::errc::malformed);
    EXPECT_EQ(tide::net::tcp_listener::bind({"nonsense", 1}).error(), tide::errc::malformed);
    auto listener = support::listen();
    EXPECT_EQ(tide::net::tcp_listener::bind(listener.local_address().value()).error(), std::errc::address_in_use);
  });
}

TEST(Tcp, EndOfStreamStaysTheEnd) {
  run_here([](tide::scope&) -> tide::task<> {
    auto listener = support::listen();
    auto [client, server] = co_await support::connect(listener);
    EXPECT_TRUE(co_await server.write_all("last"));
    EXPECT_TRUE(co_await server.shutdown());
    EXPECT_EQ(co_await read_to_end(client), "last");
    for (int i = 0; i < 3; ++i) EXPECT_TRUE((co_await client.receive())->empty());
    EXPECT_TRUE(co_await client.write_all("the other way still works"));
    EXPECT_EQ((co_await server.receive())->size(), 25u);
  });
}

TEST(Tcp, ThePeerResets) {
  run_here([](tide::scope&) -> tide::task<> {
    auto listener = support::listen();
    auto [client, server] = co_await support::connect(listener);
    const linger reset{.l_onoff = 1, .l_linger = 0};
    EXPECT_EQ(::setsockopt(server.native_handle(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    {
      const tcp_stream gone = std::move(server);
    }
    EXPECT_EQ((co_await client.receive()).error(), std::errc::connection_reset);
    EXPECT_EQ((co_await client.write_all("nobody")).error(), std::errc::broken_pipe);
  });
}

TEST(Tcp, ASlowReaderGetsEverything) {
  run_here([](tide::scope& scope) -> tide::task<> {
    auto listener = support::listen({.accepted = {.send_buffer = 8192}});
    auto [client, server] = co_await support::connect(listener, {.receive_buffer = 4096});
    const std::string text = text_of_size(400'000);
    scope.spawn(send_and_finish, std::ref(server), std::ref(text));
    std::string got;
    std::vector<std::byte> little(1000);
    while (true) {
      const auto size = co_await client.read_some(little);
      EXPECT_TRUE(size);
      if (!size || *size == 0) break;
      got += tide::text_of(std::span(little).first(*size));
      co_await tide::yield();
    }
    EXPECT_TRUE(got == text);
    co_await scope.join();
  });
}

TEST(Tcp, WriteSomeTakesWhatFits) {
  run_here([](tide::scope&) -> tide::task<> {
    auto listener = support::listen({.accepted = {.send_buffer = 8192}});
    auto [client, server] = co_await support::connect(listener, {.receive_buffer = 4096});
    std::string one = text_of_size(10);
    std::string two = text_of_size(4'000'000);
    const iovec pieces[] = {{one.data(), one.size()}, {two.data(), two.size()}};
    const auto wrote = co_await server.write_some(pieces);
    EXPECT_TRUE(wrote);
    EXPECT_GT(*wrote, one.size());
    EXPECT_LT(*wrote, one.size() + two.size());
    EXPECT_TRUE(co_await server.shutdown());
    EXPECT_TRUE(co_await read_to_end(client) == (one + two).substr(0, *wrote));
  });
}

TEST(Tcp, CancelOfEveryWait) {
  const auto descriptors = support::open_descriptors();
  run_here([](tide::scope&) -> tide::task<> {
    auto listener = support::listen({.accepted = {.send_buffer = 8192}});
    EXPECT_EQ((co_await tide::timeout(1ms, listener.accept())).error(), tide::errc::timed_out);
    auto [client, server] = co_await support::connect(listener, {.receive_buffer = 4096});
    EXPECT_EQ((co_await tide::timeout(1ms, client.receive())).error(), tide::errc::timed_out);
    std::array<std::byte, 8> memory;
    EXPECT_EQ((co_await tide::timeout(1ms, client.read_some(memory))).error(), tide::errc::timed_out);
    auto [size, back] = co_await tide::timeout(1ms, client.read(std::string("12345")));
    EXPECT_EQ(size.error(), tide::errc::timed_out);
    EXPECT_EQ(back, "12345") << "the buffer comes back on cancel too";
    EXPECT_EQ((co_await tide::timeout(1ms, server.write_all(std::string(10'000'000, 'x')))).error(), tide::errc::timed_out);
    const std::string much(1'000'000, 'x');
    EXPECT_EQ((co_await tide::timeout(1ms, server.write_all(much))).error(), tide::errc::timed_out);
    std::string more(1'000'000, 'x');
    const iovec piece{more.data(), more.size()};
    EXPECT_EQ((co_await tide::timeout(1ms, server.write_some(std::span(&piece, 1)))).error(), tide::errc::timed_out);
    // In a scope that is cancelled already nothing begins.
    co_await tide::with_scope([&](tide::scope& inner) -> tide::task<> {
      inner.cancel();
      EXPECT_EQ((co_await listener.accept()).error(), tide::errc::canceled);
      EXPECT_EQ((co_await client.receive()).error(), tide::errc::canceled);
      EXPECT_EQ((co_await client.shutdown()).error(), tide::errc::canceled);
      EXPECT_EQ((co_await client.write_all("x")).error(), tide::errc::canceled);
      EXPECT_EQ((co_await tcp_stream::connect(listener.local_address().value())).error(), tide::errc::canceled);
    });
  });
  EXPECT_EQ(support::open_descriptors(), descriptors);
}

TEST(Tcp, ConnectThatNobodyAnswersIsCancelled) {
  const auto descriptors = support::open_descriptors();
  run_here([](tide::scope&) -> tide::task<> {
    // A listener whose queue is full leaves further connects without an answer.
    auto listener = support::listen({.backlog = 0});
    std::vector<tcp_stream> queue;
    std::error_code error;
    for (int i = 0; i < 20 && !error; ++i) {
      auto made = co_await tide::timeout(50ms, tcp_stream::connect(listener.local_address().value()));
      if (made) {
        queue.push_back(std::move(*made));
      } else {
        error = made.error();
      }
    }
    EXPECT_EQ(error, tide::errc::timed_out);
  });
  EXPECT_EQ(support::open_descriptors(), descriptors);
}

TEST(Tcp, CloseEndsWhatIsPendingAndSendsTheEnd) {
  run_here([](tide::scope& scope) -> tide::task<> {
    auto listener = support::listen();
    auto [client, server] = co_await support::connect(listener);
    bool ended = false;
    scope.spawn([&]() -> tide::task<> {
      EXPECT_EQ((co_await client.receive()).error(), tide::errc::canceled);
      ended = true;
    });
    co_await tide::yield();
    co_await tide::yield();
    EXPECT_TRUE(co_await client.write_all("bye"));
    co_await client.close();
    EXPECT_TRUE(ended);
    EXPECT_FALSE(client);
    co_await client.close();
    EXPECT_EQ(co_await read_to_end(server), "bye");
  });
}

TEST(Tcp, CloseWorksInACancelledScope) {
  run_here([](tide::scope& scope) -> tide::task<> {
    auto listener = support::listen();
    auto [client, server] = co_await support::connect(listener);
    scope.spawn(
        [](tcp_stream stream) -> tide::task<> {
          EXPECT_EQ((co_await stream.receive()).error(), tide::errc::canceled);
          co_await stream.close();
        },
        std::move(client));
    co_await tide::yield();
    scope.cancel();
    co_await scope.join();
    EXPECT_EQ(::recv(server.native_handle(), nullptr, 0, MSG_DONTWAIT | MSG_PEEK), 0);
  });
}

TEST(Tcp, EchoAllocatesNothing) {
  if (!support::counts_allocations) GTEST_SKIP() << "not counted under a sanitizer";
  if (support::unkind_seed() != 0) GTEST_SKIP() << "the fault injector allocates";
  run_here([](tide::scope& scope) -> tide::task<> {
    auto listener = support::listen();
    auto [client, server] = co_await support::connect(listener);
    scope.spawn(echo_picked, std::move(server));
    const auto some = [](tcp_stream& stream) -> tide::task<> {
      std::array<std::byte, 64> memory{};
      for (int i = 0; i < 500; ++i) {
        (void)co_await stream.write_all("ping");
        if (i % 2 == 0) {
          (void)co_await stream.receive();
        } else {
          (void)co_await tide::timeout(1h, stream.read_some(memory));
        }
      }
    };
    co_await some(client);
    const support::allocations counted;
    co_await some(client);
    EXPECT_EQ(counted.so_far(), 0u);
  });
}

TEST(Tcp, AnEchoTakesTwoEntersAndTwoCompletionsAtMost) {
  if (support::unkind_seed() != 0) GTEST_SKIP() << "counts what a kind kernel needs";
  constexpr std::uint64_t messages = 500;
  run_here([](tide::scope& scope) -> tide::task<> {
    auto listener = support::listen();
    std::thread client([to = listener.local_address().value()] {
      const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      EXPECT_EQ(::connect(fd, to.raw(), to.raw_size()), 0);
      std::array<char, 4> memory{};
      for (std::uint64_t i = 0; i < messages; ++i) {
        EXPECT_EQ(::send(fd, "ping", 4, MSG_NOSIGNAL), 4);
        EXPECT_EQ(::recv(fd, memory.data(), memory.size(), MSG_WAITALL), 4);
      }
      ::close(fd);
    });
    auto server = co_await listener.accept();
    const auto before = scope.node().home().ring().count();
    co_await echo_picked(std::move(server.value()));
    const auto after = scope.node().home().ring().count();
    EXPECT_LE(after.enters - before.enters, 2 * messages + 10);
    EXPECT_LE(after.completed - before.completed, 2 * messages + 10);
    client.join();
  });
}

/// Reads, accepts and time-outs that are cancelled at random moments, with data racing the request. What the kernel still
/// held when memory is freed, AddressSanitizer sees; a lost byte, the count at the end.
TEST(Tcp, RandomCancelsLoseNothing) {
  const auto descriptors = support::open_descriptors();
  run_here([](tide::scope& scope) -> tide::task<> {
    auto listener = support::listen();
    auto [client, server] = co_await support::connect(listener);
    std::mt19937 random(7);
    std::size_t sent = 0;
    bool all_sent = false;
    scope.spawn([&]() -> tide::task<> {
      std::mt19937 dice(11);
      for (int i = 0; i < 3'000; ++i) {
        const std::string text(1 + dice() % 300, 'x');
        EXPECT_TRUE(co_await server.write_all(text));
        sent += text.size();
        co_await tide::sleep(std::chrono::microseconds(dice() % 60));
      }
      EXPECT_TRUE(co_await server.shutdown());
      all_sent = true;
    });
    std::size_t got = 0;
    std::size_t cancelled = 0;
    const auto at = listener.local_address().value();
    for (bool ended = false; !ended;) {
      const auto time = std::chrono::microseconds(random() % 80);
      tide::result<std::size_t> size;
      switch (random() % 5) {
        case 0: {
          auto memory = std::make_unique<std::array<std::byte, 256>>();
          size = co_await tide::timeout(time, client.read_some(*memory));
          break;
        }
        case 1: {
          auto given = co_await tide::timeout(time, client.read(std::vector<std::byte>(200)));
          size = given.size;
          break;
        }
        case 2: {
          const auto chunk = co_await tide::timeout(time, client.receive());
          size = chunk.transform([](const tide::chunk& each) { return each.size(); });
          break;
        }
        case 3: {
          auto accepted = co_await tide::timeout(time, listener.accept());
          size = tide::fail(tide::errc::timed_out);
          break;
        }
        default: {
          auto connected = co_await tide::timeout(time, tcp_stream::connect(at));
          size = tide::fail(tide::errc::timed_out);
          break;
        }
      }
      if (size) {
        got += *size;
        ended = *size == 0;
      } else {
        EXPECT_EQ(size.error(), tide::errc::timed_out);
        ++cancelled;
      }
    }
    co_await scope.join();
    EXPECT_EQ(got, sent);
    EXPECT_GT(cancelled, 100u);
    EXPECT_TRUE(all_sent);
  });
  EXPECT_EQ(support::open_descriptors(), descriptors);
}

}  // namespace
