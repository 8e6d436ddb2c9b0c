// Frames for the relay's tests: small ones made here, the recorded ones, and how to tell which one came out of a relay.
//
//   const std::string frame = relay_test::identity(7, "did:plc:a", 300);
//   recordings played;  played.take(received);      // throws unless it is its host's next event, byte for byte but for seq
#pragma once

#include <cstddef>
#include <cstdint>
#include <format>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <apps/relay/practice/frame_file.hpp>
#include <apps/relay/wire/frame.hpp>
#include <tide/base/bytes.hpp>

#include "wire_fixture.hpp"

namespace relay_test {

namespace wire = tide::relay::wire;

/// A CBOR text or integer head of major type `major`.
inline std::string cbor_head(unsigned major, std::uint64_t value) {
  const auto byte = [](std::uint64_t b) { return static_cast<char>(b & 0xff); };
  if (value < 24) return {byte(major << 5 | value)};
  const int bytes = value < 256 ? 1 : value < 65536 ? 2 : value < (1ULL << 32) ? 4 : 8;
  const unsigned code = bytes == 1 ? 24 : bytes == 2 ? 25 : bytes == 4 ? 26 : 27;
  std::string out{byte(major << 5 | code)};
  for (int i = bytes - 1; i >= 0; --i) out.push_back(byte(value >> (8 * i)));
  return out;
}
inline std::string cbor_text(std::string_view value) { return cbor_head(3, value.size()).append(value); }

/// A frame of op 1: {t, op} {did, seq, name} with `filling` bytes as name.
inline std::string event(std::string_view type, std::int64_t seq, std::string_view did, std::size_t filling) {
  return "\xa2" + cbor_text("t") + cbor_text(type) + cbor_text("op") + '\x01' + "\xa3" + cbor_text("did") + cbor_text(did) +
         cbor_text("seq") + cbor_head(0, static_cast<std::uint64_t>(seq)) + cbor_text("name") +
         cbor_text(std::string(filling, 'x'));
}
inline std::string identity(std::int64_t seq, std::string_view did = "did:plc:test", std::size_t filling = 20) {
  return event("#identity", seq, did, filling);
}

/// Well-formed, of an op that nobody knows.
inline std::string other_op() { return "\xa1" + cbor_text("op") + '\x02' + "\xa0"; }

inline wire::frame decoded(std::string_view bytes) {
  auto frame = wire::decode_frame(tide::bytes_of(bytes));
  if (!frame) throw std::runtime_error("not a frame: " + frame.error().message());
  return *frame;
}
inline std::int64_t seq_of(std::string_view bytes) {
  const auto frame = decoded(bytes);
  if (!frame.seq) throw std::runtime_error("a frame without seq");
  return *frame.seq;
}
/// The frame with another sequence number.
inline std::string with_seq(std::string_view bytes, std::int64_t seq) {
  const auto frame = decoded(bytes);
  std::string out(wire::rewritten_size(frame, seq), '\0');
  if (!wire::rewrite_seq(frame, seq, std::as_writable_bytes(std::span(out)))) throw std::runtime_error("no seq to rewrite");
  return out;
}

/// The recorded frames of each host, as practice hosts play them again and again, and where each host's stream is.
class recordings {
 public:
  explicit recordings(const tide::relay::practice::frame_file& file) {
    for (std::size_t host = 0; host < file.hosts(); ++host) {
      auto& frames = hosts_.emplace_back();
      for (const wire::frame& each : file.frames(host)) {
        frames.all.push_back(with_seq(tide::text_of(each.bytes), 1));
        by_did_.emplace(each.did, host);
      }
    }
  }
  /// The next event of its host, or throws.
  void take(std::string_view received) {
    const auto frame = decoded(received);
    const auto host = by_did_.find(std::string(frame.did));
    if (host == by_did_.end()) throw std::runtime_error("an event of nobody");
    auto& of = hosts_[host->second];
    const std::string& expected = of.all[of.taken % of.all.size()];
    if (with_seq(received, 1) != expected) {
      throw std::runtime_error(std::format("relay's {} is not event {} of host {}", *frame.seq, of.taken + 1, host->second));
    }
    ++of.taken;
  }
  /// Events taken of one host: the host's own sequence number of the last one.
  [[nodiscard]] std::size_t taken(std::size_t host) const { return hosts_[host].taken; }
  [[nodiscard]] bool complete() const {
    for (const auto& each : hosts_) {
      if (each.taken != each.all.size()) return false;
    }
    return true;
  }

 private:
  struct recorded {
    std::vector<std::string> all;
    std::size_t taken = 0;
  };
  std::vector<recorded> hosts_;
  std::map<std::string, std::size_t, std::less<>> by_did_;
};

}  // namespace relay_test
