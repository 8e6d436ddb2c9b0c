// A WebSocket connection: whole messages in and out over TCP, pings answered, dead peers noticed.
//
//   auto ws = co_await tide::http::connect_websocket("ws://pds.example/xrpc/com.atproto.sync.subscribeRepos");
//   while (auto message = co_await ws->receive()) use(message->data);
//   co_await ws->close(tide::http::ws::close_code::normal);
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tide/base/bytes.hpp>
#include <tide/base/result.hpp>
#include <tide/http/codec/websocket.hpp>
#include <tide/net/tcp.hpp>
#include <tide/runtime/task.hpp>
#include <tide/runtime/time.hpp>
#include <tide/sync/local.hpp>

namespace tide::http {

struct websocket_options {
  ws::options codec;
  /// After so long without a byte from the peer a ping is sent; after as long again the connection counts as dead.
  clock::duration ping_after = std::chrono::seconds(30);
  /// How long the closing handshake may take.
  clock::duration close_time = std::chrono::seconds(5);
};

struct websocket_message {
  ws::opcode kind;  ///< text or binary
  bytes_view data;  ///< valid until the next receive
};

/// Move-only, though not while a task waits in it; one executor. One task may receive while another sends.
class websocket {
 public:
  /// `early` is what came behind the handshake.
  websocket(net::tcp_stream stream, ws::codec codec, chunk early, const websocket_options& wanted);
  websocket(websocket&&) noexcept;
  websocket& operator=(websocket&&) noexcept;
  ~websocket();

  /// The next message. errc::end_of_stream when the peer has closed in good order (see close_info), errc::malformed when it
  /// broke the protocol (told so already), errc::timed_out when it is dead, else the connection's error.
  task<result<websocket_message>> receive();
  /// Sends one message, whole.
  task<result<>> send(ws::opcode kind, bytes_view payload);
  task<result<>> ping();
  /// Sends a close frame, waits for the peer's a while, closes the connection. No receive may be pending.
  task<> close(std::uint16_t code, std::string_view reason = {});
  /// Sends a close frame and no more; a receive that is pending then sees the peer's answer.
  task<result<>> send_close(std::uint16_t code, std::string_view reason = {});

  /// What the peer's close frame said, or what it was sent for breaking the protocol.
  struct close_state {
    std::uint16_t code = 0;  ///< 0: no close frame yet
    std::string reason;
  };
  [[nodiscard]] const close_state& close_info() const noexcept;

  // For servers that send shared payloads themselves: encoded frames go to stream() while holding the turn.
  /// Waits for the turn to write; pongs and other messages wait meanwhile.
  [[nodiscard]] local::mutex::lock_operation write_turn() noexcept;
  [[nodiscard]] net::tcp_stream& stream() noexcept;

 private:
  struct state;
  task<result<>> flush();
  std::unique_ptr<state> state_;
};

}  // namespace tide::http
