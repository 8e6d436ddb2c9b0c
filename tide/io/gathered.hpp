// Bytes on their way in: gathered at the back, looked at and taken from the front. Lines and frames are found in them.
//
//   const auto count = co_await stream.read_some(pending.room(4096));
//   pending.added(*count);
//   while (auto line = find_line(pending.bytes(), limit).value()) { use(line->bytes); pending.take(line->whole); }
//
// What find_line and find_frame see never depends on how the bytes were cut into pieces on their way.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include <tide/base/bytes.hpp>
#include <tide/base/result.hpp>

namespace tide {

/// Grows as far as is asked for, and stays so large. Throws std::bad_alloc.
class gathered {
 public:
  [[nodiscard]] bytes_view bytes() const noexcept { return bytes_view(memory_).subspan(from_, size_); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// Room behind the bytes for `least` more; all there is. Moves what bytes() gave.
  [[nodiscard]] bytes_span room(std::size_t least) {
    if (memory_.size() - from_ - size_ < least) make_room(least);
    return bytes_span(memory_).subspan(from_ + size_);
  }
  /// So many bytes of the room have been filled.
  void added(std::size_t count) noexcept { size_ += count; }
  /// The first `count` bytes are done with.
  void take(std::size_t count) noexcept {
    size_ -= count;
    from_ = size_ == 0 ? 0 : from_ + count;
  }

 private:
  void make_room(std::size_t least) {
    if (from_ > 0) std::memmove(memory_.data(), memory_.data() + from_, size_);
    from_ = 0;
    if (memory_.size() - size_ < least) memory_.resize(std::max(size_ + least, 2 * memory_.size()));
  }
  std::vector<std::byte> memory_;
  std::size_t from_ = 0;
  std::size_t size_ = 0;
};

/// Something whole at the front of bytes.
struct found {
  bytes_view bytes;       ///< without what ends or announces it
  std::size_t whole = 0;  ///< bytes to take for all of it
};

/// The bytes before the first `delimiter`; nothing if it has not come. errc::limit_exceeded if there are more than `limit`.
/// `seen` bytes at the front were searched before.
[[nodiscard]] inline result<std::optional<found>> find_delimited(bytes_view bytes, std::byte delimiter, std::size_t limit,
                                                                 std::size_t seen = 0) noexcept {
  const std::size_t last = std::min(bytes.size(), limit < bytes.size() ? limit + 1 : bytes.size());
  const auto* const at = seen < last ? std::memchr(bytes.data() + seen, static_cast<int>(delimiter), last - seen) : nullptr;
  if (at != nullptr) {
    const auto size = static_cast<std::size_t>(static_cast<const std::byte*>(at) - bytes.data());
    return found{bytes.first(size), size + 1};
  }
  if (bytes.size() > limit) return fail(errc::limit_exceeded);
  return std::nullopt;
}

/// A frame is its size in 4 bytes, the highest first, and so many bytes of any kind.
inline constexpr std::size_t frame_header = 4;
[[nodiscard]] inline std::uint32_t frame_size(bytes_view header) noexcept {
  std::uint32_t size = 0;
  for (const std::byte each : header.first(frame_header)) size = size << 8 | static_cast<std::uint32_t>(each);
  return size;
}
inline void put_frame_size(bytes_span header, std::uint32_t size) noexcept {
  for (std::size_t i = 0; i < frame_header; ++i) header[i] = static_cast<std::byte>(size >> (24 - 8 * i) & 0xff);
}
/// The first frame; nothing if it has not come whole. errc::limit_exceeded as soon as it says that it is above `limit`.
[[nodiscard]] inline result<std::optional<found>> find_frame(bytes_view bytes, std::size_t limit) noexcept {
  if (bytes.size() < frame_header) return std::nullopt;
  const std::size_t size = frame_size(bytes);
  if (size > limit) return fail(errc::limit_exceeded);
  if (bytes.size() - frame_header < size) return std::nullopt;
  return found{bytes.subspan(frame_header, size), frame_header + size};
}

}  // namespace tide
