#include <tide/http/codec/message.hpp>

#include <algorithm>
#include <string>

#include <tide/http/codec/error.hpp>

namespace tide::http {
namespace {

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Calls `visit(name, value)`, both undecoded, until it returns false.
template <class Visit>
void each_parameter(std::string_view query, Visit visit) {
  while (!query.empty()) {
    const auto ampersand = query.find('&');
    const auto item = query.substr(0, ampersand);
    const auto equals = item.find('=');
    const auto value = equals == std::string_view::npos ? std::string_view() : item.substr(equals + 1);
    if (!item.empty() && !visit(item.substr(0, equals), value)) return;
    query = ampersand == std::string_view::npos ? std::string_view() : query.substr(ampersand + 1);
  }
}

bool is_target(std::string_view text) noexcept {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

std::string_view name_of(version protocol) noexcept { return protocol == version::http_1_0 ? "HTTP/1.0" : "HTTP/1.1"; }

bool may_have_body(int status) noexcept { return status >= 200 && status != 204 && status != 304; }

bool fields_are_safe(const headers& fields) noexcept {
  return std::ranges::all_of(fields,
                             [](const header& field) { return is_token(field.name) && is_field_value(field.value); });
}

/// The fields are whole lines, and say nothing false about the body that follows them.
bool body_is_framed(const headers& fields, const std::string& body) {
  if (!fields_are_safe(fields) || fields.get("transfer-encoding")) return false;
  const auto length = fields.get("content-length");
  return !length || (fields.count("content-length") == 1 && *length == std::to_string(body.size()));
}

void append_fields(std::string& out, const headers& fields) {
  for (const auto& field : fields) {
    out.append(field.name).append(": ").append(field.value).append("\r\n");
  }
}

void append_length(std::string& out, const headers& fields, std::size_t length) {
  if (!fields.get("content-length")) out.append("Content-Length: ").append(std::to_string(length)).append("\r\n");
}

result<std::string> status_line_and_fields(const response& message) {
  const std::string_view reason = message.reason.empty() ? reason_phrase(message.status) : std::string_view(message.reason);
  if (message.status < 100 || message.status > 999 || !is_field_value(reason) || !fields_are_safe(message.fields)) {
    return fail(http_errc::unsafe_text);
  }
  std::string out;
  out.reserve(256 + message.body.size());
  out.append(name_of(message.protocol)).append(" ").append(std::to_string(message.status)).append(" ");
  out.append(reason).append("\r\n");
  append_fields(out, message.fields);
  return out;
}

}  // namespace

std::string percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
      out.push_back(static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2])));
      i += 2;
    } else if (text[i] == '+' && plus_is_space) {
      out.push_back(' ');
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

std::string_view request::path() const noexcept {
  std::string_view rest = target;
  rest = rest.substr(0, rest.find_first_of("?#"));
  if (rest.starts_with('/')) return rest;
  const auto authority = rest.find("://");
  if (authority == std::string_view::npos) return rest;
  const auto slash = rest.find('/', authority + 3);
  return slash == std::string_view::npos ? std::string_view("/") : rest.substr(slash);
}

std::string_view request::query_string() const noexcept {
  std::string_view rest = target;
  rest = rest.substr(0, rest.find('#'));
  const auto mark = rest.find('?');
  return mark == std::string_view::npos ? std::string_view() : rest.substr(mark + 1);
}

std::optional<std::string> request::query(std::string_view name) const {
  std::optional<std::string> found;
  each_parameter(query_string(), [&](std::string_view key, std::string_view value) {
    if (percent_decode(key, true) != name) return true;
    found = percent_decode(value, true);
    return false;
  });
  return found;
}

std::vector<std::string> request::query_all(std::string_view name) const {
  std::vector<std::string> found;
  each_parameter(query_string(), [&](std::string_view key, std::string_view value) {
    if (percent_decode(key, true) == name) found.push_back(percent_decode(value, true));
    return true;
  });
  return found;
}

result<std::string> serialize(const request& message) {
  if (!is_token(message.method) || !is_target(message.target) || !body_is_framed(message.fields, message.body)) {
    return fail(http_errc::unsafe_text);
  }
  std::string out;
  out.reserve(256 + message.target.size() + message.body.size());
  out.append(message.method).append(" ").append(message.target).append(" ").append(name_of(message.protocol)).append("\r\n");
  append_fields(out, message.fields);
  if (!message.body.empty()) append_length(out, message.fields, message.body.size());
  out.append("\r\n").append(message.body);
  return out;
}

result<std::string> serialize(const response& message) {
  const bool body = may_have_body(message.status);
  if ((!body && !message.body.empty()) || !body_is_framed(message.fields, message.body)) return fail(http_errc::unsafe_text);
  auto out = status_line_and_fields(message);
  if (!out) return out;
  if (body) append_length(*out, message.fields, message.body.size());
  out->append("\r\n").append(message.body);
  return out;
}

result<std::string> serialize_head(const response& message) {
  if (message.fields.get("transfer-encoding") && message.fields.get("content-length")) return fail(http_errc::unsafe_text);
  auto out = status_line_and_fields(message);
  if (out) out->append("\r\n");
  return out;
}

}  // namespace tide::http
