// The 64 bits that say everything about who a block belongs to. Every transition of a block is one compare-and-swap of this
// word, which exactly one thread of one process wins.
//
//   bits 19…63  generation  counts how often the block was freed; a handle carries it, so a stale handle never fits
//   bits 16…18  state       block_state
//   bits  0…15  holders     bit i: the process with lease i holds the block
//
// References inside a process are counted in memory that dies with the process, so nothing has to be undone for a process
// that was killed: clearing its one bit in each word is the whole reclaim. A generation never wraps: a block whose last
// generation is used up is retired instead of freed (at 30 ns a cycle on one single block that takes twelve days).
#pragma once

#include <cstdint>

namespace tide::pool_detail {

enum class block_state : std::uint8_t {
  free = 0,
  recoverable = 1,      ///< in use, comes back after a crash
  non_recoverable = 2,  ///< in use, freed when nobody lives any more
  staged = 3,           ///< claimed, being filled, not yet to be seen by anybody else; freed when its holder dies
  retired = 4,          ///< out of generations, never used again
  quarantined = 5,      ///< recovery found its record damaged; never handed out, may be freed
};

inline constexpr unsigned holder_bits = 16;  ///< processes that may have one pool open at once

class state_word {
 public:
  static constexpr std::uint64_t last_generation = (std::uint64_t{1} << 45U) - 1;

  constexpr state_word() noexcept = default;
  explicit constexpr state_word(std::uint64_t bits) noexcept : bits_(bits) {}
  constexpr state_word(block_state state, std::uint64_t generation, std::uint16_t holders) noexcept
      : bits_(generation << 19U | static_cast<std::uint64_t>(state) << 16U | holders) {}

  [[nodiscard]] constexpr std::uint64_t bits() const noexcept { return bits_; }
  [[nodiscard]] constexpr block_state state() const noexcept { return static_cast<block_state>(bits_ >> 16U & 7U); }
  [[nodiscard]] constexpr std::uint64_t generation() const noexcept { return bits_ >> 19U; }
  [[nodiscard]] constexpr std::uint16_t holders() const noexcept { return static_cast<std::uint16_t>(bits_ & 0xffffU); }

  /// In use and visible: what attach, free and recovery may look at.
  [[nodiscard]] constexpr bool published() const noexcept {
    return state() == block_state::recoverable || state() == block_state::non_recoverable;
  }
  [[nodiscard]] constexpr bool known() const noexcept { return static_cast<unsigned>(state()) <= 5U; }

  [[nodiscard]] constexpr state_word with_state(block_state state) const noexcept {
    return {state, generation(), holders()};
  }
  [[nodiscard]] constexpr state_word with_holders(std::uint16_t holders) const noexcept {
    return {state(), generation(), holders};
  }
  /// The word of the same block after it was freed.
  [[nodiscard]] constexpr state_word freed() const noexcept {
    return generation() == last_generation ? state_word(block_state::retired, last_generation, 0)
                                           : state_word(block_state::free, generation() + 1, 0);
  }

  friend constexpr bool operator==(state_word, state_word) noexcept = default;

 private:
  std::uint64_t bits_ = 0;
};

/// What one process remembers of one block: how many references its threads have. Laid out like the state word so that the
/// generation tells leftovers of an earlier life of the block from the present one.
class local_word {
 public:
  static constexpr std::uint64_t most_references = (std::uint64_t{1} << 18U) - 1;

  explicit constexpr local_word(std::uint64_t bits) noexcept : bits_(bits) {}
  constexpr local_word(std::uint64_t generation, bool busy, std::uint64_t references) noexcept
      : bits_(generation << 19U | static_cast<std::uint64_t>(busy) << 18U | references) {}

  [[nodiscard]] constexpr std::uint64_t bits() const noexcept { return bits_; }
  [[nodiscard]] constexpr std::uint64_t generation() const noexcept { return bits_ >> 19U; }
  /// One thread is setting or clearing this process's holder bit.
  [[nodiscard]] constexpr bool busy() const noexcept { return (bits_ >> 18U & 1U) != 0; }
  [[nodiscard]] constexpr std::uint64_t references() const noexcept { return bits_ & most_references; }

 private:
  std::uint64_t bits_ = 0;
};

}  // namespace tide::pool_detail
