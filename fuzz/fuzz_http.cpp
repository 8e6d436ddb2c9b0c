// The HTTP edge: what the parsers say does not depend on the split; what they accept can be written and read again; URLs
// read from their own parts are the same.
#include <string>

#include <tide/http/codec/parser.hpp>
#include <tide/http/codec/url.hpp>

#include "fuzz.hpp"

namespace {

using namespace tide::http;
using tide_fuzz::require;

struct outcome {
  std::vector<request> requests;
  std::vector<response> responses;
  std::vector<bool> keep_alive;
  std::error_code error;
  std::size_t consumed = 0;
  bool upgraded = false;
};

bool same(const request& a, const request& b) {
  return a.method == b.method && a.target == b.target && a.protocol == b.protocol && a.fields == b.fields &&
         a.body == b.body;
}
bool same(const response& a, const response& b) {
  return a.status == b.status && a.reason == b.reason && a.protocol == b.protocol && a.fields == b.fields &&
         a.body == b.body;
}
bool same(const outcome& a, const outcome& b) {
  const auto equal = [](const auto& x, const auto& y) { return same(x, y); };
  return std::ranges::equal(a.requests, b.requests, equal) && std::ranges::equal(a.responses, b.responses, equal) &&
         a.keep_alive == b.keep_alive && a.error == b.error && a.upgraded == b.upgraded &&
         (a.error || a.consumed == b.consumed);
}

void keep(outcome& out, const request& message) { out.requests.push_back(message); }
void keep(outcome& out, const response& message) { out.responses.push_back(message); }

template <class Parser>
outcome parse(const std::vector<std::vector<std::byte>>& pieces, const limits& bounds) {
  Parser parser(bounds);
  outcome out;
  for (const auto& piece : pieces) {
    tide::bytes_view left = piece;
    while (true) {
      const auto step = parser.feed(left);
      if (!step) {
        require(status_of(step.error()) >= 400 && status_of(step.error()) < 506);
        out.error = step.error();
        return out;
      }
      require(step->consumed <= left.size());
      left = left.subspan(step->consumed);
      out.consumed += step->consumed;
      require(parser.message().body.size() <= bounds.body);
      require(parser.message().fields.size() <= bounds.header_count);
      if (step->state == parse_state::need_more) {
        require(left.empty());
        break;
      }
      if (step->state == parse_state::headers_complete) continue;
      keep(out, parser.message());
      out.keep_alive.push_back(parser.keep_alive());
      if (step->state == parse_state::upgrade) {
        out.upgraded = true;
        return out;
      }
    }
  }
  return out;
}

/// Writes an accepted request with plain framing, reads it, and expects the same.
void round_trip(request message) {
  message.fields.remove("transfer-encoding");
  message.fields.remove("content-length");
  const auto text = serialize(message);
  require(text.has_value());
  request_parser parser({.request_line = 1 << 20, .header_block = 1 << 20, .header_count = 1 << 20, .body = 1 << 20});
  auto step = parser.feed(tide::bytes_of(*text));
  require(step.has_value());
  if (step->state == parse_state::headers_complete) step = parser.feed(tide::bytes_of(*text).subspan(step->consumed));
  require(step && (step->state == parse_state::message_complete || step->state == parse_state::upgrade));
  auto& again = parser.message();
  again.fields.remove("content-length");
  require(same(again, message));
}

void check_url(std::string_view text) {
  const auto first = parse_url(text);
  if (!first) return;
  const auto again = parse_url(first->scheme + "://" + first->host_field() + first->target);
  require(again.has_value() && *again == *first);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = tide_fuzz::input::from(data, size);
  limits bounds;
  if ((input.mode & 2) != 0) bounds = {.request_line = 48, .header_block = 64, .header_count = 4, .body = 16};
  const std::vector<std::vector<std::byte>> whole{{input.bytes.begin(), input.bytes.end()}};
  if ((input.mode & 1) != 0) {
    require(same(parse<response_parser>(whole, bounds), parse<response_parser>(input.pieces(), bounds)));
  } else {
    const auto out = parse<request_parser>(whole, bounds);
    require(same(out, parse<request_parser>(input.pieces(), bounds)));
    for (const auto& message : out.requests) {
      round_trip(message);
      static_cast<void>(message.path());
      static_cast<void>(message.query_all("cursor"));
    }
  }
  check_url(tide::text_of(input.bytes));
  return 0;
}
