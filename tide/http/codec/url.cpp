#include <tide/http/codec/url.hpp>

#include <algorithm>
#include <charconv>

#include <tide/http/codec/headers.hpp>

namespace tide::http {
namespace {

std::uint16_t default_port(std::string_view scheme) noexcept { return scheme == "https" || scheme == "wss" ? 443 : 80; }

std::string lower_case(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

bool is_letter_or_digit(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_host_name(std::string_view text) noexcept {
  return !text.empty() && text.size() <= 253 &&
         std::ranges::all_of(text, [](char c) { return is_letter_or_digit(c) || c == '-' || c == '.' || c == '_'; });
}

bool is_ipv6(std::string_view text) noexcept {
  return text.size() >= 2 && text.size() <= 45 && text.contains(':') && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' || c == '.';
         });
}

}  // namespace

std::string url::host_field() const {
  std::string out = host.contains(':') ? "[" + host + "]" : host;
  if (port != default_port(scheme)) out.append(":").append(std::to_string(port));
  return out;
}

result<url> parse_url(std::string_view text) {
  const auto colon = text.find("://");
  if (colon == std::string_view::npos) return fail(errc::malformed);
  url out;
  out.scheme = lower_case(text.substr(0, colon));
  if (out.scheme != "ws" && out.scheme != "wss" && out.scheme != "http" && out.scheme != "https")
    return fail(errc::malformed);
  if (!std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; })) return fail(errc::malformed);

  std::string_view rest = text.substr(colon + 3);
  rest = rest.substr(0, rest.find('#'));
  const auto authority_end = rest.find_first_of("/?");
  std::string_view authority = rest.substr(0, authority_end);
  if (authority_end != std::string_view::npos) {
    out.target = rest.substr(authority_end);
    if (out.target.front() == '?') out.target.insert(0, "/");
  }

  std::string_view port;
  if (authority.starts_with('[')) {
    const auto close = authority.find(']');
    if (close == std::string_view::npos || !is_ipv6(authority.substr(1, close - 1))) return fail(errc::malformed);
    out.host = lower_case(authority.substr(1, close - 1));
    port = authority.substr(close + 1);
  } else {
    const auto port_at = authority.find(':');
    if (!is_host_name(authority.substr(0, port_at))) return fail(errc::malformed);
    out.host = lower_case(authority.substr(0, port_at));
    port = port_at == std::string_view::npos ? std::string_view() : authority.substr(port_at);
  }

  out.port = default_port(out.scheme);
  if (!port.empty()) {
    const char* const end = port.data() + port.size();
    const auto [stop, problem] = std::from_chars(port.data() + 1, end, out.port);
    if (port.front() != ':' || problem != std::errc() || stop != end || out.port == 0) return fail(errc::malformed);
  }
  return out;
}

}  // namespace tide::http
