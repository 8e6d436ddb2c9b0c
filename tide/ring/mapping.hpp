// Memory straight from the system: page aligned, zeroed, touched only as far as it is used.
//
//   auto memory = tide::ring::mapping::anonymous(1 << 20);
//   if (memory) use(memory->bytes());
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include <tide/base/result.hpp>

namespace tide::ring {

/// Owns the memory, which stays where it is. Any thread.
class mapping {
 public:
  mapping() noexcept = default;
  /// Errors: std::errc::not_enough_memory.
  static result<mapping> anonymous(std::size_t bytes) noexcept;
  mapping(mapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  mapping& operator=(mapping&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~mapping();

  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }

 private:
  explicit mapping(std::span<std::byte> bytes) noexcept : bytes_(bytes) {}
  std::span<std::byte> bytes_;
};

}  // namespace tide::ring
