// Writes without a copy: they arrive whole, end when the kernel has let go of the memory, fall back where they cannot be
// had, and let go when they are cancelled.
#include <gtest/gtest.h>

#include <cerrno>
#include <random>
#include <string>
#include <vector>

#include <tide/base/bytes.hpp>
#include <tide/runtime/registered_memory.hpp>
#include <tide/runtime/time.hpp>

#include "support/poisoned.hpp"
#include "support/run.hpp"
#include "support/tcp.hpp"
#include "support/verdict.hpp"

namespace {

using namespace std::chrono_literals;
using support::run_here;
using tide::net::tcp_stream;

const unsigned send_kind = tide::ring::request::send(0, {}, true).operation();
const unsigned zero_copy_kind = tide::ring::request::send_zero_copy(0, {}, true).operation();
constexpr std::size_t from = 10'000;
const tide::net::tcp_options zero_copy{.zero_copy_from = from};

std::string text_of_size(std::size_t size) {
  std::mt19937 random(static_cast<unsigned>(size));
  std::string text(size, '\0');
  for (char& each : text) each = static_cast<char>('a' + random() % 26);
  return text;
}

tide::task<> expect_text(tcp_stream& on, std::string expected) {
  std::string all(expected.size(), '\0');
  for (std::size_t done = 0; done < all.size();) {
    const auto size = co_await on.read_some(std::as_writable_bytes(std::span(all)).subspan(done));
    EXPECT_TRUE(size && *size > 0);
    if (!size || *size == 0) co_return;
    done += *size;
  }
  EXPECT_TRUE(all == expected);
}

TEST(ZeroCopy, WritesOfAnySizeArriveWholeAndTheLargeOnesAreNotCopied) {
  support::one_failure none;
  tide::executor::create(none.options()).value()->run([&](tide::scope&) -> tide::task<> {
    auto listener = support::listen({.accepted = zero_copy});
    auto [client, server] = co_await support::connect(listener, zero_copy);
    for (tcp_stream* const writer : {&client, &server}) {
      tcp_stream& reader = writer == &client ? server : client;
      const auto copied = none.seen[send_kind];
      EXPECT_TRUE(co_await writer->write_all(text_of_size(from - 1)));
      co_await expect_text(reader, text_of_size(from - 1));
      EXPECT_GT(none.seen[send_kind], copied);
      const auto not_copied = none.seen[zero_copy_kind];
      EXPECT_TRUE(co_await writer->write_all(text_of_size(from)));
      EXPECT_GT(none.seen[zero_copy_kind], not_copied);
      co_await expect_text(reader, text_of_size(from));
    }
  });
}

TEST(ZeroCopy, MoreThanTheSocketHoldsIsSentAsItIsTaken) {
  run_here([](tide::scope& scope) -> tide::task<> {
    auto listener = support::listen();
    auto [client, server] = co_await support::connect(listener, {.send_buffer = 30'000, .zero_copy_from = from});
    const std::string text = text_of_size(1'000'000);
    auto writing = scope.spawn_joinable(
        [](tcp_stream& on, std::string_view what) -> tide::task<bool> {
          co_return (co_await on.write_all(what)).has_value();
        },
        std::ref(client), std::string_view(text));
    co_await expect_text(server, text);
    EXPECT_TRUE(co_await std::move(writing));
  });
}

TEST(ZeroCopy, RegisteredMemoryArrivesToo) {
  run_here(
      [](tide::scope&) -> tide::task<> {
        auto listener = support::listen();
        auto [client, server] = co_await support::connect(listener, zero_copy);
        const std::string text = text_of_size(50'000);
        auto buffer = tide::executor::current()->registered()->allocate(text.size()).value();
        std::ranges::copy(tide::bytes_of(text), buffer.data());
        EXPECT_TRUE(co_await client.write_all(std::move(buffer)));
        co_await expect_text(server, text);
        EXPECT_EQ(tide::executor::current()->registered()->available(), 65'536u) << "given back with the operation";
      },
      {.registered_memory = 65'536});
}

TEST(ZeroCopy, WhereItCannotBeHadTheBytesAreCopied) {
  for (const int error : {EOPNOTSUPP, ENOBUFS, ENOMEM, EINTR, EPIPE}) {
    support::one_failure failing{.kind = zero_copy_kind, .error = error};
    tide::executor::create(failing.options()).value()->run([&](tide::scope&) -> tide::task<> {
      auto listener = support::listen();
      auto [client, server] = co_await support::connect(listener, zero_copy);
      const auto written = co_await client.write_all(text_of_size(2 * from));
      EXPECT_TRUE(failing.happened);
      EXPECT_EQ(written.has_value(), error != EPIPE) << error;
      if (written) co_await expect_text(server, text_of_size(2 * from));
    });
  }
}

TEST(ZeroCopy, ACancelledOneMakesTheKernelLetGoThoughThePeerTakesNothing) {
  support::poisoned_memory memory(4, 4 << 20);
  run_here([&](tide::scope&) -> tide::task<> {
    auto listener = support::listen();
    for (int i = 0; i < 3; ++i) {
      auto [client, server] = co_await support::connect(listener, {.send_buffer = 1 << 20, .zero_copy_from = from});
      auto block = memory.take();
      const auto written = co_await tide::timeout(1ms, client.write_all(std::move(block)));
      EXPECT_EQ(written.error_or(std::error_code()), tide::errc::timed_out);
      auto heard = co_await server.receive();
      while (heard && !heard->empty()) heard = co_await server.receive();
      EXPECT_EQ(heard.error_or(std::error_code()), std::errc::connection_reset);
    }
  });
}

}  // namespace
