// The same echo server with each style of buffer, and a client that talks to all three.
#include <array>
#include <cstddef>
#include <functional>
#include <print>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <tide/tide.hpp>

using tide::net::tcp_listener;
using tide::net::tcp_stream;

// The kernel picks a pooled buffer when bytes arrive. An idle connection holds no memory.
tide::task<> echo_picked(tcp_stream peer) {
  while (true) {
    auto data = co_await peer.receive();
    if (!data || data->empty()) co_return;
    if (!co_await peer.write_all(std::move(*data))) co_return;
  }
}

// We give a buffer away and get it back, on errors and cancels too.
tide::task<> echo_given(tcp_stream peer) {
  std::string buffer(4096, '\0');
  while (true) {
    auto [size, back] = co_await peer.read(std::move(buffer));
    if (!size || *size == 0) co_return;
    if (!co_await peer.write_all(std::string_view(back).substr(0, *size))) co_return;
    buffer = std::move(back);
  }
}

// We lend memory of our own frame, which cannot end before the operation has.
tide::task<> echo_lent(tcp_stream peer) {
  std::array<std::byte, 4096> memory;
  while (true) {
    const auto size = co_await peer.read_some(memory);
    if (!size || *size == 0) co_return;
    if (!co_await peer.write_all(std::span(memory).first(*size))) co_return;
  }
}

tide::task<> serve(tide::scope& sessions, tcp_listener& listener) {
  tide::task<> (*const styles[])(tcp_stream) = {echo_picked, echo_given, echo_lent};
  for (std::size_t i = 0; auto peer = co_await listener.accept(); ++i) sessions.spawn(styles[i % 3], std::move(*peer));
}

int main() {
  return tide::run([](tide::scope& scope) -> tide::task<int> {
    auto listener = tcp_listener::bind({"127.0.0.1", 0}).value();  // port 0: the system picks one
    scope.spawn(serve, std::ref(scope), std::ref(listener));
    for (int i = 0; i < 3; ++i) {
      auto stream = (co_await tcp_stream::connect(listener.local_address().value())).value();
      (void)co_await stream.write_all("hello");
      std::string got;
      while (got.size() < 5) got += tide::text_of((co_await stream.receive()).value().bytes());
      std::println("{}", got);
      if (got != "hello") co_return 1;
    }
    co_return 0;
  });
}
