// The URLs a client connects to.
//
//   auto url = tide::http::parse_url("ws://[::1]:8080/xrpc/x?cursor=1").value();
//   url.host;             // "::1"
//   url.port;             // 8080
//   url.target;           // "/xrpc/x?cursor=1"
//   url.host_field();     // "[::1]:8080", what the Host header says
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <tide/base/result.hpp>

namespace tide::http {

struct url {
  std::string scheme;  ///< "http", "https", "ws" or "wss"
  std::string host;    ///< in lower case; an IPv6 address without its brackets
  std::uint16_t port = 0;
  std::string target = "/";

  [[nodiscard]] bool secure() const noexcept { return scheme == "https" || scheme == "wss"; }
  /// The value of the Host header: brackets around IPv6, the port where it is not the scheme's own.
  [[nodiscard]] std::string host_field() const;
  friend bool operator==(const url&, const url&) = default;
};

/// An absolute URL of one of the four schemes. A fragment is cut off. Errors: errc::malformed, also for user information
/// ("user@host"), other schemes, port 0 and characters that must be escaped.
[[nodiscard]] result<url> parse_url(std::string_view text);

}  // namespace tide::http
