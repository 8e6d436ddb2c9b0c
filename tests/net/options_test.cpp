// The options of a socket are those that were asked for and no others, and none takes a call of its own that the kernel can
// spare: descriptors are made as they shall be.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <string>

#include <tide/base/bytes.hpp>

#include "support/child.hpp"
#include "support/run.hpp"
#include "support/tcp.hpp"

namespace {

using support::run_here;
using tide::net::tcp_stream;

int option(int fd, int layer, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  EXPECT_EQ(::getsockopt(fd, layer, name, &value, &size), 0);
  return value;
}

int listening_option(const tide::net::listen_options& wanted, int name) {
  // The listener shows its descriptor to nobody; the newest one is the smallest that was free.
  const int next = ::dup(0);
  ::close(next);
  const auto listener = tide::net::tcp_listener::bind({"127.0.0.1", 0}, wanted).value();
  return option(next, SOL_SOCKET, name);
}

TEST(TcpOptions, AListenerSharesItsPortOnlyIfToldTo) {
  EXPECT_EQ(listening_option({}, SO_REUSEPORT), 0);
  EXPECT_EQ(listening_option({.reuse_port = true}, SO_REUSEPORT), 1);
  EXPECT_EQ(listening_option({}, SO_REUSEADDR), 1);
  EXPECT_EQ(listening_option({.reuse_address = false}, SO_REUSEADDR), 0);
}

TEST(TcpOptions, StreamsHaveThoseThatWereAskedFor) {
  run_here([](tide::scope&) -> tide::task<> {
    for (const bool no_delay : {true, false}) {
      const tide::net::tcp_options wanted{.no_delay = no_delay, .send_buffer = 20'000, .receive_buffer = 30'000};
      auto listener = support::listen({.accepted = wanted});
      const auto pair = co_await support::connect(listener, wanted);
      for (const tcp_stream* each : {&pair.client, &pair.server}) {
        const int fd = each->native_handle();
        EXPECT_EQ(option(fd, IPPROTO_TCP, TCP_NODELAY), no_delay ? 1 : 0);
        EXPECT_EQ(option(fd, SOL_SOCKET, SO_SNDBUF), 40'000) << "the kernel doubles it for its own books";
        EXPECT_EQ(option(fd, SOL_SOCKET, SO_RCVBUF), 60'000);
      }
    }
    auto listener = support::listen();
    const auto pair = co_await support::connect(listener);
    for (const tcp_stream* each : {&pair.client, &pair.server}) {
      const int fd = each->native_handle();
      for (const int name : {SO_REUSEPORT, SO_KEEPALIVE, SO_BROADCAST, SO_OOBINLINE, SO_ZEROCOPY})
        EXPECT_EQ(option(fd, SOL_SOCKET, name), 0);
      EXPECT_EQ(::fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    }
  });
}

tide::task<bool> whole_life() {
  auto listener = support::listen();
  for (int i = 0; i < 20; ++i) {
    auto pair = co_await support::connect(listener);
    if (!co_await pair.client.write_all("to be said")) co_return false;
    const auto heard = co_await pair.server.receive();
    if (!heard || tide::text_of(heard->bytes()) != "to be said") co_return false;
    if (!co_await pair.server.write_all(std::string("answer"))) co_return false;
    std::string into(6, '\0');
    if (!co_await pair.client.read_some(std::as_writable_bytes(std::span(into)))) co_return false;
    co_await pair.client.close();
  }
  co_return true;
}

TEST(TcpOptions, NoDescriptorIsChangedAfterItWasMade) {
  for (const unsigned call : {SYS_fcntl, SYS_ioctl, SYS_accept}) {  // accept(2) takes no flags
    EXPECT_TRUE(support::in_child([&] {
      auto executor = support::make_executor();
      return support::forbid(call) && executor->run([](tide::scope&) -> tide::task<bool> { return whole_life(); });
    })) << call;
  }
  EXPECT_FALSE(support::in_child([] { return support::forbid(SYS_fcntl) && ::fcntl(0, F_GETFD) >= 0; }))
      << "the filter works";
}

}  // namespace
