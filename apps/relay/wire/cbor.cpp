#include <apps/relay/wire/cbor.hpp>

#include <array>
#include <limits>

#include <tide/base/utf8.hpp>

namespace tide::relay::wire {
namespace {

enum major : unsigned {
  positive = 0,
  negative = 1,
  byte_string = 2,
  text_string = 3,
  list = 4,
  dictionary = 5,
  tagged = 6,
  simple = 7
};

constexpr std::uint64_t simple_false = 20;
constexpr std::uint64_t simple_true = 21;
constexpr std::uint64_t simple_null = 22;
constexpr std::uint64_t link_tag = 42;

/// A varint as CIDs use them: seven bits a byte, least first, in its shortest form. Takes it off the front.
bool take_varint(bytes_view& from, std::uint64_t& value) noexcept {
  value = 0;
  for (unsigned shift = 0; shift < 63 && !from.empty(); shift += 7) {
    const auto byte = std::to_integer<std::uint64_t>(from.front());
    from = from.subspan(1);
    value |= (byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return byte != 0 || shift == 0;
  }
  return false;
}

/// A zero byte, then version 1, codec, hash function and digest with its length.
bool is_link(bytes_view bytes) noexcept {
  if (bytes.empty() || bytes.size() > max_cid + 1 || bytes.front() != std::byte{0}) return false;
  bytes = bytes.subspan(1);
  std::uint64_t version = 0;
  std::uint64_t codec = 0;
  std::uint64_t hash = 0;
  std::uint64_t length = 0;
  return take_varint(bytes, version) && version == 1 && take_varint(bytes, codec) && take_varint(bytes, hash) &&
         take_varint(bytes, length) && length == bytes.size();
}

}  // namespace

bool key_precedes(std::string_view a, std::string_view b) noexcept {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

result<> validate(bytes_view item) noexcept {
  cbor_reader reader(item);
  if (const auto whole = reader.skip(); !whole) return whole;
  return reader.at_end() ? result<>() : fail(wire_errc::trailing_bytes);
}

std::optional<cbor_type> cbor_reader::peek() const noexcept {
  if (at_end()) return std::nullopt;
  const auto first = std::to_integer<unsigned>(bytes_[offset_]);
  switch (first >> 5) {
    case positive:
    case negative: return cbor_type::integer;
    case byte_string: return cbor_type::bytes;
    case text_string: return cbor_type::text;
    case list: return cbor_type::array;
    case dictionary: return cbor_type::map;
    case tagged: return cbor_type::link;
    default: break;
  }
  if ((first & 0x1f) == simple_null) return cbor_type::null;
  return (first & 0x1f) == simple_false || (first & 0x1f) == simple_true ? std::optional(cbor_type::boolean) : std::nullopt;
}

result<cbor_reader::head> cbor_reader::read_head() noexcept {
  if (at_end()) return fail(wire_errc::truncated);
  const auto first = std::to_integer<unsigned>(bytes_[offset_++]);
  const unsigned kind = first >> 5;
  const unsigned info = first & 0x1f;
  if (kind == simple) {
    if (info == simple_false || info == simple_true || info == simple_null) return head{kind, info};
    return fail(info > 27 && info < 31 ? wire_errc::reserved : wire_errc::not_permitted);
  }
  if (info < 24) return head{kind, info};
  if (info > 27)
    return fail(info == 31 && kind >= byte_string && kind <= dictionary ? wire_errc::indefinite_length
                                                                        : wire_errc::reserved);
  const std::size_t size = std::size_t{1} << (info - 24);
  if (bytes_.size() - offset_ < size) return fail(wire_errc::truncated);
  std::uint64_t argument = 0;
  for (std::size_t i = 0; i < size; ++i) argument = argument << 8 | std::to_integer<std::uint64_t>(bytes_[offset_++]);
  const std::uint64_t least = size == 1 ? 24 : std::uint64_t{1} << (size * 4);
  if (argument < least) return fail(wire_errc::not_minimal);
  return head{kind, argument};
}

result<bytes_view> cbor_reader::take(std::uint64_t size) noexcept {
  if (size > bytes_.size() - offset_) return fail(wire_errc::truncated);
  const auto taken = bytes_.subspan(offset_, static_cast<std::size_t>(size));
  offset_ += taken.size();
  return taken;
}

result<> cbor_reader::check_count(const head& container) const noexcept {
  if (container.argument > bytes_.size() - offset_) return fail(wire_errc::truncated);  // each entry takes a byte at least
  return container.argument > max_entries ? result<>(fail(wire_errc::too_many_entries)) : result<>();
}

result<std::int64_t> cbor_reader::read_integer() noexcept {
  const auto item = read_head();
  if (!item) return fail(item.error());
  if (item->major != positive && item->major != negative) return fail(wire_errc::not_permitted);
  if (item->argument > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    return fail(wire_errc::integer_range);
  const auto value = static_cast<std::int64_t>(item->argument);
  return item->major == positive ? value : -1 - value;
}

result<std::string_view> cbor_reader::read_text() noexcept {
  const auto item = read_head();
  if (!item) return fail(item.error());
  if (item->major != text_string) return fail(wire_errc::not_permitted);
  return take(item->argument).and_then([](bytes_view bytes) -> result<std::string_view> {
    const auto text = text_of(bytes);
    if (!valid_utf8(text)) return fail(wire_errc::bad_utf8);
    return text;
  });
}

result<std::string_view> cbor_reader::read_key() noexcept {
  if (!at_end() && peek() != cbor_type::text) return fail(wire_errc::bad_key);
  auto key = read_text();
  if (key && key->size() > max_key) return fail(wire_errc::bad_key);
  return key;
}

result<std::uint64_t> cbor_reader::read_map() noexcept {
  const auto item = read_head();
  if (!item) return fail(item.error());
  if (item->major != dictionary) return fail(wire_errc::not_permitted);
  if (const auto fits = check_count(*item); !fits) return fail(fits.error());
  return item->argument;
}

result<> cbor_reader::skip_link() noexcept {
  const auto item = read_head();
  if (!item) return fail(item.error());
  if (item->major != byte_string) return fail(wire_errc::bad_cid);
  const auto bytes = take(item->argument);
  if (!bytes) return fail(bytes.error());
  return is_link(*bytes) ? result<>() : fail(wire_errc::bad_cid);
}

result<> cbor_reader::skip_rest(const head& item) noexcept {
  switch (item.major) {
    case positive:
    case negative:
      if (item.argument > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        return fail(wire_errc::integer_range);
      return {};
    case byte_string:
    case text_string: {
      const auto bytes = take(item.argument);
      if (!bytes) return fail(bytes.error());
      return item.major == byte_string || valid_utf8(text_of(*bytes)) ? result<>() : fail(wire_errc::bad_utf8);
    }
    case tagged: return item.argument == link_tag ? skip_link() : fail(wire_errc::not_permitted);
    default: return {};
  }
}

result<> cbor_reader::skip(std::size_t depth) noexcept {
  struct open_container {
    std::uint64_t entries_left;
    bool is_map;
    bool has_key;
    std::string_view last_key;
  };
  std::array<open_container, max_nesting> open;
  std::size_t opened = 0;
  do {
    if (opened > 0 && open[opened - 1].is_map) {
      auto& map = open[opened - 1];
      const auto key = read_key();
      if (!key) return fail(key.error());
      if (map.has_key && !key_precedes(map.last_key, *key)) return fail(wire_errc::bad_key);
      map.last_key = *key;
      map.has_key = true;
    }
    const auto item = read_head();
    if (!item) return fail(item.error());
    if (opened > 0) --open[opened - 1].entries_left;
    if (item->major == list || item->major == dictionary) {
      if (const auto fits = check_count(*item); !fits) return fits;
      if (depth + opened >= max_nesting) return fail(wire_errc::too_deep);
      open[opened++] = {item->argument, item->major == dictionary, false, {}};
    } else if (const auto rest = skip_rest(*item); !rest) {
      return rest;
    }
    while (opened > 0 && open[opened - 1].entries_left == 0) --opened;
  } while (opened > 0);
  return {};
}

}  // namespace tide::relay::wire
