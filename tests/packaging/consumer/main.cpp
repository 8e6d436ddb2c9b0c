// The echo of the README, with its client in the same program: prints what came back.
#include <tide/tide.hpp>

#include <cstdio>
#include <string>
#include <utility>

tide::task<> session(tide::net::tcp_stream peer) {
  while (true) {
    auto data = co_await peer.receive();
    if (!data || data->empty()) co_return;
    if (!co_await peer.write_all(std::move(*data))) co_return;
  }
}

tide::task<> serve(tide::net::tcp_listener listener, tide::scope& sessions) {
  while (auto peer = co_await listener.accept()) sessions.spawn(session(std::move(*peer)));
}

int main() {
  const std::string_view text = "hello from outside\n";
  std::string back;
  const int status = tide::run([&](tide::scope& scope) -> tide::task<int> {
    auto listener = tide::net::tcp_listener::bind({"127.0.0.1", 0}).value();
    const auto where = listener.local_address().value();
    scope.spawn(serve(std::move(listener), scope));
    auto stream = (co_await tide::net::tcp_stream::connect(where)).value();
    if (!co_await stream.write_all(text)) co_return 1;
    while (back.size() < text.size()) {
      auto chunk = co_await stream.receive();
      if (!chunk || chunk->empty()) co_return 1;
      back += tide::text_of(chunk->bytes());
    }
    scope.cancel();
    co_return 0;
  });
  std::fputs(back.c_str(), stdout);
  return status != 0 || back != text;
}
