// A stretch of a ring of bytes: two spans at most, the second where the ring begins anew.
//
//   auto data = co_await end.peek();                 // result<const_byte_pieces>
//   use(data->first); use(data->second);
//   end.consume(data->size());
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>

#include <tide/base/bytes.hpp>

namespace tide {

template <class Byte>
struct basic_pieces {
  std::span<Byte> first;
  std::span<Byte> second;  ///< empty unless the stretch wraps around

  [[nodiscard]] std::size_t size() const noexcept { return first.size() + second.size(); }
  [[nodiscard]] bool empty() const noexcept { return first.empty(); }
  /// The first `count` bytes of it, or all.
  [[nodiscard]] basic_pieces up_to(std::size_t count) const noexcept {
    const std::size_t before = std::min(count, first.size());
    return {first.first(before), second.first(std::min(count - before, second.size()))};
  }
};
using byte_pieces = basic_pieces<std::byte>;
using const_byte_pieces = basic_pieces<const std::byte>;

namespace detail {

/// The memory of a ring, without any count: whoever reads and whoever writes knows where it is.
class byte_ring {
 public:
  explicit byte_ring(std::size_t capacity)
      : memory_(std::make_unique_for_overwrite<std::byte[]>(capacity)), capacity_(capacity) {}

  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] byte_pieces pieces(std::size_t at, std::size_t size) const noexcept {
    const std::size_t before = std::min(size, capacity_ - at);
    return {{memory_.get() + at, before}, {memory_.get(), size - before}};
  }
  [[nodiscard]] std::size_t after(std::size_t at, std::size_t size) const noexcept {
    return size < capacity_ - at ? at + size : size - (capacity_ - at);
  }
  void put(std::size_t at, bytes_view bytes) const noexcept {
    const auto to = pieces(at, bytes.size());
    std::memcpy(to.first.data(), bytes.data(), to.first.size());
    if (!to.second.empty()) std::memcpy(to.second.data(), bytes.data() + to.first.size(), to.second.size());
  }
  void get(std::size_t at, bytes_span into) const noexcept {
    const auto from = pieces(at, into.size());
    std::memcpy(into.data(), from.first.data(), from.first.size());
    if (!from.second.empty()) std::memcpy(into.data() + from.first.size(), from.second.data(), from.second.size());
  }

 private:
  std::unique_ptr<std::byte[]> memory_;
  std::size_t capacity_;
};

}  // namespace detail
}  // namespace tide
