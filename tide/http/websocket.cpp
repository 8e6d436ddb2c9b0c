#include <tide/http/websocket.hpp>

#include <utility>

namespace tide::http {

struct websocket::state {
  net::tcp_stream stream;
  ws::codec codec;
  chunk input;        // what has been received and not yet read
  bytes_view unread;  // its rest
  websocket_options wanted;
  close_state closed;
  local::mutex writing;
  std::vector<std::byte> outgoing;  // reused by send
};

websocket::websocket(net::tcp_stream stream, ws::codec codec, chunk early, const websocket_options& wanted)
    : state_(new state{.stream = std::move(stream),
                       .codec = std::move(codec),
                       .input = std::move(early),
                       .unread = {},
                       .wanted = wanted,
                       .closed = {},
                       .writing = {},
                       .outgoing = {}}) {
  state_->unread = state_->input.bytes();
}
websocket::websocket(websocket&&) noexcept = default;
websocket& websocket::operator=(websocket&&) noexcept = default;
websocket::~websocket() = default;

const websocket::close_state& websocket::close_info() const noexcept { return state_->closed; }
local::mutex::lock_operation websocket::write_turn() noexcept { return state_->writing.lock(); }
net::tcp_stream& websocket::stream() noexcept { return state_->stream; }

task<result<>> websocket::flush() {
  auto turn = co_await write_turn();
  if (!turn) co_return fail(turn.error());
  while (state_->codec.has_output()) {
    if (auto written = co_await state_->stream.write_all(state_->codec.take_output()); !written) co_return written;
  }
  co_return {};
}

task<result<websocket_message>> websocket::receive() {
  state& self = *state_;
  bool pinged = false;
  while (true) {
    while (auto event = self.codec.next(self.unread)) {
      switch (event->type) {
        case ws::event_type::message: co_return websocket_message{event->kind, event->data};
        case ws::event_type::ping:
        case ws::event_type::pong: break;
        case ws::event_type::close:
        case ws::event_type::error: {
          const bool broken = event->type == ws::event_type::error;
          self.closed = {event->code, std::string(text_of(event->data))};
          // The answer is a courtesy: the connection ends either way, and a peer that does not read cannot hold it.
          (void)co_await timeout(self.wanted.close_time, flush());
          co_return fail(broken ? errc::malformed : errc::end_of_stream);
        }
      }
    }
    if (self.codec.has_output()) {
      if (auto flushed = co_await flush(); !flushed) co_return fail(flushed.error());
    }
    self.unread = {};
    auto next = co_await timeout(self.wanted.ping_after, self.stream.receive());
    if (!next) {
      if (next.error() != errc::timed_out || pinged) co_return fail(next.error());
      pinged = true;
      if (auto sent = co_await timeout(self.wanted.ping_after, ping()); !sent) co_return fail(sent.error());
      continue;
    }
    if (next->empty()) co_return fail(self.closed.code != 0 ? errc::end_of_stream : errc::closed);
    pinged = false;
    self.input = std::move(*next);
    self.unread = self.input.bytes();
  }
}

task<result<>> websocket::send(ws::opcode kind, bytes_view payload) {
  auto turn = co_await write_turn();
  if (!turn) co_return fail(turn.error());
  state& self = *state_;
  self.outgoing.clear();
  if (self.codec.has_output()) self.outgoing = self.codec.take_output();
  if (auto encoded = self.codec.encode_message(kind, payload, self.outgoing); !encoded) co_return encoded;
  co_return co_await self.stream.write_all(bytes_view(self.outgoing));
}

task<result<>> websocket::ping() { co_return co_await send(ws::opcode::ping, {}); }

task<result<>> websocket::send_close(std::uint16_t code, std::string_view reason) {
  if (auto encoded = state_->codec.close(code, reason); !encoded) co_return encoded;
  co_return co_await flush();
}

task<> websocket::close(std::uint16_t code, std::string_view reason) {
  state& self = *state_;
  const auto goodbye = [](websocket& socket, std::uint16_t number, std::string_view text) -> task<result<>> {
    if (auto sent = co_await socket.send_close(number, text); !sent) co_return sent;
    while (co_await socket.receive()) {
    }
    co_return {};
  };
  if (!self.codec.finished()) (void)co_await timeout(self.wanted.close_time, goodbye(*this, code, reason));
  co_await self.stream.close();
}

}  // namespace tide::http
