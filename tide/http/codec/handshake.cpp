#include <tide/http/codec/handshake.hpp>

#include <nettle/base64.h>
#include <nettle/sha1.h>
#include <sys/random.h>
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace tide::http::ws {
namespace {

constexpr std::string_view protocol_id = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr std::size_t key_bytes = 16;

std::string base64(std::span<const std::uint8_t> bytes) {
  std::string out(BASE64_ENCODE_RAW_LENGTH(bytes.size()), '\0');
  base64_encode_raw(out.data(), bytes.size(), bytes.data());
  return out;
}

/// Canonical base64 of exactly 16 bytes.
bool is_key(std::string_view text) {
  if (text.size() != BASE64_ENCODE_RAW_LENGTH(key_bytes)) return false;
  std::array<std::uint8_t, BASE64_DECODE_LENGTH(BASE64_ENCODE_RAW_LENGTH(key_bytes))> bytes{};
  std::size_t size = bytes.size();
  base64_decode_ctx context{};
  base64_decode_init(&context);
  if (base64_decode_update(&context, &size, bytes.data(), text.size(), text.data()) == 0) return false;
  return base64_decode_final(&context) != 0 && size == key_bytes;
}

}  // namespace

std::string make_key() {
  std::array<std::uint8_t, key_bytes> bytes{};
  // Up to 256 bytes come whole and are never interrupted once the kernel's generator has been seeded (getrandom(2)).
  while (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
  }
  return base64(bytes);
}

std::string accept_key(std::string_view key) {
  std::string text(key);
  text.append(protocol_id);
  const std::vector<std::uint8_t> bytes(text.begin(), text.end());
  sha1_ctx context{};
  sha1_init(&context);
  sha1_update(&context, bytes.size(), bytes.data());
  std::array<std::uint8_t, SHA1_DIGEST_SIZE> digest{};
  sha1_digest(&context, digest.size(), digest.data());
  return base64(digest);
}

request upgrade_request(const url& target, std::string_view key) {
  request out{.method = "GET", .target = target.target};
  out.fields.add("Host", target.host_field());
  out.fields.add("Upgrade", "websocket");
  out.fields.add("Connection", "Upgrade");
  out.fields.add("Sec-WebSocket-Key", key);
  out.fields.add("Sec-WebSocket-Version", "13");
  return out;
}

result<std::string> check_upgrade(const request& message) {
  const headers& fields = message.fields;
  if (message.method != "GET") return fail(http_errc::method_not_allowed);
  if (!fields.has_token("upgrade", "websocket") || !fields.has_token("connection", "upgrade")) {
    return fail(http_errc::upgrade_required);
  }
  if (message.protocol != version::http_1_1 || !message.body.empty()) return fail(http_errc::bad_handshake);
  if (fields.count("sec-websocket-version") != 1) return fail(http_errc::bad_handshake);
  if (*fields.get("sec-websocket-version") != "13") return fail(http_errc::upgrade_required);
  const auto key = fields.get("sec-websocket-key");
  if (fields.count("sec-websocket-key") != 1 || !is_key(*key)) return fail(http_errc::bad_handshake);
  return accept_key(*key);
}

response upgrade_response(std::string_view accept) {
  response out{.status = 101};
  out.fields.add("Upgrade", "websocket");
  out.fields.add("Connection", "Upgrade");
  out.fields.add("Sec-WebSocket-Accept", accept);
  return out;
}

response refusal(const std::error_code& problem) {
  response out{.status = status_of(problem)};
  out.fields.add("Content-Type", "text/plain");
  if (out.status == 405) out.fields.add("Allow", "GET");
  if (out.status == 426) {
    out.fields.add("Upgrade", "websocket");
    out.fields.add("Connection", "Upgrade");
    out.fields.add("Sec-WebSocket-Version", "13");
  }
  out.body = problem.message() + "\n";
  return out;
}

result<> check_upgrade_response(const response& message, std::string_view key) {
  const headers& fields = message.fields;
  const bool agreed = message.status == 101 && message.protocol == version::http_1_1 &&
                      fields.has_token("upgrade", "websocket") && fields.has_token("connection", "upgrade") &&
                      fields.count("sec-websocket-accept") == 1 && *fields.get("sec-websocket-accept") == accept_key(key) &&
                      fields.count("sec-websocket-extensions") == 0 && fields.count("sec-websocket-protocol") == 0;
  return agreed ? result<>() : fail(http_errc::upgrade_refused);
}

}  // namespace tide::http::ws
