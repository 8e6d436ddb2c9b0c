// An HTTP client: one request on one connection, or a WebSocket.
//
//   auto page = co_await tide::http::fetch("http://127.0.0.1:2470/_health");
//   if (page && page->status == 200) use(page->body);
//   auto ws = co_await tide::http::connect_websocket("ws://127.0.0.1:2470/xrpc/com.atproto.sync.subscribeRepos?cursor=0");
#pragma once

#include <chrono>
#include <string_view>

#include <tide/base/result.hpp>
#include <tide/http/codec/message.hpp>
#include <tide/http/codec/parser.hpp>
#include <tide/http/websocket.hpp>
#include <tide/runtime/task.hpp>

namespace tide::http {

struct client_options {
  headers fields;  ///< added to the request
  limits response{.request_line = 8 * 1024, .header_block = 32 * 1024, .header_count = 100, .body = 16 * 1024 * 1024};
  clock::duration time = std::chrono::seconds(30);  ///< for everything up to the response, or to the open WebSocket
  bool private_addresses = true;  ///< false: addresses outside the public network are refused, checked on the
                                  ///< address that is connected to, so a name cannot smuggle one in
  websocket_options websocket;
};

/// GET. Errors: errc::malformed (URL), errc::not_supported (https, until TLS is built in), errc::timed_out, http_errc, those
/// of connect; EACCES for an address that is refused. Redirects are answers like any other.
task<result<response>> fetch(std::string_view url, client_options wanted = {});

struct websocket_connection {
  http::websocket socket;
  response handshake;  ///< the answer that opened it
};

/// Opens a WebSocket; errors as those of fetch, and http_errc::upgrade_refused.
task<result<websocket_connection>> connect_websocket(std::string_view url, client_options wanted = {});

}  // namespace tide::http
