// The HTTP upgrade to WebSocket, both sides, as values.
//
//   // client
//   const auto key = ws::make_key();
//   send(*serialize(ws::upgrade_request(url, key)));
//   if (auto ok = ws::check_upgrade_response(reply, key); !ok) …
//   // server
//   auto accept = ws::check_upgrade(request);
//   send(*serialize(accept ? ws::upgrade_response(*accept) : ws::refusal(accept.error())));
#pragma once

#include <string>
#include <string_view>

#include <tide/base/result.hpp>
#include <tide/http/codec/error.hpp>
#include <tide/http/codec/message.hpp>
#include <tide/http/codec/url.hpp>

namespace tide::http::ws {

/// A Sec-WebSocket-Key: 16 random bytes of the kernel in base64.
[[nodiscard]] std::string make_key();
/// The Sec-WebSocket-Accept that answers this key.
[[nodiscard]] std::string accept_key(std::string_view key);

/// A GET of the URL's target that asks for WebSocket version 13.
[[nodiscard]] request upgrade_request(const url& target, std::string_view key);

/// What a server checks; gives the accept key. Errors: http_errc::method_not_allowed (405, not a GET),
/// http_errc::upgrade_required (426, no upgrade to websocket asked or another version), http_errc::bad_handshake (400, bad
/// or repeated key, HTTP/1.0, a body).
[[nodiscard]] result<std::string> check_upgrade(const request& message);
/// 101 with the accept key.
[[nodiscard]] response upgrade_response(std::string_view accept);
/// The answer to a request that failed check_upgrade, with the fields its status calls for (Allow with 405; Upgrade and
/// Sec-WebSocket-Version with 426). Other errors give their own status_of.
[[nodiscard]] response refusal(const std::error_code& problem);

/// What a client checks. Errors: http_errc::upgrade_refused, also where the server agrees to an extension or subprotocol
/// that was not asked for.
[[nodiscard]] result<> check_upgrade_response(const response& message, std::string_view key);

}  // namespace tide::http::ws
