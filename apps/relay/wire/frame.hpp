// Frames of com.atproto.sync.subscribeRepos: read strictly, without copies, and given another sequence number.
//
//   auto frame = wire::decode_frame(message);
//   if (!frame) return drop_connection(frame.error());                  // malformed
//   if (frame->type == wire::event_type::unknown) continue;             // well-formed, not for us
//   std::vector<std::byte> out(wire::rewritten_size(*frame, seq));
//   wire::rewrite_seq(*frame, seq, out).value();                         // the same bytes but for seq
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <apps/relay/wire/cbor.hpp>
#include <tide/base/bytes.hpp>
#include <tide/base/result.hpp>

namespace tide::relay::wire {

inline constexpr std::size_t max_frame = 5'000'000;  ///< bytes, header and payload
inline constexpr std::int64_t max_sequence = (std::int64_t{1} << 53) - 1;
inline constexpr std::size_t max_did = 2048;  ///< bytes

/// `error` is op -1. `unknown` is any other op, and any other type of op 1: to be ignored.
enum class event_type : std::uint8_t { commit, sync, identity, account, info, error, unknown };

/// All views are into the bytes given to decode_frame and live as long as they do.
struct frame {
  bytes_view bytes;    ///< all of it
  bytes_view header;   ///< first item
  bytes_view payload;  ///< second item, a map
  std::int64_t op = 0;
  std::string_view type_text;  ///< t as it stands; empty where there is none
  event_type type = event_type::unknown;

  /// Always there with commit, sync, identity and account; 1 … max_sequence.
  std::optional<std::int64_t> seq;
  std::size_t seq_offset = 0;  ///< of the encoded integer in `bytes`
  std::size_t seq_size = 0;    ///< its encoded size; 0 without seq

  std::string_view did;      ///< `repo` of a commit, `did` of sync, identity and account
  std::string_view name;     ///< of info
  std::string_view error;    ///< of error
  std::string_view message;  ///< of info and error; may be empty
};

/// Checks every byte of the frame. Errors: wire_errc.
[[nodiscard]] result<frame> decode_frame(bytes_view bytes) noexcept;

/// Size of the frame with another sequence number. `source` must have a seq.
[[nodiscard]] std::size_t rewritten_size(const frame& source, std::int64_t seq) noexcept;
/// Copies the frame into the front of `out` with `seq` in its shortest form in place of the old one; returns the size. `out`
/// must not overlap the frame. Errors: wire_errc::no_sequence, wire_errc::bad_sequence (not 1 … max_sequence),
/// errc::limit_exceeded when `out` is too small.
[[nodiscard]] result<std::size_t> rewrite_seq(const frame& source, std::int64_t seq, bytes_span out) noexcept;

/// op -1: what a server says before it closes. The message may be empty, and is then left out. Texts must be valid UTF-8.
[[nodiscard]] std::vector<std::byte> encode_error_frame(std::string_view error, std::string_view message = {});
/// #info, without a sequence number.
[[nodiscard]] std::vector<std::byte> encode_info_frame(std::string_view name, std::string_view message = {});

}  // namespace tide::relay::wire
