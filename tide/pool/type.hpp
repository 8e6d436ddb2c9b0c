// What a pool or block says about the type it holds, so that a program never reads another program's bytes as its own.
//
//   struct session_state { std::uint64_t id; std::uint64_t bytes; };
//   auto pool = tide::pool::open("sessions.pool", {.type = tide::pool::type_of<session_state>()});
//
// The id is made of the type's qualified name, size and alignment. A type that is renamed or whose meaning changes while its
// size stays names itself: `static constexpr std::string_view tide_schema = "session_state/2";`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <string_view>
#include <type_traits>

namespace tide {

/// A type as the format records it; id 0 means "any".
struct pool_type {
  std::uint64_t id = 0;
  std::size_t size = 0;       ///< bytes; a pool created without a block size takes this one
  std::size_t alignment = 1;  ///< bytes

  friend bool operator==(const pool_type&, const pool_type&) = default;
};

/// What may live in a block: plain bytes with no pointers to follow and no destructor to run.
template <class T>
concept pool_storable = std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T> && !std::is_pointer_v<T> &&
                        !std::is_const_v<T> && !std::is_reference_v<T>;

namespace pool_detail {

/// "T = session_state" out of the name that GCC and Clang give to this very function; both spell the type alike.
template <class T>
consteval std::string_view type_name() {
  const std::string_view function = std::source_location::current().function_name();
  constexpr std::string_view mark = "T = ";
  const std::size_t begin = function.find(mark) + mark.size();
  return function.substr(begin, function.find_first_of(";]", begin) - begin);
}

template <class T>
consteval std::string_view schema_of() {
  if constexpr (requires { std::string_view(T::tide_schema); }) {
    return T::tide_schema;
  } else {
    return type_name<T>();
  }
}

/// FNV-1a, 64 bits: small, fixed for ever, good enough to tell the types of one program apart.
constexpr std::uint64_t fold(std::uint64_t hash, std::uint64_t value) {
  for (int byte = 0; byte < 8; ++byte) hash = (hash ^ (value >> (8 * byte) & 0xffU)) * 0x100000001b3U;
  return hash;
}

constexpr std::uint64_t fold(std::uint64_t hash, std::string_view text) {
  for (const char symbol : text) hash = (hash ^ static_cast<unsigned char>(symbol)) * 0x100000001b3U;
  return hash;
}

template <pool_storable T>
consteval pool_type type_of() {
  std::uint64_t hash = fold(0xcbf29ce484222325U, schema_of<T>());
  hash = fold(fold(hash, sizeof(T)), alignof(T));
  return {hash == 0 ? 1 : hash, sizeof(T), alignof(T)};
}

}  // namespace pool_detail
}  // namespace tide
