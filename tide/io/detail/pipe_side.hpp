// What each side of a pipe keeps for itself: how much went through, and when it is time to let others run.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tide {

/// One side's view of one direction of a duplex.
struct flow_statistics {
  std::uint64_t bytes = 0;       ///< written or read by this side
  std::uint64_t operations = 0;  ///< moves of bytes
  std::uint64_t waits = 0;       ///< operations that had to wait for the other side
  std::size_t peak = 0;          ///< most bytes that this side has seen in the ring
};

namespace detail {

/// One thread: that of the side.
class pipe_side {
 public:
  void moved(std::size_t bytes) noexcept {
    flow_.bytes += bytes;
    ++flow_.operations;
    operations_left_ -= operations_left_ > 0 ? 1 : 0;
    bytes_left_ -= bytes < bytes_left_ ? bytes : bytes_left_;
  }
  void saw(std::size_t inside) noexcept {
    if (inside > flow_.peak) flow_.peak = inside;
  }
  void waits() noexcept {
    ++flow_.waits;
    rest();
  }
  /// It has gone on for so long without waiting that others should have their turn.
  [[nodiscard]] bool tired() const noexcept { return operations_left_ == 0 || bytes_left_ == 0; }
  void rest() noexcept {
    operations_left_ = operations_a_turn;
    bytes_left_ = bytes_a_turn;
  }
  [[nodiscard]] const flow_statistics& flow() const noexcept { return flow_; }

  bool closed = false;  ///< by this side

 private:
  static constexpr unsigned operations_a_turn = 64;
  static constexpr std::size_t bytes_a_turn = std::size_t{256} * 1024;
  flow_statistics flow_;
  unsigned operations_left_ = operations_a_turn;
  std::size_t bytes_left_ = bytes_a_turn;
};

}  // namespace detail
}  // namespace tide
