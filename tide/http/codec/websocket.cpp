#include <tide/http/codec/websocket.hpp>

#include <sys/random.h>
#include <sys/types.h>
#include <wslay/wslay.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>
#include <utility>

#include <tide/base/utf8.hpp>

// wslay's frame layer reads the frames. Its event layer is not used: it checks the text of a close frame from the third byte
// of each chunk it happens to read, so what it accepts depends on how the bytes were split; it allocates for every control
// frame; and it cannot stop after one message, so that two messages of one read would need two buffers.

namespace tide::http::ws {
namespace {

constexpr std::size_t max_control = 125;

struct frame_reader_deleter {
  void operator()(wslay_frame_context* reader) const noexcept { wslay_frame_context_free(reader); }
};
using frame_reader = std::unique_ptr<wslay_frame_context, frame_reader_deleter>;

bool is_control(std::uint8_t kind) noexcept { return kind >= 0x8; }

std::size_t append_header(opcode kind, std::uint64_t length, bool final, bool masked, std::byte* out) noexcept {
  const auto mask_bit = static_cast<std::byte>(masked ? 0x80 : 0);
  out[0] = static_cast<std::byte>(static_cast<std::uint8_t>(kind) | (final ? 0x80 : 0));
  if (length < 126) {
    out[1] = static_cast<std::byte>(length) | mask_bit;
    return 2;
  }
  const std::size_t digits = length <= 0xffff ? 2 : 8;
  out[1] = static_cast<std::byte>(digits == 2 ? 126 : 127) | mask_bit;
  for (std::size_t i = 0; i < digits; ++i) out[2 + i] = static_cast<std::byte>(length >> (8 * (digits - 1 - i)));
  return 2 + digits;
}

}  // namespace

mask_source random_masks() {
  return [pool = std::array<std::uint32_t, 64>{}, left = std::size_t{0}]() mutable {
    if (left == 0) {
      // Up to 256 bytes come whole and are never interrupted once the kernel's generator has been seeded (getrandom(2)).
      while (::getrandom(pool.data(), sizeof pool, 0) != static_cast<ssize_t>(sizeof pool)) {
      }
      left = pool.size();
    }
    return std::exchange(pool[--left], 0u);
  };
}

frame_header encode_header(opcode kind, std::uint64_t length, bool final) noexcept {
  frame_header header{};
  header.size = static_cast<std::uint8_t>(append_header(kind, length, final, false, header.bytes.data()));
  return header;
}

bool is_valid_close_code(std::uint16_t code) noexcept {
  if (code >= 1000 && code <= 1014) return code != 1004 && code != 1005 && code != 1006;
  return code >= 3000 && code <= 4999;
}

struct codec::state {
  state(role side, mask_source masks, const options& settings) : side_(side), masks_(std::move(masks)), options_(settings) {
    wslay_frame_callbacks callbacks{};
    callbacks.recv_callback = [](std::uint8_t* out, std::size_t size, int, void* self) -> ssize_t {
      bytes_view& input = *static_cast<state*>(self)->input_;
      const std::size_t taken = std::min(size, input.size());
      if (taken == 0) return -1;
      std::memcpy(out, input.data(), taken);
      input = input.subspan(taken);
      return static_cast<ssize_t>(taken);
    };
    wslay_frame_context* reader = nullptr;
    if (wslay_frame_context_init(&reader, &callbacks, this) != 0) throw std::bad_alloc();
    reader_.reset(reader);
  }
  state(const state&) = delete;
  state& operator=(const state&) = delete;

  std::optional<event> next(bytes_view& input);
  /// The close code that the first bytes of a frame call for; 0 when the frame may stand here.
  [[nodiscard]] std::uint16_t check_start(const wslay_frame_iocb& frame) const noexcept;
  void start_frame(const wslay_frame_iocb& frame);
  std::optional<event> end_frame();
  std::optional<event> end_control();
  event stop(std::uint16_t code);
  void send_close(std::uint16_t code, std::string_view reason);
  void append_frame(opcode kind, bytes_view payload, std::vector<std::byte>& out);

  role side_;
  mask_source masks_;
  options options_;
  frame_reader reader_;
  bytes_view* input_ = nullptr;  // the caller's, during next()

  // The frame that is being read.
  bool in_frame_ = false;
  bool final_ = false;
  opcode kind_ = opcode::continuation;
  std::uint64_t frame_left_ = 0;
  std::array<std::byte, max_control> control_{};
  std::size_t control_size_ = 0;

  // The message that is being read; `continuation` when there is none.
  opcode message_kind_ = opcode::continuation;
  std::size_t fragments_ = 0;
  std::vector<std::byte> message_;
  bool message_delivered_ = false;

  std::vector<std::byte> output_;
  bool close_sent_ = false;
  bool close_received_ = false;
  bool finished_ = false;
};

std::optional<event> codec::state::next(bytes_view& input) {
  if (std::exchange(message_delivered_, false)) {
    message_.clear();
    if (message_.capacity() > options_.keep_capacity) std::vector<std::byte>().swap(message_);
  }
  input_ = &input;
  while (!finished_) {
    wslay_frame_iocb frame{};
    const ssize_t got = wslay_frame_recv(reader_.get(), &frame);
    if (got == WSLAY_ERR_WANT_READ) return std::nullopt;
    if (got < 0) return stop(close_code::protocol_error);
    if (!in_frame_) {
      if (const auto code = check_start(frame); code != 0) return stop(code);
      start_frame(frame);
    }
    // wslay keeps the chunk until the next wslay_frame_recv.
    const bytes_view chunk = std::as_bytes(std::span(frame.data, frame.data_length));
    if (is_control(frame.opcode)) {
      std::ranges::copy(chunk, control_.begin() + static_cast<std::ptrdiff_t>(control_size_));
      control_size_ += chunk.size();
    } else {
      message_.insert(message_.end(), chunk.begin(), chunk.end());
    }
    frame_left_ -= chunk.size();
    if (frame_left_ > 0) continue;
    in_frame_ = false;
    if (auto found = end_frame()) return found;
  }
  input = {};
  return std::nullopt;
}

std::uint16_t codec::state::check_start(const wslay_frame_iocb& frame) const noexcept {
  if (frame.rsv != WSLAY_RSV_NONE || (frame.mask != 0) != (side_ == role::server)) return close_code::protocol_error;
  switch (static_cast<opcode>(frame.opcode)) {
    case opcode::close:
    case opcode::ping:
    case opcode::pong: return 0;
    case opcode::text:
    case opcode::binary:
      if (message_kind_ != opcode::continuation) return close_code::protocol_error;
      break;
    case opcode::continuation:
      if (message_kind_ == opcode::continuation) return close_code::protocol_error;
      break;
    default: return close_code::protocol_error;
  }
  if (frame.payload_length > options_.max_message - message_.size()) return close_code::message_too_big;
  if (fragments_ >= options_.max_fragments) return close_code::message_too_big;
  return 0;
}

void codec::state::start_frame(const wslay_frame_iocb& frame) {
  in_frame_ = true;
  final_ = frame.fin != 0;
  kind_ = static_cast<opcode>(frame.opcode);
  frame_left_ = frame.payload_length;
  control_size_ = 0;
  if (is_control(frame.opcode)) return;
  if (kind_ != opcode::continuation) message_kind_ = kind_;
  ++fragments_;
}

std::optional<event> codec::state::end_frame() {
  if (is_control(static_cast<std::uint8_t>(kind_))) return end_control();
  if (!final_) return std::nullopt;
  const opcode kind = std::exchange(message_kind_, opcode::continuation);
  fragments_ = 0;
  if (kind == opcode::text && !valid_utf8(text_of(message_))) return stop(close_code::invalid_payload);
  message_delivered_ = true;
  return event{event_type::message, kind, 0, message_};
}

std::optional<event> codec::state::end_control() {
  const bytes_view payload = std::span(control_).first(control_size_);
  if (kind_ == opcode::pong) return event{event_type::pong, kind_, 0, payload};
  if (kind_ == opcode::ping) {
    if (!close_sent_ && output_.size() < options_.max_pending_output) append_frame(opcode::pong, payload, output_);
    return event{event_type::ping, kind_, 0, payload};
  }
  std::uint16_t code = close_code::none_received;
  bytes_view reason;
  if (!payload.empty()) {
    if (payload.size() == 1) return stop(close_code::protocol_error);
    code = static_cast<std::uint16_t>(std::to_integer<unsigned>(payload[0]) << 8 | std::to_integer<unsigned>(payload[1]));
    if (!is_valid_close_code(code)) return stop(close_code::protocol_error);
    reason = payload.subspan(2);
    if (!valid_utf8(text_of(reason))) return stop(close_code::invalid_payload);
  }
  close_received_ = true;
  finished_ = true;
  send_close(code, {});
  return event{event_type::close, kind_, code, reason};
}

event codec::state::stop(std::uint16_t code) {
  finished_ = true;
  send_close(code, {});
  return event{event_type::error, opcode::close, code, {}};
}

void codec::state::send_close(std::uint16_t code, std::string_view reason) {
  if (std::exchange(close_sent_, true)) return;
  std::array<std::byte, max_control> payload{};
  std::size_t size = 0;
  if (code != close_code::none_received) {
    payload[0] = static_cast<std::byte>(code >> 8);
    payload[1] = static_cast<std::byte>(code);
    std::ranges::copy(bytes_of(reason), payload.begin() + 2);
    size = 2 + reason.size();
  }
  append_frame(opcode::close, std::span(payload).first(size), output_);
}

void codec::state::append_frame(opcode kind, bytes_view payload, std::vector<std::byte>& out) {
  const bool masked = side_ == role::client;
  std::array<std::byte, 10> header{};
  const std::size_t header_size = append_header(kind, payload.size(), true, masked, header.data());
  out.insert(out.end(), header.begin(), header.begin() + static_cast<std::ptrdiff_t>(header_size));
  if (!masked) {
    out.insert(out.end(), payload.begin(), payload.end());
    return;
  }
  const auto key = std::bit_cast<std::array<std::byte, 4>>(masks_());
  out.insert(out.end(), key.begin(), key.end());
  const std::size_t begin = out.size();
  out.resize(begin + payload.size());
  for (std::size_t i = 0; i < payload.size(); ++i) out[begin + i] = payload[i] ^ key[i % 4];
}

codec::codec(std::unique_ptr<state> owned) noexcept : state_(std::move(owned)) {}
codec::codec(codec&&) noexcept = default;
codec& codec::operator=(codec&&) noexcept = default;
codec::~codec() = default;

codec codec::server(const options& settings) {
  return codec(std::make_unique<state>(role::server, mask_source(), settings));
}

codec codec::client(mask_source masks, const options& settings) {
  return codec(std::make_unique<state>(role::client, std::move(masks), settings));
}

std::optional<event> codec::next(bytes_view& input) { return state_->next(input); }

result<> codec::encode_message(opcode kind, bytes_view payload, std::vector<std::byte>& out) {
  if (state_->close_sent_) return fail(errc::closed);
  switch (kind) {
    case opcode::text:
      if (!valid_utf8(text_of(payload))) return fail(errc::malformed);
      break;
    case opcode::binary: break;
    case opcode::ping:
    case opcode::pong:
      if (payload.size() > max_control) return fail(errc::malformed);
      break;
    default: return fail(errc::malformed);
  }
  state_->append_frame(kind, payload, out);
  return {};
}

result<> codec::close(std::uint16_t code, std::string_view reason) {
  if (!is_valid_close_code(code) || !valid_utf8(reason)) return fail(errc::malformed);
  std::size_t size = std::min(reason.size(), max_control - 2);
  while (size < reason.size() && size > 0 && (static_cast<unsigned char>(reason[size]) & 0xc0) == 0x80) --size;
  state_->send_close(code, reason.substr(0, size));
  return {};
}

bool codec::has_output() const noexcept { return !state_->output_.empty(); }
std::vector<std::byte> codec::take_output() { return std::exchange(state_->output_, {}); }
bool codec::close_sent() const noexcept { return state_->close_sent_; }
bool codec::close_received() const noexcept { return state_->close_received_; }
bool codec::finished() const noexcept { return state_->finished_; }

}  // namespace tide::http::ws
