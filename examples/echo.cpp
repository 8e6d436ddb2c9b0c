// A TCP echo server, whole. Try: ./echo & printf 'hello\n' | nc -N 127.0.0.1 7777
#include <tide/tide.hpp>

tide::task<> session(tide::net::tcp_stream peer) {
  while (true) {
    auto data = co_await peer.receive();    // the kernel picks a pooled buffer
    if (!data || data->empty()) co_return;  // error or end of stream
    if (!co_await peer.write_all(std::move(*data))) co_return;
  }
}

int main() {
  return tide::run([](tide::scope& scope) -> tide::task<> {
    auto listener = tide::net::tcp_listener::bind({"127.0.0.1", 7777}).value();
    while (auto peer = co_await listener.accept()) scope.spawn(session(std::move(*peer)));
  });
}
