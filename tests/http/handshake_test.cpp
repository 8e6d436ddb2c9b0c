#include <tide/http/codec/handshake.hpp>

#include <gtest/gtest.h>

#include <tide/http/codec/parser.hpp>

namespace {

using namespace tide::http;

request good_request() { return ws::upgrade_request(*parse_url("ws://h:1/x?cursor=2"), "dGhlIHNhbXBsZSBub25jZQ=="); }

TEST(WebSocketHandshake, AcceptKeyIsThatOfTheStandard) {
  EXPECT_EQ(ws::accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(WebSocketHandshake, BothSidesAgree) {
  const auto key = ws::make_key();
  EXPECT_EQ(key.size(), 24u);
  EXPECT_NE(key, ws::make_key());
  request_parser server;
  const auto asked = serialize(ws::upgrade_request(*parse_url("ws://[::1]:99/x?cursor=2"), key)).value();
  const auto step = server.feed(tide::bytes_of(asked));
  ASSERT_TRUE(step);
  EXPECT_EQ(step->state, parse_state::upgrade);
  EXPECT_EQ(server.message().fields.get("host"), "[::1]:99");
  EXPECT_EQ(server.message().target, "/x?cursor=2");
  const auto accept = ws::check_upgrade(server.message());
  ASSERT_TRUE(accept);

  response_parser client;
  const auto answered = serialize(ws::upgrade_response(*accept)).value();
  const auto reply = client.feed(tide::bytes_of(answered));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->state, parse_state::upgrade);
  EXPECT_TRUE(ws::check_upgrade_response(client.message(), key));
  EXPECT_FALSE(ws::check_upgrade_response(client.message(), ws::make_key()));
}

int status_after(void (*change)(request&)) {
  auto message = good_request();
  change(message);
  const auto accept = ws::check_upgrade(message);
  return accept ? 101 : ws::refusal(accept.error()).status;
}

TEST(WebSocketHandshake, RefusesBadRequestsWithTheRightStatus) {
  EXPECT_EQ(status_after([](request&) {}), 101);
  EXPECT_EQ(status_after([](request& r) { r.fields.set("Connection", "keep-alive, upgrade"); }), 101);
  EXPECT_EQ(status_after([](request& r) { r.fields.set("Upgrade", "WebSocket"); }), 101);
  EXPECT_EQ(status_after([](request& r) { r.method = "POST"; }), 405);
  EXPECT_EQ(status_after([](request& r) { r.fields.remove("Upgrade"); }), 426);
  EXPECT_EQ(status_after([](request& r) { r.fields.set("Upgrade", "h2c"); }), 426);
  EXPECT_EQ(status_after([](request& r) { r.fields.remove("Connection"); }), 426);
  EXPECT_EQ(status_after([](request& r) { r.fields.set("Sec-WebSocket-Version", "8"); }), 426);
  EXPECT_EQ(status_after([](request& r) { r.fields.remove("Sec-WebSocket-Version"); }), 400);
  EXPECT_EQ(status_after([](request& r) { r.fields.remove("Sec-WebSocket-Key"); }), 400);
  EXPECT_EQ(status_after([](request& r) { r.fields.add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="); }), 400);
  EXPECT_EQ(status_after([](request& r) { r.fields.set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ"); }), 400);
  EXPECT_EQ(status_after([](request& r) { r.fields.set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZR=="); }), 400);
  EXPECT_EQ(status_after([](request& r) { r.fields.set("Sec-WebSocket-Key", "!!!!!!!!!!!!!!!!!!!!!!=="); }), 400);
  EXPECT_EQ(status_after([](request& r) { r.protocol = version::http_1_0; }), 400);
  EXPECT_EQ(status_after([](request& r) { r.body = "x"; }), 400);
}

TEST(WebSocketHandshake, RefusalsCarryTheFieldsOfTheirStatus) {
  const auto old = ws::refusal(http_errc::upgrade_required);
  EXPECT_EQ(old.fields.get("sec-websocket-version"), "13");
  EXPECT_EQ(old.fields.get("upgrade"), "websocket");
  EXPECT_EQ(ws::refusal(http_errc::method_not_allowed).fields.get("allow"), "GET");
  EXPECT_TRUE(serialize(old));
}

TEST(WebSocketHandshake, ClientRefusesAnythingButTheSwitchItAskedFor) {
  const std::string key = "dGhlIHNhbXBsZSBub25jZQ==";
  const auto agreed = [&](void (*change)(response&)) {
    auto reply = ws::upgrade_response(ws::accept_key(key));
    change(reply);
    return ws::check_upgrade_response(reply, key).has_value();
  };
  EXPECT_TRUE(agreed([](response&) {}));
  EXPECT_FALSE(agreed([](response& r) { r.status = 200; }));
  EXPECT_FALSE(agreed([](response& r) { r.status = 301; }));
  EXPECT_FALSE(agreed([](response& r) { r.protocol = version::http_1_0; }));
  EXPECT_FALSE(agreed([](response& r) { r.fields.remove("Upgrade"); }));
  EXPECT_FALSE(agreed([](response& r) { r.fields.remove("Connection"); }));
  EXPECT_FALSE(agreed([](response& r) { r.fields.set("Sec-WebSocket-Accept", "x"); }));
  EXPECT_FALSE(agreed([](response& r) { r.fields.remove("Sec-WebSocket-Accept"); }));
  EXPECT_FALSE(agreed([](response& r) { r.fields.add("Sec-WebSocket-Extensions", "permessage-deflate"); }));
  EXPECT_FALSE(agreed([](response& r) { r.fields.add("Sec-WebSocket-Protocol", "chat"); }));
}

}  // namespace
