// Where a socket is: an IPv4 or IPv6 address and a port.
//
//   tide::net::address here("127.0.0.1", 7777);
//   auto there = tide::net::address::parse("[::1]:443");          // result<address>
//   auto all = co_await tide::net::resolve("pds.example", 443);   // result<std::vector<address>>
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <tide/base/result.hpp>
#include <tide/runtime/task.hpp>

namespace tide::net {

/// A value. An address made from text that is not one is !valid(), and binding or connecting to it says so.
class address {
 public:
  address() noexcept;
  /// `ip` in numbers (RFC 4291 for IPv6, without brackets); no names.
  address(std::string_view ip, std::uint16_t port) noexcept;
  /// From the kernel's form.
  address(const sockaddr_storage& raw, socklen_t length) noexcept;

  /// "127.0.0.1:80" or "[::1]:80". errc::malformed else.
  static result<address> parse(std::string_view text) noexcept;

  [[nodiscard]] bool valid() const noexcept { return family() != AF_UNSPEC; }
  [[nodiscard]] int family() const noexcept { return raw_.any.sa_family; }
  [[nodiscard]] std::uint16_t port() const noexcept;
  /// Not reachable from the public network: loopback, private, link-local, multicast, reserved, unspecified; also when such
  /// an IPv4 address is wrapped in an IPv6 one.
  [[nodiscard]] bool is_private() const noexcept;
  [[nodiscard]] std::string to_string() const;

  [[nodiscard]] const sockaddr* raw() const noexcept { return &raw_.any; }
  [[nodiscard]] socklen_t raw_size() const noexcept { return family() == AF_INET ? sizeof raw_.v4 : sizeof raw_.v6; }

 private:
  union form {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  } raw_;
};

/// The addresses of a host name, in the order of the system's resolver (getaddrinfo on a thread of its own: a slow resolver
/// delays nothing else). A name that is an address needs no look-up. Error: the host was not found.
task<result<std::vector<address>>> resolve(std::string host, std::uint16_t port);

}  // namespace tide::net
