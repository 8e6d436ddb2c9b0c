#include <tide/http/codec/websocket.hpp>

#include <gtest/gtest.h>
#include <wslay/wslay.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace ws = tide::http::ws;
using namespace std::string_literals;
using tide::bytes_of;
using tide::bytes_view;
using tide::text_of;
using ws::opcode;

std::uint32_t fixed_mask() { return 0x04030201; }
ws::codec make(ws::role side, const ws::options& settings = {}) {
  return side == ws::role::server ? ws::codec::server(settings) : ws::codec::client(fixed_mask, settings);
}

/// One frame as `sender` would put it on the wire; `first` is the whole first byte.
std::string frame(ws::role sender, unsigned first, std::string_view payload) {
  const auto header = ws::encode_header(opcode::binary, payload.size());
  std::string out(text_of(header.view()));
  out[0] = static_cast<char>(first);
  if (sender == ws::role::server) return out.append(payload);
  out[1] = static_cast<char>(static_cast<unsigned char>(out[1]) | 0x80u);
  const std::string key = "\x01\x02\x03\x04";
  out.append(key);
  for (std::size_t i = 0; i < payload.size(); ++i) out.push_back(static_cast<char>(payload[i] ^ key[i % 4]));
  return out;
}

std::string two_bytes(unsigned code) { return {static_cast<char>(code >> 8), static_cast<char>(code & 0xff)}; }

/// What a codec said about a whole input, and what it would send.
struct outcome {
  std::vector<std::string> events;
  std::string output;
  friend bool operator==(const outcome&, const outcome&) = default;
};

std::string describe(const ws::event& it) {
  const std::string data(text_of(it.data));
  switch (it.type) {
    case ws::event_type::message: return (it.kind == opcode::text ? "text:" : "binary:") + data;
    case ws::event_type::ping: return "ping:" + data;
    case ws::event_type::pong: return "pong:" + data;
    case ws::event_type::close: return "close " + std::to_string(it.code) + ":" + data;
    case ws::event_type::error: return "error " + std::to_string(it.code);
  }
  return "?";
}

outcome read(ws::role side, const std::vector<std::string_view>& pieces, const ws::options& settings = {}) {
  auto codec = make(side, settings);
  outcome out;
  for (const auto piece : pieces) {
    auto input = bytes_of(piece);
    while (auto event = codec.next(input)) out.events.push_back(describe(*event));
    EXPECT_TRUE(input.empty());
  }
  out.output = text_of(codec.take_output());
  EXPECT_FALSE(codec.has_output());
  return out;
}

/// Reads the input whole, then split at every offset and byte for byte, and expects the same each time.
outcome read_at_every_split(ws::role side, std::string_view input, const ws::options& settings = {}) {
  const outcome whole = read(side, {input}, settings);
  for (std::size_t cut = 0; cut <= input.size(); ++cut) {
    EXPECT_EQ(read(side, {input.substr(0, cut), input.substr(cut)}, settings), whole) << "cut at " << cut;
  }
  std::vector<std::string_view> single;
  for (std::size_t i = 0; i < input.size(); ++i) single.push_back(input.substr(i, 1));
  EXPECT_EQ(read(side, single, settings), whole);
  return whole;
}

using events = std::vector<std::string>;

class WebSocketCodec : public testing::TestWithParam<ws::role> {
 protected:
  [[nodiscard]] static ws::role side() { return GetParam(); }
  [[nodiscard]] static ws::role peer() { return side() == ws::role::server ? ws::role::client : ws::role::server; }
  /// A frame from the peer.
  [[nodiscard]] static std::string from_peer(unsigned first, std::string_view payload) {
    return frame(peer(), first, payload);
  }
  /// A frame as this side sends it.
  [[nodiscard]] static std::string own(unsigned first, std::string_view payload) { return frame(side(), first, payload); }
  [[nodiscard]] static std::string closing(unsigned code) { return own(0x88, two_bytes(code)); }
  static void expect_error(std::string_view input, unsigned code, const ws::options& settings = {}) {
    const auto out = read_at_every_split(side(), input, settings);
    ASSERT_FALSE(out.events.empty());
    EXPECT_EQ(out.events.back(), "error " + std::to_string(code));
    EXPECT_EQ(out.output, closing(code));
  }
};
INSTANTIATE_TEST_SUITE_P(Roles, WebSocketCodec, testing::Values(ws::role::client, ws::role::server),
                         [](const auto& with) { return with.param == ws::role::client ? "client"s : "server"s; });

TEST_P(WebSocketCodec, ReadsAStreamSplitAtEveryOffset) {
  const auto stream = from_peer(0x81, "h\xc3\xa9llo") + from_peer(0x82, std::string(300, 'b')) + from_peer(0x82, "") +
                      from_peer(0x01, "\xf0\x9f") + from_peer(0x89, "are you there") + from_peer(0x00, "") +
                      from_peer(0x8a, "") + from_peer(0x80, "\x98\x80") + from_peer(0x88, "\x03\xe9 bye") +
                      "bytes after the close";
  const auto out = read_at_every_split(side(), stream);
  EXPECT_EQ(out.events, (events{"text:h\xc3\xa9llo", "binary:" + std::string(300, 'b'), "binary:", "ping:are you there",
                                "pong:", "text:\xf0\x9f\x98\x80", "close 1001: bye"}));
  EXPECT_EQ(out.output, own(0x8a, "are you there") + closing(1001));
}

TEST_P(WebSocketCodec, ReadsLongMessages) {
  for (const std::size_t size : {125u, 126u, 4095u, 4096u, 4097u, 65535u, 65536u, 1'000'000u}) {
    const std::string payload(size, 'x');
    const auto input = from_peer(0x82, payload) + from_peer(0x82, "next");
    EXPECT_EQ(read(side(), {input}).events, (events{"binary:" + payload, "binary:next"})) << size;
  }
}

TEST_P(WebSocketCodec, AMessageStaysUntilTheNextCall) {
  auto codec = make(side());
  const auto stream = from_peer(0x82, "first") + from_peer(0x82, "second");
  auto input = bytes_of(stream);
  auto event = codec.next(input);
  ASSERT_TRUE(event);
  EXPECT_EQ(text_of(event->data), "first");
  event = codec.next(input);
  ASSERT_TRUE(event);
  EXPECT_EQ(text_of(event->data), "second");
  EXPECT_FALSE(codec.next(input));
}

TEST_P(WebSocketCodec, MaskingMustFollowTheRole) { expect_error(own(0x82, "x"), 1002); }

TEST_P(WebSocketCodec, ReservedBitsAreRefused) {
  for (const unsigned bit : {0x40u, 0x20u, 0x10u}) {
    expect_error(from_peer(0x82 | bit, "x"), 1002);
    expect_error(from_peer(0x89 | bit, "x"), 1002);
  }
}

TEST_P(WebSocketCodec, ReservedOpcodesAreRefused) {
  for (const unsigned kind : {3u, 4u, 5u, 6u, 7u, 0xbu, 0xcu, 0xdu, 0xeu, 0xfu}) {
    expect_error(from_peer(0x80 | kind, "x"), 1002);
    expect_error(from_peer(0x80 | kind, ""), 1002);
  }
}

TEST_P(WebSocketCodec, ControlFramesAreShortAndWhole) {
  EXPECT_EQ(read_at_every_split(side(), from_peer(0x89, std::string(125, 'p'))).events,
            events{"ping:" + std::string(125, 'p')});
  expect_error(from_peer(0x89, std::string(126, 'p')), 1002);
  expect_error(from_peer(0x88, std::string(126, 'p')), 1002);
  expect_error(from_peer(0x09, "p"), 1002);
  expect_error(from_peer(0x08, "p"), 1002);
}

TEST_P(WebSocketCodec, FragmentsMustBeInOrder) {
  expect_error(from_peer(0x80, "x"), 1002);
  expect_error(from_peer(0x00, "x"), 1002);
  expect_error(from_peer(0x01, "x") + from_peer(0x81, "y"), 1002);
  expect_error(from_peer(0x02, "") + from_peer(0x02, ""), 1002);
  expect_error(from_peer(0x82, "x") + from_peer(0x80, "y"), 1002);
}

TEST_P(WebSocketCodec, LengthsAreMinimalAndBelowTheTopBit) {
  const auto mask_bit = static_cast<char>(peer() == ws::role::client ? 0x80 : 0);
  const auto with_length = [&](char marker, std::string_view length) {
    return "\x82"s + static_cast<char>(marker | mask_bit) + std::string(length) + std::string(300, 'x');
  };
  expect_error(with_length(126, "\x00\x7d"s), 1002);
  expect_error(with_length(127, "\x00\x00\x00\x00\x00\x00\xff\xff"s), 1002);
  expect_error(with_length(127, "\x80\x00\x00\x00\x00\x00\x00\x00"s), 1002);
  expect_error(with_length(127, "\xff\xff\xff\xff\xff\xff\xff\xff"s), 1002);
  expect_error(with_length(127, "\x7f\xff\xff\xff\xff\xff\xff\xff"s), 1009);
}

TEST_P(WebSocketCodec, LimitsTheMessage) {
  const ws::options small{.max_message = 10};
  EXPECT_EQ(read_at_every_split(side(), from_peer(0x82, "0123456789"), small).events, events{"binary:0123456789"});
  expect_error(from_peer(0x82, "01234567890"), 1009, small);
  expect_error(from_peer(0x02, "0123456789") + from_peer(0x80, "0"), 1009, small);
  EXPECT_EQ(read(side(), {from_peer(0x82, std::string(5'242'880, 'x'))}).events.size(), 1u);
  EXPECT_EQ(read(side(), {from_peer(0x82, std::string(5'242'881, 'x'))}).events, events{"error 1009"});
}

TEST_P(WebSocketCodec, LimitsTheFragments) {
  const ws::options small{.max_fragments = 4};
  const auto empty = from_peer(0x00, "");
  EXPECT_EQ(read_at_every_split(side(), from_peer(0x02, "") + empty + empty + from_peer(0x80, "x"), small).events,
            events{"binary:x"});
  expect_error(from_peer(0x02, "") + empty + empty + empty + empty, 1009, small);
}

TEST_P(WebSocketCodec, TextMustBeUtf8) {
  for (const auto& bad :
       {"\xc3"s, "\xff"s, "\xc0\xaf"s, "\xed\xa0\x80"s, "\xf4\x90\x80\x80"s, "\xe2\x82"s, "abcdefgh\x80"s}) {
    expect_error(from_peer(0x81, bad), 1007);
    EXPECT_EQ(read(side(), {from_peer(0x82, bad)}).events, events{"binary:" + bad});
    expect_error(from_peer(0x88, "\x03\xe8" + bad), 1007);
  }
  expect_error(from_peer(0x01, "\xc3") + from_peer(0x80, "("), 1007);
  // A frame reader that checks each piece it reads on its own accepts this one where the split is before the last byte.
  expect_error(from_peer(0x88, "\x03\xe8"s + "ab\xff"), 1007);
}

TEST_P(WebSocketCodec, CloseCodesMustBeValid) {
  for (const unsigned code : {0u, 999u, 1004u, 1005u, 1006u, 1015u, 1016u, 1100u, 2999u, 5000u, 65535u}) {
    expect_error(from_peer(0x88, two_bytes(code)), 1002);
  }
  expect_error(from_peer(0x88, "\x03"), 1002);
  for (const unsigned code : {1000u, 1003u, 1007u, 1011u, 1012u, 1014u, 3000u, 4999u}) {
    const auto out = read_at_every_split(side(), from_peer(0x88, two_bytes(code)));
    EXPECT_EQ(out.events, events{"close " + std::to_string(code) + ":"});
    EXPECT_EQ(out.output, closing(code));
  }
  const auto out = read_at_every_split(side(), from_peer(0x88, ""));
  EXPECT_EQ(out.events, events{"close 1005:"});
  EXPECT_EQ(out.output, own(0x88, ""));
}

TEST_P(WebSocketCodec, NothingIsReadAfterCloseOrError) {
  auto codec = make(side());
  const auto stream = from_peer(0x88, "") + from_peer(0x82, "late");
  auto input = bytes_of(stream);
  EXPECT_TRUE(codec.next(input));
  EXPECT_TRUE(codec.finished());
  EXPECT_TRUE(codec.close_received());
  EXPECT_FALSE(codec.next(input));
  EXPECT_TRUE(input.empty());
}

TEST_P(WebSocketCodec, ClosesOnceAndStillReads) {
  auto codec = make(side());
  EXPECT_TRUE(codec.close(1008, "slow"));
  EXPECT_TRUE(codec.close_sent());
  EXPECT_TRUE(codec.close(1000));
  EXPECT_EQ(text_of(codec.take_output()), own(0x88, "\x03\xf0slow"));
  const auto stream = from_peer(0x82, "late") + from_peer(0x89, "p") + from_peer(0x88, "\x03\xf0");
  auto input = bytes_of(stream);
  events seen;
  while (const auto event = codec.next(input)) seen.push_back(describe(*event));
  EXPECT_EQ(seen, (events{"binary:late", "ping:p", "close 1008:"}));
  EXPECT_FALSE(codec.has_output());
  std::vector<std::byte> out;
  EXPECT_EQ(codec.encode_message(opcode::binary, {}, out), tide::fail(tide::errc::closed));
  EXPECT_TRUE(out.empty());
}

TEST_P(WebSocketCodec, CloseReasonsAreCutAtACharacter) {
  auto codec = make(side());
  EXPECT_EQ(codec.close(1005), tide::fail(tide::errc::malformed));
  EXPECT_EQ(codec.close(1000, "\xff"), tide::fail(tide::errc::malformed));
  EXPECT_TRUE(codec.close(1000, std::string(122, 'r') + "\xc3\xa9"));
  EXPECT_EQ(text_of(codec.take_output()), own(0x88, "\x03\xe8" + std::string(122, 'r')));
}

TEST_P(WebSocketCodec, UnsentPongsAreBounded) {
  auto codec = make(side(), {.max_pending_output = 1000});
  const auto ping = from_peer(0x89, std::string(100, 'p'));
  std::size_t pings = 0;
  for (int i = 0; i < 10'000; ++i) {
    auto input = bytes_of(ping);
    while (codec.next(input)) ++pings;
  }
  EXPECT_EQ(pings, 10'000u);
  EXPECT_LE(codec.take_output().size(), 1131u);
  auto input = bytes_of(ping);
  EXPECT_TRUE(codec.next(input));
  EXPECT_TRUE(codec.has_output());
}

TEST_P(WebSocketCodec, WhatOneSideEncodesTheOtherReads) {
  auto sender = make(peer());
  for (const std::size_t size : {0u, 1u, 125u, 126u, 65535u, 65536u, 200'000u}) {
    std::string payload(size, '\0');
    for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<char>('a' + i % 26);
    std::vector<std::byte> wire;
    ASSERT_TRUE(sender.encode_message(opcode::text, bytes_of(payload), wire));
    EXPECT_EQ(read(side(), {text_of(wire)}).events, events{"text:" + payload});
  }
  std::vector<std::byte> wire;
  EXPECT_FALSE(sender.encode_message(opcode::text, bytes_of("\xff"), wire));
  EXPECT_FALSE(sender.encode_message(opcode::ping, bytes_of(std::string(126, 'x')), wire));
  EXPECT_FALSE(sender.encode_message(opcode::close, {}, wire));
  EXPECT_FALSE(sender.encode_message(opcode::continuation, {}, wire));
  EXPECT_TRUE(wire.empty());
}

TEST(WebSocketFrame, ServerHeadersForPayloadThatLiesElsewhere) {
  EXPECT_EQ(text_of(ws::encode_header(opcode::binary, 0).view()), "\x82\x00"s);
  EXPECT_EQ(text_of(ws::encode_header(opcode::binary, 125).view()), "\x82\x7d");
  EXPECT_EQ(text_of(ws::encode_header(opcode::binary, 126).view()), "\x82\x7e\x00\x7e"s);
  EXPECT_EQ(text_of(ws::encode_header(opcode::text, 65535, false).view()), "\x01\x7e\xff\xff");
  EXPECT_EQ(text_of(ws::encode_header(opcode::binary, 65536).view()), "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"s);
}

TEST(WebSocketFrame, RandomMasksDiffer) {
  auto masks = ws::random_masks();
  std::vector<std::uint32_t> seen;
  for (int i = 0; i < 200; ++i) seen.push_back(masks());
  std::ranges::sort(seen);
  EXPECT_LE(std::ranges::count(seen, 0u), 1);
  EXPECT_GT(std::ranges::unique(seen).begin() - seen.begin(), 190);
}

/// wslay's own endpoint as the peer: an independent reader and writer of the same protocol.
class wslay_peer {
 public:
  explicit wslay_peer(bool server) {
    wslay_event_callbacks callbacks{};
    callbacks.recv_callback = [](wslay_event_context_ptr context, std::uint8_t* out, std::size_t size, int,
                                 void* self) -> ssize_t {
      auto& input = static_cast<wslay_peer*>(self)->input_;
      if (input.empty()) {
        wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
        return -1;
      }
      const auto taken = input.copy(static_cast<char*>(static_cast<void*>(out)), size);
      input.erase(0, taken);
      return static_cast<ssize_t>(taken);
    };
    callbacks.send_callback = [](wslay_event_context_ptr, const std::uint8_t* data, std::size_t size, int,
                                 void* self) -> ssize_t {
      static_cast<wslay_peer*>(self)->output_.append(text_of(std::as_bytes(std::span(data, size))));
      return static_cast<ssize_t>(size);
    };
    callbacks.genmask_callback = [](wslay_event_context_ptr, std::uint8_t* out, std::size_t size, void*) {
      std::fill_n(out, size, std::uint8_t{0x5a});
      return 0;
    };
    callbacks.on_msg_recv_callback = [](wslay_event_context_ptr, const wslay_event_on_msg_recv_arg* message, void* self) {
      static_cast<wslay_peer*>(self)->received.push_back(
          std::to_string(message->opcode) + ":" +
          std::string(text_of(std::as_bytes(std::span(message->msg, message->msg_length)))));
    };
    const auto init = server ? wslay_event_context_server_init : wslay_event_context_client_init;
    EXPECT_EQ(init(&context_, &callbacks, this), 0);
  }
  wslay_peer(const wslay_peer&) = delete;
  wslay_peer& operator=(const wslay_peer&) = delete;
  ~wslay_peer() { wslay_event_context_free(context_); }

  void receive(std::string_view bytes) {
    input_.append(bytes);
    EXPECT_EQ(wslay_event_recv(context_), 0);
  }
  void queue(std::uint8_t kind, const std::vector<std::uint8_t>& payload) {
    const wslay_event_msg message{kind, payload.data(), payload.size()};
    EXPECT_EQ(wslay_event_queue_msg(context_, &message), 0);
  }
  std::string send() {
    EXPECT_EQ(wslay_event_send(context_), 0);
    return std::exchange(output_, {});
  }

  events received;

 private:
  wslay_event_context_ptr context_ = nullptr;
  std::string input_;
  std::string output_;
};

TEST_P(WebSocketCodec, AgreesWithWslaysOwnEndpoint) {
  wslay_peer other(peer() == ws::role::server);
  auto codec = make(side());
  for (const std::size_t size : {0u, 5u, 126u, 5000u, 70'000u}) {
    const std::string payload(size, 'm');
    std::vector<std::byte> wire;
    ASSERT_TRUE(codec.encode_message(opcode::binary, bytes_of(payload), wire));
    other.receive(text_of(wire));
    EXPECT_EQ(other.received.back(), "2:" + payload);

    other.queue(1, std::vector<std::uint8_t>(size, 't'));
    const auto sent = other.send();
    auto input = bytes_of(sent);
    const auto event = codec.next(input);
    ASSERT_TRUE(event);
    EXPECT_EQ(describe(*event), "text:" + std::string(size, 't'));
  }
  ASSERT_TRUE(codec.close(1001, "done"));
  other.receive(text_of(codec.take_output()));
  EXPECT_EQ(other.received.back(),
            "8:\x03\xe9"
            "done");
  const auto sent = other.send();
  auto input = bytes_of(sent);
  const auto event = codec.next(input);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->type, ws::event_type::close);
  EXPECT_EQ(event->code, 1001);
}

}  // namespace
