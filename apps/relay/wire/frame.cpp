#include <apps/relay/wire/frame.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace tide::relay::wire {
namespace {

struct known_type {
  std::string_view text;
  event_type type;
};
constexpr std::array known_types{
    known_type{"#commit", event_type::commit},     known_type{"#sync", event_type::sync},
    known_type{"#identity", event_type::identity}, known_type{"#account", event_type::account},
    known_type{"#info", event_type::info},
};

bool carries_sequence(event_type type) noexcept {
  return type == event_type::commit || type == event_type::sync || type == event_type::identity ||
         type == event_type::account;
}

/// Calls `visit(key)` for each entry of the map at the reader; it must read the value. Checks the order of the keys.
template <class Visit>
result<> each_entry(cbor_reader& reader, Visit visit) {
  const auto entries = reader.read_map();
  if (!entries) return fail(entries.error());
  std::string_view last;
  for (std::uint64_t i = 0; i < *entries; ++i) {
    const auto key = reader.read_key();
    if (!key) return fail(key.error());
    if (i > 0 && !key_precedes(last, *key)) return fail(wire_errc::bad_key);
    last = *key;
    if (const auto value = visit(*key); !value) return value;
  }
  return {};
}

/// Reads a text value into `out`; a value of another type is an error of the frame.
result<> read_text_into(cbor_reader& reader, std::string_view& out, wire_errc otherwise) noexcept {
  if (reader.peek() && reader.peek() != cbor_type::text) return fail(otherwise);
  const auto text = reader.read_text();
  if (!text) return fail(text.error());
  out = *text;
  return {};
}

event_type type_of(std::int64_t op, std::string_view text) noexcept {
  if (op == -1) return event_type::error;
  if (op != 1) return event_type::unknown;
  for (const auto& known : known_types) {
    if (known.text == text) return known.type;
  }
  return event_type::unknown;
}

result<> read_header(cbor_reader& reader, frame& out) {
  if (reader.peek() && reader.peek() != cbor_type::map) return fail(wire_errc::bad_header);
  bool has_op = false;
  bool has_type = false;
  const auto whole = each_entry(reader, [&](std::string_view key) -> result<> {
    if (key == "op") {
      has_op = true;
      if (reader.peek() && reader.peek() != cbor_type::integer) return fail(wire_errc::bad_header);
      return reader.read_integer().transform([&](std::int64_t value) { out.op = value; });
    }
    if (key == "t") {
      has_type = true;
      return read_text_into(reader, out.type_text, wire_errc::bad_header);
    }
    return reader.skip(1);
  });
  if (!whole) return whole;
  if (!has_op || (out.op == 1 && !has_type)) return fail(wire_errc::bad_header);
  out.type = type_of(out.op, out.type_text);
  return {};
}

result<> read_seq(cbor_reader& reader, frame& out, std::size_t payload_offset) {
  const bool integer = reader.peek() == cbor_type::integer;
  const std::size_t begin = reader.offset();
  if (!integer) return carries_sequence(out.type) && reader.peek() ? fail(wire_errc::bad_sequence) : reader.skip(1);
  const auto value = reader.read_integer();
  if (!value) return fail(value.error());
  if (*value < 1 || *value > max_sequence) return carries_sequence(out.type) ? fail(wire_errc::bad_sequence) : result<>();
  out.seq = *value;
  out.seq_offset = payload_offset + begin;
  out.seq_size = reader.offset() - begin;
  return {};
}

/// Where the text of this key goes; nullptr for keys that are not looked at.
std::string_view* text_field(frame& out, std::string_view key) noexcept {
  switch (out.type) {
    case event_type::commit: return key == "repo" ? &out.did : nullptr;
    case event_type::sync:
    case event_type::identity:
    case event_type::account: return key == "did" ? &out.did : nullptr;
    case event_type::info: return key == "name" ? &out.name : key == "message" ? &out.message : nullptr;
    case event_type::error: return key == "error" ? &out.error : key == "message" ? &out.message : nullptr;
    case event_type::unknown: break;
  }
  return nullptr;
}

result<> check_payload(const frame& out) noexcept {
  if (carries_sequence(out.type)) {
    if (!out.seq) return fail(wire_errc::bad_sequence);
    if (out.did.empty() || out.did.size() > max_did) return fail(wire_errc::bad_payload);
  }
  if ((out.type == event_type::info && out.name.empty()) || (out.type == event_type::error && out.error.empty())) {
    return fail(wire_errc::bad_payload);
  }
  return {};
}

result<> read_payload(cbor_reader& reader, frame& out, std::size_t payload_offset) {
  if (reader.peek() && reader.peek() != cbor_type::map) return fail(wire_errc::bad_payload);
  const auto whole = each_entry(reader, [&](std::string_view key) -> result<> {
    if (key == "seq") return read_seq(reader, out, payload_offset);
    if (auto* const text = text_field(out, key)) return read_text_into(reader, *text, wire_errc::bad_payload);
    return reader.skip(1);
  });
  if (!whole) return whole;
  if (!reader.at_end()) return fail(wire_errc::trailing_bytes);
  return check_payload(out);
}

std::size_t head_size(std::uint64_t argument) noexcept {
  if (argument < 24) return 1;
  if (argument <= 0xff) return 2;
  if (argument <= 0xffff) return 3;
  return argument <= 0xffff'ffff ? 5 : 9;
}

/// Writes an initial byte and its argument in the shortest form; returns the place after it.
std::byte* write_head(std::byte* out, unsigned major, std::uint64_t argument) noexcept {
  const std::size_t size = head_size(argument);
  if (size == 1) {
    *out++ = static_cast<std::byte>(major << 5 | argument);
    return out;
  }
  const unsigned info = size == 2 ? 24 : size == 3 ? 25 : size == 5 ? 26 : 27;
  *out++ = static_cast<std::byte>(major << 5 | info);
  for (std::size_t i = size - 1; i > 0; --i) *out++ = static_cast<std::byte>(argument >> (8 * (i - 1)));
  return out;
}

class writer {
 public:
  writer& map(std::uint64_t entries) { return head(5, entries); }
  writer& integer(std::int64_t value) {
    return value >= 0 ? head(0, static_cast<std::uint64_t>(value)) : head(1, static_cast<std::uint64_t>(-1 - value));
  }
  writer& text(std::string_view value) {
    head(3, value.size());
    const auto bytes = bytes_of(value);
    out_.insert(out_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  std::vector<std::byte> take() { return std::move(out_); }

 private:
  writer& head(unsigned major, std::uint64_t argument) {
    std::array<std::byte, 9> bytes;
    std::byte* const end = write_head(bytes.data(), major, argument);
    out_.insert(out_.end(), bytes.data(), end);
    return *this;
  }
  std::vector<std::byte> out_;
};

}  // namespace

result<frame> decode_frame(bytes_view bytes) noexcept {
  if (bytes.size() > max_frame) return fail(wire_errc::too_large);
  frame out;
  out.bytes = bytes;
  cbor_reader header(bytes);
  if (const auto read = read_header(header, out); !read) return fail(read.error());
  out.header = bytes.first(header.offset());
  out.payload = bytes.subspan(header.offset());
  cbor_reader payload(out.payload);
  if (const auto read = read_payload(payload, out, header.offset()); !read) return fail(read.error());
  return out;
}

std::size_t rewritten_size(const frame& source, std::int64_t seq) noexcept {
  return source.bytes.size() - source.seq_size + head_size(static_cast<std::uint64_t>(seq));
}

result<std::size_t> rewrite_seq(const frame& source, std::int64_t seq, bytes_span out) noexcept {
  if (!source.seq) return fail(wire_errc::no_sequence);
  if (seq < 1 || seq > max_sequence) return fail(wire_errc::bad_sequence);
  const std::size_t size = rewritten_size(source, seq);
  if (out.size() < size) return fail(errc::limit_exceeded);
  const auto before = source.bytes.first(source.seq_offset);
  const auto after = source.bytes.subspan(source.seq_offset + source.seq_size);
  std::ranges::copy(before, out.begin());
  std::byte* const rest = write_head(out.data() + before.size(), 0, static_cast<std::uint64_t>(seq));
  std::ranges::copy(after, rest);
  return size;
}

std::vector<std::byte> encode_error_frame(std::string_view error, std::string_view message) {
  writer out;
  out.map(1).text("op").integer(-1);
  out.map(message.empty() ? 1 : 2).text("error").text(error);
  if (!message.empty()) out.text("message").text(message);
  return out.take();
}

std::vector<std::byte> encode_info_frame(std::string_view name, std::string_view message) {
  writer out;
  out.map(2).text("t").text("#info").text("op").integer(1);
  out.map(message.empty() ? 1 : 2).text("name").text(name);
  if (!message.empty()) out.text("message").text(message);
  return out.take();
}

}  // namespace tide::relay::wire
