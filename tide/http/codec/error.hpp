// What can be wrong with HTTP that a peer sends, and the status that answers it.
//
//   auto progress = parser.feed(bytes);
//   if (!progress) {
//     int status = tide::http::status_of(progress.error());             // 400, 413, 414, 426, 431, 501, 505 …
//     reply(status, tide::http::reason_phrase(status));
//   }
#pragma once

#include <string_view>
#include <system_error>

namespace tide::http {

enum class http_errc {
  malformed = 1,                ///< not HTTP/1.x (400)
  conflicting_framing,          ///< body length said twice, in conflict, or in a bad chunk: request smuggling (400)
  bad_host,                     ///< HTTP/1.1 without Host, or with several (400)
  incomplete,                   ///< the peer closed inside a message (400)
  bad_handshake,                ///< a WebSocket upgrade with missing or wrong fields (400)
  method_not_allowed,           ///< a WebSocket upgrade that is not a GET (405)
  body_too_large,               ///< limits::body passed (413)
  target_too_long,              ///< limits::request_line passed (414)
  upgrade_required,             ///< the resource speaks WebSocket 13 only (426)
  headers_too_large,            ///< limits::header_block or limits::header_count passed (431)
  unsupported_method,           ///< a method this parser does not know (501)
  unsupported_transfer_coding,  ///< a transfer coding other than chunked (501)
  upgrade_refused,              ///< the server did not switch to WebSocket, or not as asked (502)
  unsupported_version,          ///< neither HTTP/1.1 nor HTTP/1.0 (505)
  unsafe_text,                  ///< own message holds bytes that would break its framing, such as CR or LF (500)
};

[[nodiscard]] const std::error_category& http_category() noexcept;
[[nodiscard]] std::error_code make_error_code(http_errc code) noexcept;

/// The status a server answers an error with: what the list above says; 500 for errors of other categories.
[[nodiscard]] int status_of(const std::error_code& code) noexcept;

/// "Not Found" for 404; "Unknown" for a number that has no registered phrase.
[[nodiscard]] std::string_view reason_phrase(int status) noexcept;

}  // namespace tide::http

template <>
struct std::is_error_code_enum<tide::http::http_errc> : std::true_type {};
