// A listener on a port of its own, and connected pairs of streams.
//
//   auto listener = support::listen();
//   auto [client, server] = co_await support::connect(listener);
#pragma once

#include <utility>

#include <tide/net/tcp.hpp>
#include <tide/runtime/scope.hpp>

namespace support {

inline tide::net::tcp_listener listen(const tide::net::listen_options& wanted = {}) {
  return tide::net::tcp_listener::bind({"127.0.0.1", 0}, wanted).value();
}

struct stream_pair {
  tide::net::tcp_stream client;
  tide::net::tcp_stream server;
};

/// The kernel completes the connection, so connecting first and accepting then does not wait in circles.
inline tide::task<stream_pair> connect(tide::net::tcp_listener& listener, tide::net::tcp_options wanted = {}) {
  auto client = co_await tide::net::tcp_stream::connect(listener.local_address().value(), wanted);
  auto server = co_await listener.accept();
  co_return stream_pair{std::move(client.value()), std::move(server.value())};
}

}  // namespace support
