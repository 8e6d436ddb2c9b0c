// What the kernel says of an operation, and the base of everything that waits for it.
//
//   class my_read final : public tide::ring::operation {
//     void complete(tide::ring::completion said) noexcept override { … said.result … }
//   };
#pragma once

#include <cassert>
#include <cstdint>

namespace tide::ring {

/// One entry of the completion queue: the kernel's verdict (io_uring_enter(2)). A negative result is -errno.
struct completion {
  std::int32_t result = 0;
  std::uint32_t flags = 0;

  /// True while the same operation will get further completions (multishot, zero-copy notice).
  [[nodiscard]] bool more() const noexcept { return (flags & 2U) != 0; }
  [[nodiscard]] bool has_buffer() const noexcept { return (flags & 1U) != 0; }
  /// The number of the provided buffer that the kernel picked; only if has_buffer().
  [[nodiscard]] std::uint16_t buffer() const noexcept { return static_cast<std::uint16_t>(flags >> 16U); }
  /// Of a send without a copy: the kernel has let go of the memory. Comes after the result, if that had more().
  [[nodiscard]] bool notice() const noexcept { return (flags & 8U) != 0; }
  /// The socket had more bytes waiting when this receive ended.
  [[nodiscard]] bool socket_nonempty() const noexcept { return (flags & 4U) != 0; }
};

/// Something the kernel may be working for. It lives, where it is, from ring::start until a completion without more() has
/// been delivered: only that one frees anything. Belongs to the thread that drives the ring.
class operation {
 public:
  operation() noexcept = default;
  operation(const operation&) = delete;
  operation& operator=(const operation&) = delete;

  /// Called by ring::reap for each completion. May start operations and may destroy this one if more() is false.
  virtual void complete(completion said) noexcept = 0;
  /// True between ring::start and the last completion.
  [[nodiscard]] bool in_flight() const noexcept { return token_ != 0; }

 protected:
  ~operation() { assert(token_ == 0 && "the kernel still works for this operation"); }

 private:
  friend class ring;
  std::uint64_t token_ = 0;  // slot and generation in the ring's table
};

}  // namespace tide::ring
