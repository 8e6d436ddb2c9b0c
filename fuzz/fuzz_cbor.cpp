// The CBOR edge: frames of the event stream are read within their bytes, both items of an accepted frame are valid on their
// own, and another sequence number changes that number and nothing else.
#include <apps/relay/wire/frame.hpp>

#include "fuzz.hpp"

namespace {

using namespace tide::relay::wire;
using tide_fuzz::require;

/// Seven seeds of every encoded size, and one the input chooses.
std::int64_t sequence_of(unsigned choice) {
  constexpr std::array<std::int64_t, 8> sizes{1, 23, 24, 256, 65'536, 4'294'967'296, max_sequence, 1'000'000};
  return sizes[choice % sizes.size()];
}

std::vector<std::byte> rewritten(const frame& source, std::int64_t seq) {
  std::vector<std::byte> out(rewritten_size(source, seq));
  const auto size = rewrite_seq(source, seq, out);
  require(size && *size == out.size());
  return out;
}

bool inside(tide::bytes_view outer, std::string_view text) {
  const auto inner = tide::bytes_of(text);
  return text.empty() || (inner.data() >= outer.data() && inner.data() + inner.size() <= outer.data() + outer.size());
}

void check_frame(const frame& it, std::int64_t seq) {
  require(it.header.size() + it.payload.size() == it.bytes.size());
  require(validate(it.header).has_value() && validate(it.payload).has_value());
  for (const auto text : {it.type_text, it.did, it.name, it.error, it.message}) require(inside(it.bytes, text));
  if (!it.seq) {
    require(it.seq_size == 0 && !rewrite_seq(it, seq, {}));
    return;
  }
  require(*it.seq >= 1 && *it.seq <= max_sequence && it.seq_offset + it.seq_size <= it.bytes.size());
  const auto other = rewritten(it, seq);
  const auto again = decode_frame(other);
  if (!again) {
    require(other.size() > max_frame);
    return;
  }
  require(again->seq == seq && again->seq_offset == it.seq_offset && again->type == it.type && again->did == it.did);
  require(std::ranges::equal(again->bytes.first(it.seq_offset), it.bytes.first(it.seq_offset)));
  require(std::ranges::equal(again->bytes.subspan(again->seq_offset + again->seq_size),
                             it.bytes.subspan(it.seq_offset + it.seq_size)));
  require(std::ranges::equal(rewritten(*again, *it.seq), it.bytes));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = tide_fuzz::input::from(data, size);
  const std::vector<std::byte> exact(input.bytes.begin(), input.bytes.end());
  static_cast<void>(validate(exact));
  if (const auto frame = decode_frame(exact)) check_frame(*frame, sequence_of(input.mode));
  const auto text = tide::text_of(exact);
  const auto middle = text.size() / 2;
  const auto error = encode_error_frame(text.substr(0, middle), text.substr(middle));
  if (const auto frame = decode_frame(error)) {
    require(frame->type == event_type::error && frame->error == text.substr(0, middle) &&
            frame->message == text.substr(middle));
  }
  return 0;
}
