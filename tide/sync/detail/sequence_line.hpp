// Waits until a count has moved on from where one saw it last, or is closed: what watch and broadcast wait in.
//
//   sequence_line line;
//   co_await line.past(seen)           // result<>: errc::closed, errc::canceled
//   line.advance();                    // lets all go who wait
#pragma once

#include <cstdint>

#include <tide/sync/detail/line_operation.hpp>

namespace tide::detail {

/// Any thread.
class sequence_line {
  static constexpr std::uint32_t closed_bit = 0x8000'0000;
  struct past_policy {
    std::uint32_t seen;  // the count's lower 31 bits: nobody sleeps through two thousand million changes
    bool closed = false;
    bool take(std::uint32_t& value) noexcept {
      closed = value == (seen | closed_bit);  // nothing new, and nothing will be
      return closed || (value & ~closed_bit) != seen;
    }
    result<> give() noexcept {
      if (closed) return fail(errc::closed);
      return {};
    }
  };
  static past_policy policy(std::uint64_t seen) noexcept { return {.seen = static_cast<std::uint32_t>(seen) & ~closed_bit}; }

 public:
  using operation = line_operation<across_threads, past_policy>;

  [[nodiscard]] operation past(std::uint64_t seen) noexcept { return operation(line_, policy(seen)); }
  result<> past_blocking(std::uint64_t seen, clock::time_point deadline) noexcept {
    return take_blocking(line_, policy(seen), deadline);
  }
  void advance() noexcept {
    line_.change([](std::uint32_t value) noexcept { return (value & closed_bit) | ((value + 1) & ~closed_bit); });
  }
  void close() noexcept {
    line_.change([](std::uint32_t value) noexcept { return value | closed_bit; });
  }
  [[nodiscard]] bool closed() const noexcept { return (line_.value() & closed_bit) != 0; }

 private:
  wait_line<control_word> line_{0};
};

/// Holds a control word's lock for a block.
class word_lock {
 public:
  explicit word_lock(control_word& word) noexcept : word_(word) { word_.lock(); }
  word_lock(const word_lock&) = delete;
  word_lock& operator=(const word_lock&) = delete;
  ~word_lock() { word_.unlock(0, false); }

 private:
  control_word& word_;
};

}  // namespace tide::detail
