// A guest in a plain epoll loop, beside a timer of the loop's own.
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <tide/base/descriptor.hpp>

#include "guests/visitor.hpp"

int main() {
  const auto guest = visitor::arrive();
  const tide::descriptor loop(::epoll_create1(EPOLL_CLOEXEC));
  const tide::descriptor timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
  const itimerspec every{.it_interval = {.tv_sec = 0, .tv_nsec = 1'000'000},
                         .it_value = {.tv_sec = 0, .tv_nsec = 1'000'000}};
  ::timerfd_settime(timer.get(), 0, &every, nullptr);
  for (const int fd : {guest->descriptor(), timer.get()}) {
    epoll_event wanted{.events = EPOLLIN, .data = {.fd = fd}};
    ::epoll_ctl(loop.get(), EPOLL_CTL_ADD, fd, &wanted);
  }
  int ticks = 0;
  bool stays = true;
  while (stays || ticks < 3) {
    stays = guest->run_ready();
    epoll_event happened{};
    if (::epoll_wait(loop.get(), &happened, 1, guest->timeout_ms()) == 1 && happened.data.fd == timer.get()) {
      std::uint64_t count = 0;
      if (::read(timer.get(), &count, sizeof count) > 0 && ++ticks <= 3) std::printf("host: tick %d\n", ticks);
    }
  }
  guest->rethrow();
}
