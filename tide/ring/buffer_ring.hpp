// Buffers that the kernel picks from: it takes one when bytes arrive, not when the read is asked for, so that ten thousand
// idle connections hold no memory.
//
//   auto buffers = tide::ring::buffer_ring::create(ring, {.group = 0, .count = 256, .size = 16384}).value();
//   ring.start(op, tide::ring::request::receive_picked(fd, buffers->group(), 0, true));
//   … in complete(): buffers->bytes(said.buffer()).first(said.result) …; buffers->give_back(said.buffer());
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <tide/base/result.hpp>
#include <tide/ring/mapping.hpp>
#include <tide/ring/ring.hpp>

namespace tide::ring {

struct buffer_ring_options {
  std::uint16_t group = 0;
  unsigned count = 256;      ///< a power of two, at most 32768
  std::size_t size = 16384;  ///< bytes a buffer
  unsigned offered = 32768;  ///< the kernel may pick from so many at first, from number 0 up; the rest once given back
};

/// Owns the buffers and their ring. Lives as long as any buffer is out; unregister() before the ring goes. One thread.
class buffer_ring {
 public:
  static result<std::unique_ptr<buffer_ring>> create(ring& of, const buffer_ring_options& wanted);
  buffer_ring(const buffer_ring&) = delete;
  buffer_ring& operator=(const buffer_ring&) = delete;
  ~buffer_ring();

  /// The kernel stops picking. The memory stays until the object goes. Idempotent.
  void unregister() noexcept;
  /// Lets the kernel pick this buffer again.
  void give_back(std::uint16_t number) noexcept;

  [[nodiscard]] std::span<std::byte> bytes(std::uint16_t number) const noexcept;
  [[nodiscard]] std::uint16_t group() const noexcept { return wanted_.group; }
  [[nodiscard]] unsigned count() const noexcept { return wanted_.count; }
  [[nodiscard]] std::size_t size() const noexcept { return wanted_.size; }

 private:
  buffer_ring(ring& of, const buffer_ring_options& wanted) noexcept : ring_(&of), wanted_(wanted) {}

  ring* ring_;
  buffer_ring_options wanted_;
  mapping entries_;  // what the kernel reads
  mapping memory_;   // the buffers
};

}  // namespace tide::ring
