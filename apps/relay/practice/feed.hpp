// What one consumer of a practice host is sent: its events from a sequence number on, as WebSocket frames in batches.
//
//   feed source(frames, true, cursor);
//   while (auto batch = source.next(100); batch.events > 0) co_await stream.write_all(batch.bytes);
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <apps/relay/wire/frame.hpp>
#include <tide/base/bytes.hpp>

namespace tide::relay::practice {

class feed {
 public:
  /// The recording is not empty and outlives this. Sequence number s is its frame (s - 1) mod size with the number rewritten
  /// to s; the first one given is after + 1. Without `repeat` the last one is the size of the recording.
  feed(std::span<const wire::frame> recording, bool repeat, std::int64_t after) noexcept
      : recording_(recording), last_(last(recording, repeat)), seq_(after) {}

  [[nodiscard]] static std::int64_t last(std::span<const wire::frame> recording, bool repeat) noexcept {
    return repeat ? wire::max_sequence : static_cast<std::int64_t>(recording.size());
  }

  struct batch {
    bytes_view bytes;         ///< valid until the next call
    std::size_t events = 0;   ///< 0: the recording has ended
    std::size_t payload = 0;  ///< bytes of the events themselves
  };
  /// At most `most` events, and no more once 128 KiB are full.
  [[nodiscard]] batch next(std::size_t most);

 private:
  static constexpr std::size_t full = 128 * 1024;
  std::span<const wire::frame> recording_;
  std::int64_t last_;
  std::int64_t seq_;  // of the last event given
  std::vector<std::byte> buffer_;
};

}  // namespace tide::relay::practice
