#include <tide/net/address.hpp>

#include <arpa/inet.h>
#include <netdb.h>

#include <charconv>
#include <cstring>
#include <memory>

#include <tide/runtime/blocking.hpp>

namespace tide::net {
namespace {

/// inet_pton needs a terminated string; no address is longer than this.
class terminated {
 public:
  explicit terminated(std::string_view text) noexcept {
    const std::size_t size = text.size() < sizeof data_ && !text.contains('\0') ? text.size() : 0;
    text.copy(data_, size);
    data_[size] = '\0';
  }
  [[nodiscard]] const char* c_str() const noexcept { return data_; }

 private:
  char data_[INET6_ADDRSTRLEN + 20];
};

bool is_private_v4(std::uint32_t ip) noexcept {
  const auto within = [ip](std::uint32_t net, unsigned bits) { return (ip >> (32 - bits)) == (net >> (32 - bits)); };
  return within(0x00000000, 8) || within(0x0a000000, 8) || within(0x64400000, 10) || within(0x7f000000, 8) ||
         within(0xa9fe0000, 16) || within(0xac100000, 12) || within(0xc0000000, 24) || within(0xc0000200, 24) ||
         within(0xc0586300, 24) || within(0xc0a80000, 16) || within(0xc6120000, 15) || within(0xc6336400, 24) ||
         within(0xcb007100, 24) || within(0xe0000000, 4) || within(0xf0000000, 4);
}

bool is_private_v6(const in6_addr& ip) noexcept {
  const std::uint8_t* b = ip.s6_addr;
  const auto v4_at = [b](int i) {
    return std::uint32_t{b[i]} << 24U | std::uint32_t{b[i + 1]} << 16U | std::uint32_t{b[i + 2]} << 8U | b[i + 3];
  };
  if (IN6_IS_ADDR_V4MAPPED(&ip)) return is_private_v4(v4_at(12));
  constexpr std::uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};  // 64:ff9b::/96; not 64:ff9b:1::/48, which is for local use
  if (std::memcmp(b, nat64, sizeof nat64) == 0) return is_private_v4(v4_at(12));
  if (b[0] == 0x20 && b[1] == 0x02) return is_private_v4(v4_at(2));  // 6to4 2002::/16
  return (b[0] & 0xe0) != 0x20 ||                          // outside 2000::/3: loopback, ULA, link-local, multicast, ::
         (b[0] == 0x20 && b[1] == 0x01 && b[2] < 0x02) ||  // 2001::/23, protocol assignments
         (b[0] == 0x20 && b[1] == 0x01 && b[2] == 0x0d && b[3] == 0xb8) ||  // 2001:db8::/32, documentation
         (b[0] == 0x3f && b[1] == 0xff && b[2] < 0x10);                     // 3fff::/20, documentation
}

/// Errors of getaddrinfo, which are not errno's.
class resolver_category_type final : public std::error_category {
 public:
  const char* name() const noexcept override { return "resolver"; }
  std::string message(int value) const override { return ::gai_strerror(value); }
};
const std::error_category& resolver_category() noexcept {
  static const resolver_category_type instance;
  return instance;
}

result<std::vector<address>> look_up(const std::string& host, std::uint16_t port) {
  if (host.contains('\0')) return fail(std::error_code(EAI_NONAME, resolver_category()));
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), nullptr, &wanted, &found); error != 0) {
    return fail(std::error_code(error, resolver_category()));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  std::vector<address> all;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    sockaddr_storage raw{};
    if (each->ai_addrlen > sizeof raw) continue;
    std::memcpy(&raw, each->ai_addr, each->ai_addrlen);
    char text[INET6_ADDRSTRLEN];
    if (::getnameinfo(each->ai_addr, each->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0) continue;
    if (address made(text, port); made.valid()) all.push_back(made);
  }
  if (all.empty()) return fail(std::error_code(EAI_NONAME, resolver_category()));
  return all;
}

}  // namespace

address::address() noexcept {
  raw_.v6 = {};
  raw_.any.sa_family = AF_UNSPEC;
}

address::address(std::string_view ip, std::uint16_t port) noexcept : address() {
  const terminated text(ip);
  in_addr v4{};
  in6_addr v6{};
  if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) {
    raw_.v4 = {};
    raw_.v4.sin_family = AF_INET;
    raw_.v4.sin_port = htons(port);
    raw_.v4.sin_addr = v4;
  } else if (::inet_pton(AF_INET6, text.c_str(), &v6) == 1) {
    raw_.v6 = {};
    raw_.v6.sin6_family = AF_INET6;
    raw_.v6.sin6_port = htons(port);
    raw_.v6.sin6_addr = v6;
  }
}

address::address(const sockaddr_storage& raw, socklen_t length) noexcept : address() {
  if ((raw.ss_family == AF_INET && length >= sizeof raw_.v4) || (raw.ss_family == AF_INET6 && length >= sizeof raw_.v6)) {
    std::memcpy(&raw_, &raw, raw.ss_family == AF_INET ? sizeof raw_.v4 : sizeof raw_.v6);
  }
}

result<address> address::parse(std::string_view text) noexcept {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return fail(errc::malformed);
  std::string_view ip = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size() || digits.empty()) return fail(errc::malformed);
  const bool bracketed = ip.size() > 2 && ip.front() == '[' && ip.back() == ']';
  if (bracketed) ip = ip.substr(1, ip.size() - 2);
  const address made(ip, port);
  if (!made.valid() || bracketed != (made.family() == AF_INET6)) return fail(errc::malformed);
  return made;
}

std::uint16_t address::port() const noexcept {
  return family() == AF_INET ? ntohs(raw_.v4.sin_port) : family() == AF_INET6 ? ntohs(raw_.v6.sin6_port) : 0;
}

bool address::is_private() const noexcept {
  if (family() == AF_INET) return is_private_v4(ntohl(raw_.v4.sin_addr.s_addr));
  return family() != AF_INET6 || is_private_v6(raw_.v6.sin6_addr);
}

std::string address::to_string() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET) {
    ::inet_ntop(AF_INET, &raw_.v4.sin_addr, text, sizeof text);
    return std::string(text) + ":" + std::to_string(port());
  }
  if (family() == AF_INET6) {
    ::inet_ntop(AF_INET6, &raw_.v6.sin6_addr, text, sizeof text);
    return "[" + std::string(text) + "]:" + std::to_string(port());
  }
  return "(no address)";
}

task<result<std::vector<address>>> resolve(std::string host, std::uint16_t port) {
  if (const address literal(host, port); literal.valid()) co_return std::vector{literal};
  auto found = co_await blocking([host, port] { return look_up(host, port); });
  if (!found) co_return fail(found.error());
  co_return std::move(*found);
}

}  // namespace tide::net
