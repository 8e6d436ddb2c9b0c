// The echo server on the runtime, each answer and the receive behind it one exchange.
#include <array>
#include <cstddef>
#include <span>

#include "echo/tide_server.hpp"

namespace {

tide::task<> session(tide::net::tcp_stream peer) {
  std::array<std::byte, 4096> buffer;
  auto size = co_await peer.read_some(buffer);
  while (size && *size != 0) size = co_await peer.exchange(std::span(buffer).first(*size), buffer);
}

}  // namespace

int main(int argc, char** argv) { return bench::serve(argc, argv, session); }
