#include <tide/http/client.hpp>

#include <cerrno>
#include <string>
#include <utility>

#include <tide/http/codec/handshake.hpp>
#include <tide/http/codec/url.hpp>
#include <tide/runtime/time.hpp>

namespace tide::http {
namespace {

task<result<net::tcp_stream>> open(const url& to, const client_options& wanted) {
  if (to.secure()) co_return fail(errc::not_supported);
  auto found = co_await net::resolve(to.host, to.port);
  if (!found) co_return fail(found.error());
  std::error_code last(EHOSTUNREACH, std::system_category());
  for (const net::address& each : *found) {
    if (!wanted.private_addresses && each.is_private()) {
      last = {EACCES, std::system_category()};
      continue;
    }
    auto stream = co_await net::tcp_stream::connect(each);
    if (stream || stream.error() == errc::canceled) co_return stream;
    last = stream.error();
  }
  co_return fail(last);
}

/// Sends the request, reads one response; `rest` gets what came behind it.
task<result<response>> exchange_once(net::tcp_stream& stream, const request& ask, const client_options& wanted,
                                     chunk& rest) {
  auto bytes = serialize(ask);
  if (!bytes) co_return fail(bytes.error());
  if (auto sent = co_await stream.write_all(std::move(*bytes)); !sent) co_return fail(sent.error());
  response_parser parser(wanted.response);
  while (true) {
    auto progress = parser.feed(rest.bytes());
    if (!progress) co_return fail(progress.error());
    rest.remove_prefix(progress->consumed);
    const bool whole = progress->state == parse_state::message_complete || progress->state == parse_state::upgrade;
    const bool interim = parser.message().status / 100 == 1 && parser.message().status != 101;
    if (whole && !interim) co_return std::move(parser.message());
    if (progress->state == parse_state::headers_complete || !rest.empty() || whole) continue;
    auto next = co_await stream.receive();
    if (!next) co_return fail(next.error());
    if (next->empty()) {
      auto ended = parser.finish();
      if (!ended) co_return fail(ended.error());
      if (*ended != parse_state::message_complete) co_return fail(http_errc::incomplete);
      co_return std::move(parser.message());
    }
    rest = std::move(*next);
  }
}

request request_for(const url& to, const client_options& wanted) {
  request ask{.target = to.target};
  ask.fields.add("Host", to.host_field());
  ask.fields.add("Accept", "*/*");
  ask.fields.add("Connection", "close");
  for (const header& each : wanted.fields) ask.fields.set(each.name, each.value);
  return ask;
}

task<result<response>> fetch_parsed(const url& to, const client_options& wanted) {
  auto stream = co_await open(to, wanted);
  if (!stream) co_return fail(stream.error());
  chunk rest;
  co_return co_await exchange_once(*stream, request_for(to, wanted), wanted, rest);
}

task<result<websocket_connection>> connect_parsed(const url& to, const client_options& wanted) {
  auto stream = co_await open(to, wanted);
  if (!stream) co_return fail(stream.error());
  const std::string key = ws::make_key();
  request ask = ws::upgrade_request(to, key);
  for (const header& each : wanted.fields) ask.fields.set(each.name, each.value);
  chunk rest;
  auto answer = co_await exchange_once(*stream, ask, wanted, rest);
  if (!answer) co_return fail(answer.error());
  if (auto ok = ws::check_upgrade_response(*answer, key); !ok) co_return fail(ok.error());
  websocket socket(std::move(*stream), ws::codec::client(ws::random_masks(), wanted.websocket.codec), std::move(rest),
                   wanted.websocket);
  co_return websocket_connection{std::move(socket), std::move(*answer)};
}

}  // namespace

task<result<response>> fetch(std::string_view url, client_options wanted) {
  const auto to = parse_url(url);
  if (!to) co_return fail(to.error());
  co_return co_await timeout(wanted.time, fetch_parsed(*to, wanted));
}

task<result<websocket_connection>> connect_websocket(std::string_view url, client_options wanted) {
  const auto to = parse_url(url);
  if (!to) co_return fail(to.error());
  co_return co_await timeout(wanted.time, connect_parsed(*to, wanted));
}

}  // namespace tide::http
