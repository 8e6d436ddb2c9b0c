// The echo server on the runtime, with one buffer a connection that the session lends to each receive and write.
#include <array>
#include <cstddef>
#include <span>

#include "echo/tide_server.hpp"

namespace {

tide::task<> session(tide::net::tcp_stream peer) {
  std::array<std::byte, 4096> buffer;
  while (true) {
    const auto size = co_await peer.read_some(buffer);
    if (!size || *size == 0) co_return;
    if (!co_await peer.write_all(std::span(buffer).first(*size))) co_return;
  }
}

}  // namespace

int main(int argc, char** argv) { return bench::serve(argc, argv, session); }
