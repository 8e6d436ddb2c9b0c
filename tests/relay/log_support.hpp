// What the tests of the event log share: opening a small one, appending, reading back, and what must stand on the wire.
//
//   const relay_test::scratch directory;
//   auto log = relay_test::open_log(relay_test::small_log(directory));
//   relay_test::append(log, relay_test::identity(1));   EXPECT_EQ(relay_test::all_from(log, 1), …);
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <apps/relay/event_log.hpp>

#include "frames.hpp"
#include "scratch.hpp"

namespace relay_test {

using tide::relay::event_log;
using tide::relay::event_log_options;

struct seen_event {
  std::uint32_t host;
  std::int64_t sequence;
  friend bool operator==(const seen_event&, const seen_event&) = default;
};

/// A small log: segments of 8 KiB, a window of 4, 2 spare.
inline event_log_options small_log(const scratch& directory) {
  return {.path = directory / "events.pool", .segment_bytes = 8192, .segments = 4, .spare_segments = 2};
}

inline event_log open_log(const event_log_options& wanted, std::vector<seen_event>* seen = nullptr) {
  auto log = event_log::open(wanted, [&](std::uint32_t host, std::int64_t sequence) {
    if (seen != nullptr) seen->push_back({host, sequence});
  });
  if (!log) throw std::runtime_error("cannot open the log: " + log.error().message());
  return std::move(*log);
}

inline std::int64_t append(event_log& log, const std::string& frame, std::uint32_t host = 1) {
  const auto seq = log.append(host, decoded(frame));
  if (!seq) throw std::runtime_error("cannot append: " + seq.error().message());
  return *seq;
}

/// A binary WebSocket frame, unmasked, as it must stand on the wire; written here once more on purpose.
inline std::string on_the_wire(const std::string& frame) {
  std::string out = "\x82";
  const auto byte = [](std::size_t value) { return static_cast<char>(value & 0xff); };
  if (frame.size() < 126) {
    out.push_back(byte(frame.size()));
  } else if (frame.size() < 65536) {
    out += {'\x7e', byte(frame.size() >> 8), byte(frame.size())};
  } else {
    out.push_back('\x7f');
    for (int shift = 56; shift >= 0; shift -= 8) out.push_back(byte(frame.size() >> shift));
  }
  return out + frame;
}

/// The next bytes of a reader, at most `most`; consumed.
inline std::string take(event_log::reader& reader, std::size_t most) {
  std::array<iovec, 7> space;
  std::string out;
  for (const iovec& piece : reader.gather(space, most)) {
    const auto bytes = std::min(piece.iov_len, most - out.size());
    out.append(static_cast<const char*>(piece.iov_base), bytes);
    if (out.size() == most) break;
  }
  reader.consume(out.size());
  return out;
}
inline std::string take_all(event_log::reader& reader) {
  std::string out;
  for (std::string more = take(reader, 1 << 20); !more.empty(); more = take(reader, 1 << 20)) out += more;
  return out;
}
inline std::string all_from(event_log& log, std::int64_t seq) {
  auto reader = log.read_from(seq);
  return take_all(reader);
}

}  // namespace relay_test
