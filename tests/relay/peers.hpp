// Both sides of a relay for its tests: hosts that do as they are told, consumers that collect, raw connections.
//
//   relay_test::counting_host host("did:plc:a");   scope.spawn(&relay_test::counting_host::serve, &host);   host.allow(100);
//   auto consumer = co_await relay_test::consumer::open(relay.address(), "0");
//   std::string frame = co_await consumer.next();
#pragma once

#include <charconv>
#include <chrono>
#include <cstdint>
#include <format>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <tide/http/client.hpp>
#include <tide/http/codec/handshake.hpp>
#include <tide/http/server.hpp>
#include <tide/net/tcp.hpp>
#include <tide/runtime/scope.hpp>
#include <tide/runtime/task.hpp>
#include <tide/runtime/time.hpp>

#include "frames.hpp"

namespace relay_test {

inline constexpr std::string_view stream_path = "/xrpc/com.atproto.sync.subscribeRepos";

/// The value, or an exception that says what failed.
template <class T>
T must(tide::result<T> given, std::string_view what) {
  if (!given) throw std::runtime_error(std::format("{}: {}", what, given.error().message()));
  if constexpr (!std::is_void_v<T>) return std::move(*given);
}

/// Looks again and again until it is so; the test's own time limit bounds it.
template <class Condition>
tide::task<> until(Condition condition) {
  while (!condition()) {
    if (!co_await tide::sleep(std::chrono::milliseconds(1))) throw std::runtime_error("cancelled while waiting");
  }
}

inline tide::net::tcp_listener listen_on_loopback() { return must(tide::net::tcp_listener::bind({"127.0.0.1", 0}), "bind"); }
inline std::string url_of(const tide::net::tcp_listener& listener) {
  return "ws://" + must(listener.local_address(), "address").to_string();
}
inline std::int64_t cursor_in(const tide::http::request& request) {
  const auto text = request.query("cursor").value_or("");
  std::int64_t value = -1;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}
inline tide::task<tide::result<>> send(tide::http::websocket& socket, std::string frame) {
  co_return co_await socket.send(tide::http::ws::opcode::binary, tide::bytes_of(frame));
}

/// A host whose WebSockets run a script, which gets the cursor asked for and which connection this is (from 0).
class scripted_host {
 public:
  using script = std::function<tide::task<>(tide::http::websocket&, std::int64_t cursor, int connection)>;
  explicit scripted_host(script does, std::string server_name = "test-host")
      : does_(std::move(does)), listener_(listen_on_loopback()), server_({.name = std::move(server_name)}) {}

  tide::task<> serve() {
    (void)co_await server_.serve(listener_, [this](tide::http::exchange& x) -> tide::task<> {
      const auto cursor = cursor_in(x.request());
      auto socket = co_await x.accept_websocket();
      if (socket) co_await does_(*socket, cursor, connections_++);
    });
  }
  [[nodiscard]] std::string url() const { return url_of(listener_); }
  [[nodiscard]] int connections() const { return connections_; }

 private:
  script does_;
  tide::net::tcp_listener listener_;
  tide::http::server server_;
  int connections_ = 0;
};

/// Has events 1, 2, 3 … up to a limit that the test raises.
class counting_host {
 public:
  explicit counting_host(std::string did, std::size_t filling = 20)
      : did_(std::move(did)),
        filling_(filling),
        host_([this](tide::http::websocket& ws, std::int64_t cursor, int) { return play(ws, cursor); }) {}
  tide::task<> serve() { return host_.serve(); }
  [[nodiscard]] std::string url() const { return host_.url(); }
  [[nodiscard]] std::string frame(std::int64_t n) const { return identity(n, did_, filling_); }
  void allow(std::int64_t limit) {
    limit_ = limit;
    changed_.notify_all();
  }

 private:
  tide::task<> play(tide::http::websocket& ws, std::int64_t cursor) {
    for (std::int64_t n = cursor + 1;; ++n) {
      while (n > limit_) {
        if (!co_await changed_.wait()) co_return;
      }
      if (!co_await send(ws, frame(n))) co_return;
    }
  }
  std::string did_;
  std::size_t filling_;
  std::int64_t limit_ = 0;
  tide::local::condition changed_;
  scripted_host host_;
};

/// A host that is nothing but TCP: its script gets the connection when a whole request has come, and the request.
class raw_host {
 public:
  using script = std::function<tide::task<>(tide::net::tcp_stream&, const tide::http::request&, int connection)>;
  explicit raw_host(script does) : does_(std::move(does)), listener_(listen_on_loopback()) {}

  tide::task<> serve() {
    co_await tide::with_scope([this](tide::scope& inside) -> tide::task<> {
      while (auto peer = co_await listener_.accept()) inside.spawn(&raw_host::answer, this, std::move(*peer));
    });
  }
  [[nodiscard]] std::string url() const { return url_of(listener_); }
  [[nodiscard]] int connections() const { return connections_; }

  /// The answer that opens a WebSocket.
  static std::string handshake(const tide::http::request& request) {
    const auto key = request.fields.get("Sec-WebSocket-Key").value_or("");
    return must(tide::http::serialize(tide::http::ws::upgrade_response(tide::http::ws::accept_key(key))), "handshake");
  }

 private:
  tide::task<> answer(tide::net::tcp_stream stream) {
    tide::http::request_parser parser;
    while (true) {
      auto chunk = co_await stream.receive();
      if (!chunk || chunk->empty()) co_return;
      const auto progress = parser.feed(chunk->bytes());
      if (!progress) co_return;
      if (progress->state == tide::http::parse_state::message_complete ||
          progress->state == tide::http::parse_state::upgrade)
        break;
    }
    co_await does_(stream, parser.message(), connections_++);
  }
  script does_;
  tide::net::tcp_listener listener_;
  int connections_ = 0;
};

/// Subscribes and collects.
class consumer {
 public:
  static tide::task<consumer> open(tide::net::address relay, std::optional<std::string> cursor) {
    co_return must(co_await try_open(std::move(relay), std::move(cursor)), "subscribe");
  }
  static tide::task<tide::result<consumer>> try_open(tide::net::address relay, std::optional<std::string> cursor) {
    std::string url = std::format("ws://{}{}", relay.to_string(), stream_path);
    if (cursor) url += "?cursor=" + *cursor;
    auto opened = co_await tide::http::connect_websocket(url);
    if (!opened) co_return tide::fail(opened.error());
    co_return consumer(std::move(opened->socket));
  }

  /// The next frame; throws when the stream has ended.
  tide::task<std::string> next() {
    auto frame = co_await try_next();
    if (!frame) throw std::runtime_error("the stream has ended: " + frame.error().message());
    co_return std::move(*frame);
  }
  tide::task<tide::result<std::string>> try_next() {
    auto message = co_await socket_.receive();
    if (!message) co_return tide::fail(message.error());
    if (message->kind != tide::http::ws::opcode::binary) throw std::runtime_error("a text frame");
    co_return std::string(tide::text_of(message->data));
  }
  /// Reads on until the stream ends; gives the close code.
  tide::task<std::uint16_t> until_closed() {
    while (co_await try_next()) {
    }
    co_return socket_.close_info().code;
  }
  [[nodiscard]] tide::http::websocket& socket() { return socket_; }

 private:
  explicit consumer(tide::http::websocket socket) : socket_(std::move(socket)) {}
  tide::http::websocket socket_;
};

/// Sends `text` as it is and reads until the server closes; `half_close` ends the own side first.
inline tide::task<std::string> ask_raw(tide::net::address server, std::string text, bool half_close = false) {
  auto stream = must(co_await tide::net::tcp_stream::connect(std::move(server)), "connect");
  std::string answer;
  (void)co_await stream.write_all(std::string_view(text));  // may be refused before it is all sent
  if (half_close) (void)co_await stream.shutdown();
  while (true) {
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty()) break;
    answer += tide::text_of(chunk->bytes());
  }
  co_return answer;
}
/// "HTTP/1.1 404 Not Found\r\n…" → 404; 0 for anything else.
inline int status_in(std::string_view answer) {
  int status = 0;
  if (answer.starts_with("HTTP/1.1 ") && answer.size() > 12) std::from_chars(answer.data() + 9, answer.data() + 12, status);
  return status;
}

}  // namespace relay_test
