// An HTTP/1.1 server: one handler for all requests, which may also accept a WebSocket.
//
//   tide::http::server server({.name = "example/1.0"});
//   co_await server.serve(listener, [](tide::http::exchange& x) -> tide::task<> {
//     if (x.request().path() == "/hello") co_return co_await x.reply({.status = 200, .body = "hello\n"});
//     if (x.request().path() == "/chat") {
//       auto ws = co_await x.accept_websocket();         // a request that is no good is answered already
//       while (ws) { auto m = co_await ws->receive(); if (!m) break; co_await ws->send(m->kind, m->data); }
//     }
//   });                                                    // what is not replied to is 404
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>

#include <tide/base/result.hpp>
#include <tide/http/codec/handshake.hpp>
#include <tide/http/codec/message.hpp>
#include <tide/http/codec/parser.hpp>
#include <tide/http/websocket.hpp>
#include <tide/net/tcp.hpp>
#include <tide/runtime/scope.hpp>
#include <tide/runtime/task.hpp>

namespace tide::http {

struct server_options {
  std::string name;  ///< the Server field of every response; empty: none
  limits request{};
  clock::duration request_time = std::chrono::seconds(10);  ///< for a whole request, from its first byte
  clock::duration idle_time = std::chrono::seconds(60);     ///< between requests of a connection
  clock::duration write_time = std::chrono::seconds(30);    ///< for a whole response
  std::size_t connections = 10'000;                         ///< more are answered with 503 and closed
};

struct server_counters {
  std::uint64_t connections = 0;  ///< accepted
  std::uint64_t requests = 0;     ///< whole requests
  std::uint64_t refused = 0;      ///< requests answered with an error of the parser
  std::size_t open = 0;           ///< connections now
};

/// One request and the way to answer it. Lives while the handler runs.
class exchange {
 public:
  [[nodiscard]] const http::request& request() const noexcept { return request_; }
  [[nodiscard]] const net::address& peer() const noexcept { return peer_; }
  /// Sends the response, once. An error means that the peer will not get it.
  task<result<>> reply(response answer);
  /// Switches to WebSocket. A request that does not ask for one in the right way is answered with 400, 405 or 426 and gives
  /// the error.
  task<result<websocket>> accept_websocket(websocket_options wanted = {});
  [[nodiscard]] bool answered() const noexcept { return answered_; }

 private:
  friend class connection;
  exchange(http::request& request, net::tcp_stream& stream, const server_options& wanted, const net::address& peer) noexcept
      : request_(request), stream_(stream), wanted_(wanted), peer_(peer) {}
  task<result<>> send(response answer);

  http::request& request_;
  net::tcp_stream& stream_;
  const server_options& wanted_;
  const net::address& peer_;
  chunk early_;  // what came behind the request
  bool keep_alive_ = false;
  bool answered_ = false;
  bool upgraded_ = false;
};

using handler = std::function<task<>(exchange&)>;

/// Belongs to one executor and outlives serve().
class server {
 public:
  explicit server(server_options wanted = {}) : wanted_(std::move(wanted)) {}

  /// Serves until the scope is cancelled, which ends open connections too; then errc::canceled. Errors of accept that pass
  /// (no descriptors left) are waited out.
  task<result<>> serve(net::tcp_listener& listener, handler handle);
  [[nodiscard]] const server_counters& count() const noexcept { return count_; }

 private:
  server_options wanted_;
  server_counters count_;
};

}  // namespace tide::http
