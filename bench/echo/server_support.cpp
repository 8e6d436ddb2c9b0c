#include "echo/server_support.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <format>
#include <print>
#include <string_view>
#include <system_error>

namespace bench {
namespace {

constexpr int backlog = 4096;

// A signal handler has nothing but globals.
std::atomic<std::uint64_t (*)()> count_enters = nullptr;

void print_counters(int) {
  const int error = errno;
  const auto enters = count_enters.load(std::memory_order_relaxed);
  std::array<char, 96> text{};  // formatted in place: a signal handler must not allocate
  const auto line = std::format_to_n(text.data(), text.size(), "allocations {} enters {}\n", allocations(),
                                     enters == nullptr ? 0 : enters());
  static_cast<void>(!::write(STDOUT_FILENO, text.data(), static_cast<std::size_t>(line.size)));
  errno = error;
}

void leave(int) { ::_exit(0); }

}  // namespace

std::uint16_t port_of(int argc, char** argv) {
  if (argc == 1) return 0;
  std::uint16_t port = 0;
  if (argc == 3 && std::string_view(argv[1]) == "--port") {
    const std::string_view text = argv[2];
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error == std::errc() && end == text.data() + text.size()) return port;
  }
  std::println(stderr, "usage: {} [--port N]", argv[0]);
  std::exit(2);
}

tide::descriptor listen_on(std::uint16_t port) {
  tide::descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const void* where = &address;
  if (!listener || ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::setsockopt(listener.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
      ::bind(listener.get(), static_cast<const sockaddr*>(where), sizeof address) != 0 ||
      ::listen(listener.get(), backlog) != 0) {
    throw std::system_error(errno, std::system_category(), "listen");
  }
  return listener;
}

void announce(int listener) {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  void* where = &address;
  if (::getsockname(listener, static_cast<sockaddr*>(where), &length) != 0) {
    throw std::system_error(errno, std::system_category(), "getsockname");
  }
  announce_port(ntohs(address.sin_port));
}

void announce_port(std::uint16_t port) {
  std::println("port {}", port);
  std::fflush(stdout);
}

void answer_signals(std::uint64_t (*enters)()) {
  count_enters.store(enters, std::memory_order_relaxed);
  struct sigaction action{};
  action.sa_flags = SA_RESTART;
  action.sa_handler = print_counters;
  ::sigaction(SIGUSR1, &action, nullptr);
  action.sa_handler = leave;
  ::sigaction(SIGTERM, &action, nullptr);
}

}  // namespace bench
