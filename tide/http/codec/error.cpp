#include <tide/http/codec/error.hpp>

#include <string>

namespace tide::http {
namespace {

class category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "http"; }
  std::string message(int value) const override {
    switch (static_cast<http_errc>(value)) {
      case http_errc::malformed: return "malformed HTTP";
      case http_errc::conflicting_framing: return "conflicting or malformed body length";
      case http_errc::bad_host: return "missing or repeated Host header";
      case http_errc::incomplete: return "connection closed inside a message";
      case http_errc::bad_handshake: return "malformed WebSocket handshake";
      case http_errc::method_not_allowed: return "method not allowed";
      case http_errc::body_too_large: return "body too large";
      case http_errc::target_too_long: return "request line too long";
      case http_errc::upgrade_required: return "upgrade to WebSocket version 13 required";
      case http_errc::headers_too_large: return "header block too large";
      case http_errc::unsupported_method: return "method not implemented";
      case http_errc::unsupported_transfer_coding: return "transfer coding not implemented";
      case http_errc::upgrade_refused: return "the server refused the WebSocket upgrade";
      case http_errc::unsupported_version: return "HTTP version not supported";
      case http_errc::unsafe_text: return "text that would break the framing of the message";
    }
    return "unknown HTTP error";
  }
};

}  // namespace

const std::error_category& http_category() noexcept {
  static const category instance;
  return instance;
}

std::error_code make_error_code(http_errc code) noexcept { return {static_cast<int>(code), http_category()}; }

int status_of(const std::error_code& code) noexcept {
  if (code.category() != http_category()) return 500;
  switch (static_cast<http_errc>(code.value())) {
    case http_errc::malformed:
    case http_errc::conflicting_framing:
    case http_errc::bad_host:
    case http_errc::incomplete:
    case http_errc::bad_handshake: return 400;
    case http_errc::method_not_allowed: return 405;
    case http_errc::body_too_large: return 413;
    case http_errc::target_too_long: return 414;
    case http_errc::upgrade_required: return 426;
    case http_errc::headers_too_large: return 431;
    case http_errc::unsupported_method:
    case http_errc::unsupported_transfer_coding: return 501;
    case http_errc::upgrade_refused: return 502;
    case http_errc::unsupported_version: return 505;
    case http_errc::unsafe_text: return 500;
  }
  return 500;
}

std::string_view reason_phrase(int status) noexcept {
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 411: return "Length Required";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 426: return "Upgrade Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
  }
}

}  // namespace tide::http
