// Connected pairs of descriptors, and requests that the library has no name for: what the tests of the ring begin with.
//
//   auto [ours, theirs] = socket_pair();
//   ring.start(op, raw([&](io_uring_sqe& entry) { io_uring_prep_waitid(&entry, P_PID, …); }));
#pragma once

#include <gtest/gtest.h>

#include <liburing.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>

#include <tide/base/descriptor.hpp>
#include <tide/ring/request.hpp>

inline std::array<tide::descriptor, 2> socket_pair(int type = SOCK_STREAM) {
  int pair[2];
  EXPECT_EQ(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair), 0);
  return {tide::descriptor(pair[0]), tide::descriptor(pair[1])};
}

/// A socket on a port of its own of 127.0.0.1, and where that is.
struct bound_socket {
  explicit bound_socket(int type) : fd(::socket(AF_INET, type | SOCK_CLOEXEC, 0)) {
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(fd.get(), raw(), size), 0);
    EXPECT_EQ(::getsockname(fd.get(), raw(), &size), 0);
  }
  sockaddr* raw() noexcept { return static_cast<sockaddr*>(static_cast<void*>(&at)); }

  tide::descriptor fd;
  sockaddr_in at{};
  socklen_t size = sizeof at;
};

inline std::array<tide::descriptor, 2> tcp_pair() {
  bound_socket listening(SOCK_STREAM);
  EXPECT_EQ(::listen(listening.fd.get(), 1), 0);
  tide::descriptor ours(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(ours.get(), listening.raw(), listening.size), 0);
  tide::descriptor theirs(::accept4(listening.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
  EXPECT_TRUE(theirs);
  return {std::move(ours), std::move(theirs)};
}

template <class Prepare>
tide::ring::request raw(Prepare prepare) {
  io_uring_sqe entry{};
  prepare(entry);
  return tide::ring::request::from(entry);
}
