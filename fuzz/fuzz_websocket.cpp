// The WebSocket edge: events and replies do not depend on the split, limits hold, and what was read can be written and read
// again by the other side.
#include <string>

#include <tide/http/codec/websocket.hpp>

#include "fuzz.hpp"

namespace {

namespace ws = tide::http::ws;
using tide_fuzz::require;

ws::codec make(bool server, const ws::options& settings) {
  return server ? ws::codec::server(settings) : ws::codec::client([] { return 0x5a17c3e9u; }, settings);
}

struct seen_event {
  ws::event_type type;
  ws::opcode kind;
  std::uint16_t code;
  std::vector<std::byte> data;
  friend bool operator==(const seen_event&, const seen_event&) = default;
};

struct outcome {
  std::vector<seen_event> events;
  std::vector<std::byte> output;
  bool finished = false;
  friend bool operator==(const outcome&, const outcome&) = default;
};

outcome read(bool server, const std::vector<std::vector<std::byte>>& pieces, const ws::options& settings) {
  auto codec = make(server, settings);
  outcome out;
  for (const auto& piece : pieces) {
    tide::bytes_view input = piece;
    while (const auto event = codec.next(input)) {
      require(event->data.size() <= std::max<std::size_t>(settings.max_message, 125));
      require(!out.finished);
      out.events.push_back({event->type, event->kind, event->code, {event->data.begin(), event->data.end()}});
      out.finished = event->type == ws::event_type::close || event->type == ws::event_type::error;
      require(codec.finished() == out.finished);
    }
    require(input.empty());
  }
  out.output = codec.take_output();
  require(out.output.size() <= settings.max_pending_output + 2 * 131);
  return out;
}

void round_trip(bool server, const seen_event& event) {
  auto sender = make(!server, {});
  auto receiver = make(server, {});
  std::vector<std::byte> wire;
  require(sender.encode_message(event.kind, event.data, wire).has_value());
  tide::bytes_view input = wire;
  const auto again = receiver.next(input);
  require(again && again->type == event.type && again->kind == event.kind && std::ranges::equal(again->data, event.data));
  require(!receiver.next(input) && !receiver.finished());
}

/// A well-behaved peer reads the replies without complaint.
void check_output(bool server, const outcome& out) {
  auto peer = make(!server, {});
  tide::bytes_view input = out.output;
  while (const auto event = peer.next(input)) {
    require(event->type == ws::event_type::pong || (event->type == ws::event_type::close && out.finished));
  }
  require(peer.finished() == out.finished);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = tide_fuzz::input::from(data, size);
  const bool server = (input.mode & 1) != 0;
  ws::options settings;
  if ((input.mode & 2) != 0)
    settings = {.max_message = 64, .max_fragments = 3, .max_pending_output = 40, .keep_capacity = 16};
  const auto whole = read(server, {{input.bytes.begin(), input.bytes.end()}}, settings);
  require(read(server, input.pieces(), settings) == whole);
  for (const auto& event : whole.events) {
    if (event.type != ws::event_type::close && event.type != ws::event_type::error) round_trip(server, event);
  }
  check_output(server, whole);
  return 0;
}
