#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include <tide/base/descriptor.hpp>
#include <tide/runtime/poll.hpp>

#include "support/run.hpp"

namespace {

using namespace std::chrono_literals;
using support::run_here;

struct ends {
  tide::descriptor here;
  tide::descriptor there;
};
ends make_pair() {
  std::array<int, 2> made{-1, -1};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, made.data()), 0);
  return {tide::descriptor(made[0]), tide::descriptor(made[1])};
}

TEST(Poll, WhatIsReadyIsSeenAtOnce) {
  run_here([](tide::scope&) -> tide::task<> {
    auto [here, there] = make_pair();
    EXPECT_EQ((co_await tide::poll(here.get(), POLLIN | POLLOUT)).value(), unsigned{POLLOUT});
    EXPECT_EQ(::write(there.get(), "x", 1), 1);
    EXPECT_EQ((co_await tide::poll(here.get(), POLLIN | POLLOUT)).value(), unsigned{POLLIN | POLLOUT});
    EXPECT_EQ((co_await tide::poll(here.get(), POLLIN)).value(), unsigned{POLLIN}) << "poll reads nothing";
  });
}

TEST(Poll, WakesWhenItBecomesReady) {
  run_here([](tide::scope& scope) -> tide::task<> {
    auto [here, there] = make_pair();
    scope.spawn(
        [](int fd) -> tide::task<> {
          co_await tide::yield();
          EXPECT_EQ(::write(fd, "x", 1), 1);
        },
        there.get());
    EXPECT_EQ((co_await tide::poll(here.get(), POLLIN)).value(), unsigned{POLLIN});
  });
}

TEST(Poll, HangUpAndErrorComeUnasked) {
  run_here([](tide::scope&) -> tide::task<> {
    auto [here, there] = make_pair();
    there.reset();
    EXPECT_EQ((co_await tide::poll(here.get(), POLLIN)).value() & POLLHUP, unsigned{POLLHUP});
    std::array<int, 2> ends{-1, -1};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    const tide::descriptor write_end(ends[1]);
    tide::descriptor(ends[0]).reset();
    EXPECT_EQ((co_await tide::poll(write_end.get(), POLLOUT)).value() & POLLERR, unsigned{POLLERR});
  });
}

TEST(Poll, AnEpollDescriptorIsOneToo) {
  run_here([](tide::scope& scope) -> tide::task<> {
    const tide::descriptor set(::epoll_create1(EPOLL_CLOEXEC));
    const tide::descriptor counter(::eventfd(0, EFD_CLOEXEC));
    epoll_event event{.events = EPOLLIN, .data = {.u64 = 7}};
    EXPECT_EQ(::epoll_ctl(set.get(), EPOLL_CTL_ADD, counter.get(), &event), 0);
    scope.spawn(
        [](int fd) -> tide::task<> {
          co_await tide::yield();
          EXPECT_EQ(::eventfd_write(fd, 1), 0);
        },
        counter.get());
    EXPECT_EQ((co_await tide::poll(set.get(), POLLIN)).value(), unsigned{POLLIN});
    EXPECT_EQ(::epoll_wait(set.get(), &event, 1, 0), 1);
    EXPECT_EQ(event.data.u64, 7u);
  });
}

TEST(Poll, EndsByCancelAndTimeout) {
  run_here([](tide::scope&) -> tide::task<> {
    auto [here, there] = make_pair();
    EXPECT_EQ((co_await tide::timeout(1us, tide::poll(here.get(), POLLIN))).error(), tide::errc::timed_out);
    co_await tide::with_scope([&here](tide::scope& inside) -> tide::task<> {
      inside.spawn(
          [](int fd) -> tide::task<> { EXPECT_EQ((co_await tide::poll(fd, POLLIN)).error(), tide::errc::canceled); },
          here.get());
      co_await tide::yield();
    });
  });
}

TEST(Poll, NoDescriptor) {
  run_here([](tide::scope&) -> tide::task<> { EXPECT_EQ((co_await tide::poll(-1, POLLIN)).error().value(), EBADF); });
}

}  // namespace
