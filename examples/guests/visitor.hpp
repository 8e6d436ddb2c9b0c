// What the guest does in each of the hosts' loops: three short TCP conversations with itself, with a pause after each.
#pragma once

#include <tide/tide.hpp>

#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <utility>

#include <tide/runtime/guest.hpp>

namespace visitor {

inline tide::task<> answer(tide::net::tcp_listener& listener) {
  while (auto peer = co_await listener.accept()) {
    if (auto data = co_await peer->receive(); data && !data->empty()) (void)co_await peer->write_all(std::move(*data));
  }
}

inline tide::task<> converse(tide::scope&) {
  auto listener = tide::net::tcp_listener::bind({"127.0.0.1", 0}).value();
  const auto here = listener.local_address().value();
  co_await tide::with_scope([&](tide::scope& inside) -> tide::task<> {
    inside.spawn(answer, std::ref(listener));
    for (int i = 1; i <= 3; ++i) {
      auto stream = (co_await tide::net::tcp_stream::connect(here)).value();
      (void)co_await stream.write_all("hello");
      const auto back = co_await stream.receive();
      std::printf("guest: %d %s\n", i, back && tide::text_of(back->bytes()) == "hello" ? "hello" : "no answer");
      (void)co_await tide::sleep(std::chrono::milliseconds(1));
    }
  });
}

inline std::unique_ptr<tide::guest> arrive() { return tide::guest::start(converse).value(); }

}  // namespace visitor
