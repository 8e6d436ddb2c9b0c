// Incremental HTTP/1.1 parsers: bytes in, at any split; a whole message out; the bytes after it stay with the caller.
//
//   tide::http::request_parser parser;
//   while (true) {
//     auto progress = parser.feed(pending);
//     if (!progress) co_return reply_and_close(status_of(progress.error()));
//     pending = pending.subspan(progress->consumed);
//     if (progress->state == parse_state::message_complete) answer(parser.message(), parser.keep_alive());
//     if (progress->state == parse_state::need_more) pending = co_await more();
//   }
//
// llhttp does the parsing, with none of its lenient modes. On top of it: limits, one framing of the body only, Host, and
// HTTP/1.0 and 1.1 only. What a parser says does not depend on where the bytes were split.
#pragma once

#include <cstddef>
#include <memory>

#include <tide/base/bytes.hpp>
#include <tide/base/result.hpp>
#include <tide/http/codec/error.hpp>
#include <tide/http/codec/message.hpp>

namespace tide::http {

/// All in bytes, but for header_count.
struct limits {
  std::size_t request_line = 8 * 1024;   ///< method, target and version; http_errc::target_too_long
  std::size_t header_block = 32 * 1024;  ///< header lines, or framing of a chunked body; http_errc::headers_too_large
  std::size_t header_count = 100;        ///< header lines, trailers included; http_errc::headers_too_large
  std::size_t body = 1024 * 1024;        ///< http_errc::body_too_large
};

enum class parse_state {
  need_more,         ///< all bytes taken; the message goes on
  headers_complete,  ///< the head is there and a body follows: feed on (an empty span will do) to read it
  message_complete,  ///< the message is there; the next byte fed starts another one
  upgrade,           ///< as message_complete, and the peer offers (request) or makes (101) another protocol from here on
};

struct progress {
  std::size_t consumed;
  parse_state state;
};

namespace detail {
struct parser_engine;
struct parser_engine_deleter {
  void operator()(parser_engine* engine) const noexcept;
};
using parser_engine_owner = std::unique_ptr<parser_engine, parser_engine_deleter>;
}  // namespace detail

/// Move-only, not thread-safe. After an error every further call gives the same error.
class request_parser {
 public:
  explicit request_parser(const limits& bounds = {});

  /// Takes bytes up to the end of one message at most. Errors: http_errc, see status_of.
  [[nodiscard]] result<progress> feed(bytes_view bytes);
  /// The peer has closed its side. Errors: http_errc::incomplete inside a message.
  [[nodiscard]] result<> finish();

  /// Valid in full after message_complete or upgrade, without the body after headers_complete, until the next feed.
  [[nodiscard]] request& message() noexcept;
  /// True when the peer expects this connection to go on after the message.
  [[nodiscard]] bool keep_alive() const noexcept;
  /// True between messages: nothing of the next one has come yet.
  [[nodiscard]] bool idle() const noexcept;

 private:
  detail::parser_engine_owner engine_;
};

/// Move-only, not thread-safe. After an error every further call gives the same error.
class response_parser {
 public:
  explicit response_parser(const limits& bounds = {});

  /// Takes bytes up to the end of one message at most. Interim responses (100, 103) are messages of their own.
  [[nodiscard]] result<progress> feed(bytes_view bytes);
  /// The peer has closed its side; ends a body that has no length. Errors: http_errc::incomplete inside a message.
  [[nodiscard]] result<parse_state> finish();
  /// The next response answers a HEAD request: it has no body whatever its fields say.
  void expect_no_body() noexcept;

  [[nodiscard]] response& message() noexcept;
  [[nodiscard]] bool keep_alive() const noexcept;
  [[nodiscard]] bool idle() const noexcept;

 private:
  detail::parser_engine_owner engine_;
};

}  // namespace tide::http
