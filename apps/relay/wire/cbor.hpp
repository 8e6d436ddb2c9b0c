// Strict DAG-CBOR (DRISL): one way to write each value, and nothing else is read. No copies, no allocation, no recursion.
//
//   cbor_reader reader(payload);
//   const auto entries = reader.read_map();                     // number of entries, already checked against the bytes left
//   for (std::uint64_t i = 0; i < *entries; ++i) {
//     const auto key = reader.read_key();
//     if (*key == "seq") seq = *reader.read_integer(); else if (auto ok = reader.skip(); !ok) return fail(ok.error());
//   }
//
// Read are integers, byte and text strings, arrays, maps with text keys in order (shorter first, then by bytes), false,
// true, null and links (tag 42). Refused are longer forms than need be, indefinite lengths, floats, undefined, other tags,
// keys twice or out of order, and text that is not UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <apps/relay/wire/error.hpp>
#include <tide/base/bytes.hpp>
#include <tide/base/result.hpp>

namespace tide::relay::wire {

inline constexpr std::size_t max_nesting = 32;         ///< arrays and maps inside each other, the outermost included
inline constexpr std::uint64_t max_entries = 131'072;  ///< of one array or map
inline constexpr std::size_t max_key = 8 * 1024;       ///< bytes of one map key
inline constexpr std::size_t max_cid = 100;            ///< bytes of one binary CID

enum class cbor_type : std::uint8_t { integer, bytes, text, array, map, link, boolean, null };

/// Checks exactly one item and that nothing follows it. Errors: wire_errc.
[[nodiscard]] result<> validate(bytes_view item) noexcept;

/// A cursor over borrowed bytes. After an error its place is not defined.
class cbor_reader {
 public:
  explicit cbor_reader(bytes_view bytes) noexcept : bytes_(bytes) {}

  /// Bytes read so far.
  [[nodiscard]] std::size_t offset() const noexcept { return offset_; }
  [[nodiscard]] bool at_end() const noexcept { return offset_ == bytes_.size(); }
  /// What the next item is, where it is one that may stand; nothing at the end.
  [[nodiscard]] std::optional<cbor_type> peek() const noexcept;

  [[nodiscard]] result<std::int64_t> read_integer() noexcept;
  /// Valid UTF-8. The view is into the bytes of the reader.
  [[nodiscard]] result<std::string_view> read_text() noexcept;
  /// Text for use as a map key; the caller sees to the order with key_precedes.
  [[nodiscard]] result<std::string_view> read_key() noexcept;
  /// The number of entries that follow: not more than max_entries, nor than the bytes left.
  [[nodiscard]] result<std::uint64_t> read_map() noexcept;
  /// Reads over one whole item, all that is in it checked. `depth`: arrays and maps that are open around it.
  [[nodiscard]] result<> skip(std::size_t depth = 0) noexcept;

 private:
  struct head {
    unsigned major;
    std::uint64_t argument;
  };
  [[nodiscard]] result<head> read_head() noexcept;
  [[nodiscard]] result<bytes_view> take(std::uint64_t size) noexcept;
  [[nodiscard]] result<> check_count(const head& container) const noexcept;
  /// Reads what follows the head of an item that holds no others.
  [[nodiscard]] result<> skip_rest(const head& item) noexcept;
  [[nodiscard]] result<> skip_link() noexcept;

  bytes_view bytes_;
  std::size_t offset_ = 0;
};

/// The order of map keys: shorter first, then by bytes.
[[nodiscard]] bool key_precedes(std::string_view a, std::string_view b) noexcept;

}  // namespace tide::relay::wire
