// WebSocket (RFC 6455) without I/O: received bytes in, events out; messages in, bytes to send out.
//
//   auto ws = tide::http::ws::codec::server();
//   bytes_view input = chunk.bytes();
//   while (auto event = ws.next(input)) {                    // takes from the front of input
//     if (event->type == ws::event_type::message) use(event->data);
//     if (event->type == ws::event_type::close || event->type == ws::event_type::error) done = true;
//   }
//   if (ws.has_output()) co_await stream.write_all(ws.take_output());   // pongs, the answer to a close
//
// What comes out does not depend on how the bytes were split.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <tide/base/bytes.hpp>
#include <tide/base/result.hpp>

namespace tide::http::ws {

enum class role : std::uint8_t { client, server };

enum class opcode : std::uint8_t { continuation = 0x0, text = 0x1, binary = 0x2, close = 0x8, ping = 0x9, pong = 0xa };

/// The close codes an endpoint sends; any other of 1000…1014 (but 1004…1006) and 3000…4999 may come in.
namespace close_code {
inline constexpr std::uint16_t normal = 1000;
inline constexpr std::uint16_t going_away = 1001;
inline constexpr std::uint16_t protocol_error = 1002;
inline constexpr std::uint16_t unsupported_data = 1003;
inline constexpr std::uint16_t none_received = 1005;  ///< never sent: a close frame without a code
inline constexpr std::uint16_t invalid_payload = 1007;
inline constexpr std::uint16_t policy_violation = 1008;
inline constexpr std::uint16_t message_too_big = 1009;
inline constexpr std::uint16_t internal_error = 1011;
inline constexpr std::uint16_t try_again_later = 1013;
}  // namespace close_code

struct options {
  std::size_t max_message = 5 * 1024 * 1024;   ///< bytes of one message, all fragments; 1009
  std::size_t max_fragments = 4096;            ///< frames of one message; 1009
  std::size_t max_pending_output = 64 * 1024;  ///< unsent bytes; beyond them pings go unanswered (RFC 6455, 5.5.3)
  std::size_t keep_capacity = 256 * 1024;      ///< a message buffer that grew beyond this is given back at the next message
};

enum class event_type : std::uint8_t {
  message,  ///< kind is text or binary, data the whole payload
  ping,     ///< data is its payload; the pong is already in the output
  pong,     ///< data is its payload
  close,    ///< the peer closes: code and data (the reason, valid UTF-8); the answer is already in the output
  error,    ///< the peer broke the protocol: code is the close code of the frame that is already in the output
};

struct event {
  event_type type;
  opcode kind;         ///< of a message: text or binary
  std::uint16_t code;  ///< of close and error; close_code::none_received where a close frame holds none
  bytes_view data;     ///< valid until the next call of next()
};

/// 32 unpredictable bits for each call.
using mask_source = std::function<std::uint32_t()>;
/// A mask source fed by the kernel (getrandom), 64 masks at a time. One for each codec: a copy would give the same masks.
[[nodiscard]] mask_source random_masks();

/// The header of an unmasked frame.
struct frame_header {
  std::array<std::byte, 10> bytes;
  std::uint8_t size;
  [[nodiscard]] bytes_view view() const noexcept { return std::span(bytes).first(size); }
};
/// What a server sends before a payload of `length` bytes (below 2^63) that lies elsewhere.
[[nodiscard]] frame_header encode_header(opcode kind, std::uint64_t length, bool final = true) noexcept;

/// True for codes that may stand in a close frame.
[[nodiscard]] bool is_valid_close_code(std::uint16_t code) noexcept;

/// Move-only, not thread-safe. Receiving allocates only where the message buffer must grow.
class codec {
 public:
  [[nodiscard]] static codec server(const options& settings = {});
  [[nodiscard]] static codec client(mask_source masks = random_masks(), const options& settings = {});
  codec(codec&&) noexcept;
  codec& operator=(codec&&) noexcept;
  ~codec();

  /// Takes bytes off the front of `input` and returns the next event; nothing when all input is used up and more is needed.
  /// Call it until it returns nothing: events may be left when input is already empty. After close or error it takes all
  /// input and returns nothing.
  [[nodiscard]] std::optional<event> next(bytes_view& input);

  /// Appends one unfragmented frame to `out`, masked where this is a client. Text must be valid UTF-8 and a control payload
  /// at most 125 bytes, else errc::malformed; errc::closed after a close frame was sent.
  result<> encode_message(opcode kind, bytes_view payload, std::vector<std::byte>& out);
  /// Puts a close frame into the output, once. A reason is cut to 123 bytes at a character. Errors: errc::malformed for a
  /// code that must not be sent.
  result<> close(std::uint16_t code, std::string_view reason = {});

  /// Bytes that must be sent before anything encoded later.
  [[nodiscard]] bool has_output() const noexcept;
  [[nodiscard]] std::vector<std::byte> take_output();

  [[nodiscard]] bool close_sent() const noexcept;  ///< by close(), as an answer, or after an error
  [[nodiscard]] bool close_received() const noexcept;
  /// True after a close or error event: nothing of what comes is read any more.
  [[nodiscard]] bool finished() const noexcept;

 private:
  struct state;
  explicit codec(std::unique_ptr<state> owned) noexcept;
  std::unique_ptr<state> state_;
};

}  // namespace tide::http::ws
