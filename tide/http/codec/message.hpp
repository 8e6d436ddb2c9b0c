// Requests and responses as values, and their bytes.
//
//   tide::http::request request{.method = "GET", .target = "/xrpc/x?cursor=12&q=a%20b"};
//   request.path();            // "/xrpc/x"
//   request.query("q");        // "a b"
//   tide::http::response reply{.status = 200, .fields = {{"Content-Type", "text/plain"}}, .body = "ok\n"};
//   stream.write_all(*tide::http::serialize(reply));
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tide/base/result.hpp>
#include <tide/http/codec/headers.hpp>

namespace tide::http {

enum class version : std::uint8_t { http_1_0, http_1_1 };

struct request {
  std::string method = "GET";
  /// As it stands in the request line, not decoded: "/path?query", an absolute URL, or "*".
  std::string target = "/";
  version protocol = version::http_1_1;
  headers fields{};
  std::string body{};

  /// The path of the target, not decoded, without its query. "/" for an absolute URL without a path.
  [[nodiscard]] std::string_view path() const noexcept;
  /// What follows the first '?', not decoded.
  [[nodiscard]] std::string_view query_string() const noexcept;
  /// The first query parameter of that name with %XX and '+' decoded; no value where the name does not stand.
  [[nodiscard]] std::optional<std::string> query(std::string_view name) const;
  /// All of them, in order.
  [[nodiscard]] std::vector<std::string> query_all(std::string_view name) const;
};

struct response {
  int status = 200;
  /// Empty: reason_phrase(status).
  std::string reason{};
  version protocol = version::http_1_1;
  headers fields{};
  std::string body{};
};

/// The bytes of a message. Adds Content-Length where it does not stand and the message may have a body; a request without a
/// body and a response 1xx, 204 or 304 gets none. Errors: http_errc::unsafe_text when a method, target, name, value or
/// reason holds bytes that would end its line or field, when Content-Length is not the length of the body, when
/// Transfer-Encoding stands (send such bodies with serialize_head and own framing), or when the status is not 100…999.
[[nodiscard]] result<std::string> serialize(const request& message);
[[nodiscard]] result<std::string> serialize(const response& message);
/// The head alone, with the fields as they stand; for bodies that are sent in pieces and for answers to HEAD.
[[nodiscard]] result<std::string> serialize_head(const response& message);

/// %XX sequences decoded; a '%' without two hexadecimal digits stays. `plus_is_space` as in query strings.
[[nodiscard]] std::string percent_decode(std::string_view text, bool plus_is_space = false);

}  // namespace tide::http
