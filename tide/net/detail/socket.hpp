// What every kind of socket does with its descriptor.
#pragma once

#include <sys/socket.h>

#include <cerrno>

#include <tide/base/result.hpp>
#include <tide/net/address.hpp>

namespace tide::net::detail {

/// For options that are hints: a failure leaves a working socket (a peer that has already gone, for one).
inline void try_to_set(int fd, int layer, int name, int value) noexcept {
  ::setsockopt(fd, layer, name, &value, sizeof value);
}
/// For options that the caller counts on.
inline result<> set(int fd, int layer, int name, int value) noexcept {
  if (::setsockopt(fd, layer, name, &value, sizeof value) < 0) return fail_errno(errno);
  return {};
}

template <auto Call>
result<address> name_of(int fd) noexcept {
  sockaddr_storage raw{};
  socklen_t length = sizeof raw;
  if (Call(fd, static_cast<sockaddr*>(static_cast<void*>(&raw)), &length) < 0) return fail_errno(errno);
  return address(raw, length);
}

}  // namespace tide::net::detail
