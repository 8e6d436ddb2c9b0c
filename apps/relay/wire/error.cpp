#include <apps/relay/wire/error.hpp>

#include <string>

namespace tide::relay::wire {
namespace {

class category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "wire"; }
  std::string message(int value) const override {
    switch (static_cast<wire_errc>(value)) {
      case wire_errc::truncated: return "truncated CBOR";
      case wire_errc::trailing_bytes: return "bytes after the last CBOR item";
      case wire_errc::not_minimal: return "CBOR integer not in its shortest form";
      case wire_errc::indefinite_length: return "CBOR item of indefinite length";
      case wire_errc::reserved: return "reserved CBOR initial byte";
      case wire_errc::not_permitted: return "CBOR type not permitted";
      case wire_errc::integer_range: return "CBOR integer out of range";
      case wire_errc::bad_key: return "CBOR map key not text, out of order or repeated";
      case wire_errc::bad_utf8: return "CBOR text is not UTF-8";
      case wire_errc::bad_cid: return "CBOR link is not a CID";
      case wire_errc::too_deep: return "CBOR nested too deep";
      case wire_errc::too_many_entries: return "too many entries in a CBOR container";
      case wire_errc::too_large: return "frame too large";
      case wire_errc::bad_header: return "malformed frame header";
      case wire_errc::bad_payload: return "malformed frame payload";
      case wire_errc::bad_sequence: return "missing or invalid sequence number";
      case wire_errc::no_sequence: return "frame without sequence number";
    }
    return "unknown wire error";
  }
};

}  // namespace

const std::error_category& wire_category() noexcept {
  static const category instance;
  return instance;
}

std::error_code make_error_code(wire_errc code) noexcept { return {static_cast<int>(code), wire_category()}; }

}  // namespace tide::relay::wire
