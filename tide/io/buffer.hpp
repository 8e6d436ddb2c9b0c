// The three ways to give an operation its memory, and what they take:
//
//   kernel picks:  auto chunk = co_await stream.receive();                   // a pooled buffer, returns itself
//   caller gives:  auto [size, buffer] = co_await stream.read(std::move(buffer));
//   caller lends:  auto size = co_await stream.read_some(std::span(array));  // the awaiting frame keeps it alive
//
// Anything that models io_buffer can be given: std::vector<std::byte>, std::string, std::array, a block of a pool.
#pragma once

#include <concepts>
#include <cstddef>
#include <ranges>
#include <span>
#include <type_traits>

#include <tide/base/bytes.hpp>
#include <tide/base/result.hpp>

namespace tide {

/// A movable owner of contiguous one-byte elements.
template <class B>
concept io_buffer =
    std::movable<B> && std::ranges::contiguous_range<B> && std::ranges::sized_range<B> && !std::ranges::borrowed_range<B> &&
    sizeof(std::ranges::range_value_t<B>) == 1 && std::is_trivially_copyable_v<std::ranges::range_value_t<B>>;

template <io_buffer B>
[[nodiscard]] bytes_view readable_bytes(const B& buffer) noexcept {
  return std::as_bytes(std::span(std::ranges::data(buffer), std::ranges::size(buffer)));
}
template <io_buffer B>
[[nodiscard]] bytes_span writable_bytes(B& buffer) noexcept {
  return std::as_writable_bytes(std::span(std::ranges::data(buffer), std::ranges::size(buffer)));
}

/// What a read into a given buffer gives back: the size, and the buffer in every case, also on error and on cancel.
template <io_buffer B>
struct given {
  result<std::size_t> size;  ///< bytes read; 0 at the end of the stream
  B buffer;

  /// For timeout and with_deadline, which turn errc::canceled into errc::timed_out.
  [[nodiscard]] result<std::size_t>& outcome() noexcept { return size; }
};

}  // namespace tide
