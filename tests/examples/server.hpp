// A small blocking server on a thread: one connection after another, each given to a function.
//
//   support::threaded_server echo([](int fd) { … ::recv … ::send … });      echo.port()
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <functional>
#include <thread>
#include <utility>

#include <tide/base/descriptor.hpp>

namespace support {

class threaded_server {
 public:
  explicit threaded_server(std::function<void(int fd)> serve)
      : listening_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* const raw = static_cast<sockaddr*>(static_cast<void*>(&at));
    socklen_t length = sizeof at;
    if (::bind(listening_.get(), raw, length) != 0 || ::listen(listening_.get(), 16) != 0) return;
    ::getsockname(listening_.get(), raw, &length);
    port_ = ntohs(at.sin_port);
    thread_ = std::thread([fd = listening_.get(), serve = std::move(serve)] {
      while (true) {
        const tide::descriptor peer(::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC));
        if (!peer) return;
        serve(peer.get());
      }
    });
  }
  threaded_server(const threaded_server&) = delete;
  threaded_server& operator=(const threaded_server&) = delete;
  ~threaded_server() {
    ::shutdown(listening_.get(), SHUT_RDWR);  // accept fails
    if (thread_.joinable()) thread_.join();
  }
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

 private:
  tide::descriptor listening_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace support
