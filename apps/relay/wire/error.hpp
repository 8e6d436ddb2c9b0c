// Why a frame of the event stream was refused: relay::wire::wire_errc in its own error category.
//
//   auto frame = decode_frame(bytes);
//   if (!frame) count(frame.error().message());           // "integer not in its shortest form", …
#pragma once

#include <system_error>

namespace tide::relay::wire {

enum class wire_errc {
  truncated = 1,      ///< ends inside an item, or a length or count runs past the end
  trailing_bytes,     ///< bytes after the last item
  not_minimal,        ///< an integer, length or count not in its shortest form
  indefinite_length,  ///< strings, arrays and maps of unknown length
  reserved,           ///< an initial byte the format does not define
  not_permitted,      ///< floats, undefined and other simple values, tags but 42
  integer_range,      ///< an integer outside of 64 bits with sign
  bad_key,            ///< a map key that is not text, too long, out of order or there twice
  bad_utf8,           ///< text that is not UTF-8
  bad_cid,            ///< tag 42 around anything but a binary CID of version 1
  too_deep,           ///< more than max_nesting arrays and maps inside each other
  too_many_entries,   ///< an array or map of more than max_entries
  too_large,          ///< a frame of more than max_frame bytes
  bad_header,         ///< the first item is not {op: int, t: text}
  bad_payload,        ///< the second item is not a map, or lacks a field its type must have
  bad_sequence,       ///< seq is missing, not an integer, or not in 1 … 2^53-1
  no_sequence,        ///< rewrite_seq of a frame that has no seq
};

[[nodiscard]] const std::error_category& wire_category() noexcept;
[[nodiscard]] std::error_code make_error_code(wire_errc code) noexcept;

}  // namespace tide::relay::wire

template <>
struct std::is_error_code_enum<tide::relay::wire::wire_errc> : std::true_type {};
