// The echo server on the runtime, in the style of its first example: the kernel picks the buffer, the answer is sent from
// it.
#include "echo/tide_server.hpp"

namespace {

tide::task<> session(tide::net::tcp_stream peer) {
  while (true) {
    auto data = co_await peer.receive();
    if (!data || data->empty()) co_return;
    if (!co_await peer.write_all(data->bytes())) co_return;
  }
}

}  // namespace

int main(int argc, char** argv) { return bench::serve(argc, argv, session); }
