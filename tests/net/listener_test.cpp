#include <gtest/gtest.h>

#include <sys/resource.h>

#include <string>
#include <vector>

#include "support/process.hpp"
#include "support/run.hpp"
#include "support/sanitizers.hpp"
#include "support/tcp.hpp"

namespace {

using namespace std::chrono_literals;
using support::run_here;
using tide::net::tcp_stream;

TEST(TcpListener, ThreeThousandConnectsAtOnce) {
  constexpr std::size_t many = 3'000;
  const auto descriptors = support::open_descriptors();
  run_here(
      [&](tide::scope& scope) -> tide::task<> {
        auto listener = support::listen();
        std::size_t answered = 0;
        for (std::size_t i = 0; i < many; ++i) {
          scope.spawn([&]() -> tide::task<> {
            auto made = co_await tcp_stream::connect(listener.local_address().value());
            EXPECT_TRUE(made);
            const auto data = co_await made->receive();
            EXPECT_EQ(data->size(), 1u);
            ++answered;
          });
        }
        for (std::size_t i = 0; i < many; ++i) {
          auto peer = co_await listener.accept();
          EXPECT_TRUE(peer);
          scope.spawn([](tcp_stream stream) -> tide::task<> { EXPECT_TRUE(co_await stream.write_all("!")); },
                      std::move(*peer));
        }
        co_await scope.join();
        EXPECT_EQ(answered, many);
      },
      {.ring = {.entries = 64, .completions = 0, .without = {}}});
  EXPECT_EQ(support::open_descriptors(), descriptors);
}

TEST(TcpListener, PausesWhenTooManyWaitAndGoesOn) {
  constexpr std::size_t many = 1'500;
  const auto descriptors = support::open_descriptors();
  run_here([&](tide::scope&) -> tide::task<> {
    auto listener = support::listen();
    std::vector<tcp_stream> clients;
    const auto connect = [&](std::size_t count) -> tide::task<> {
      for (std::size_t i = 0; i < count; ++i)
        clients.push_back((co_await tcp_stream::connect(listener.local_address().value())).value());
    };
    EXPECT_EQ((co_await tide::timeout(1us, listener.accept())).error(), tide::errc::timed_out);  // arms it
    co_await connect(many);
    // Two descriptors a connection would be there if nothing had held it back.
    EXPECT_LT(support::open_descriptors(), many + 800);
    for (std::size_t i = 0; i < many; ++i) {
      const auto peer = co_await listener.accept();
      EXPECT_TRUE(peer);
    }
    co_await connect(1);
    EXPECT_TRUE(co_await listener.accept());
  });
  EXPECT_EQ(support::open_descriptors(), descriptors);
}

TEST(TcpListener, WhatWasAcceptedAndNotTakenIsClosedWithIt) {
  const auto descriptors = support::open_descriptors();
  run_here([](tide::scope&) -> tide::task<> {
    std::vector<tcp_stream> clients;
    {
      auto listener = support::listen();
      EXPECT_EQ((co_await tide::timeout(1us, listener.accept())).error(), tide::errc::timed_out);
      for (int i = 0; i < 10; ++i)
        clients.push_back((co_await tcp_stream::connect(listener.local_address().value())).value());
      EXPECT_TRUE(co_await tide::sleep(1ms));
    }
    for (tcp_stream& each : clients) {
      const auto data = co_await each.receive();
      EXPECT_TRUE(!data || data->empty()) << "the other end is closed";
    }
  });
  EXPECT_EQ(support::open_descriptors(), descriptors);
}

TEST(TcpListener, MayGoWhileItIsArmed) {
  const auto descriptors = support::open_descriptors();
  for (int turns = 0; turns < 5; ++turns) {
    run_here([turns](tide::scope&) -> tide::task<> {
      auto listener = support::listen();
      EXPECT_EQ((co_await tide::timeout(1us, listener.accept())).error(), tide::errc::timed_out);
      for (int i = 0; i < turns; ++i) co_await tide::yield();
      auto moved = std::move(listener);
    });
  }
  EXPECT_EQ(support::open_descriptors(), descriptors);
}

TEST(TcpListener, MayOutliveItsExecutor) {
  const auto descriptors = support::open_descriptors();
  {
    auto listener = support::listen();
    run_here([&](tide::scope&) -> tide::task<> {
      EXPECT_EQ((co_await tide::timeout(1us, listener.accept())).error(), tide::errc::timed_out);
      auto client = co_await tcp_stream::connect(listener.local_address().value());
      EXPECT_TRUE(co_await listener.accept());
    });
    run_here([&](tide::scope&) -> tide::task<> {
      auto [client, server] = co_await support::connect(listener);
      EXPECT_TRUE(client);
    });
  }
  EXPECT_EQ(support::open_descriptors(), descriptors);
}

TEST(TcpListener, AConnectionThatRacedACancelledAcceptIsTheNextOnes) {
  run_here([](tide::scope&) -> tide::task<> {
    auto listener = support::listen();
    for (int i = 0; i < 300; ++i) {
      auto client = co_await tcp_stream::connect(listener.local_address().value());
      EXPECT_TRUE(client);
      EXPECT_TRUE(co_await client->write_all(std::to_string(i)));
      tide::result<tcp_stream> peer = tide::fail(tide::errc::canceled);
      while (!peer) peer = co_await tide::timeout(std::chrono::microseconds(i % 7), listener.accept());
      const auto data = co_await peer->receive();
      EXPECT_EQ(tide::text_of(data->bytes()), std::to_string(i));
    }
  });
}

TEST(TcpListener, RunsOutOfDescriptorsAndRecovers) {
  if (support::sanitized) GTEST_SKIP() << "UndefinedBehaviorSanitizer opens pipes to look at objects";
  run_here([](tide::scope&) -> tide::task<> {
    auto listener = support::listen();
    auto client = co_await tcp_stream::connect(listener.local_address().value());
    EXPECT_TRUE(client);
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    const rlimit none{.rlim_cur = 0, .rlim_max = before.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
    const auto error = (co_await listener.accept()).error();
    ::setrlimit(RLIMIT_NOFILE, &before);
    EXPECT_EQ(error, std::errc::too_many_files_open);
    EXPECT_TRUE(co_await listener.accept());
  });
}

}  // namespace
