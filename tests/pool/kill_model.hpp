// A life that is cut short, and the books that say what must be found after it.
//
// The victim notes in shared memory what it is about to do, does it, and notes the outcome. Whoever looks after its death
// knows the state of every block but the one of the operation that was under way.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

#include <tide/pool/pool.hpp>

#include <tide/pool/detail/fault_point.hpp>

namespace tide_test {

enum class slot_state : std::uint8_t { empty, held, detached };
enum class operation : std::uint8_t { none, allocate, make, release, persist, attach, free };

/// What is written into every block: which slot of the books it belongs to, twice, so that half a value is seen.
struct stamp {
  std::uint32_t slot;
  std::uint32_t life;
  std::uint64_t value;
  std::uint64_t value_again;

  friend bool operator==(const stamp&, const stamp&) = default;
};

struct slot {
  slot_state state;
  tide::block_kind kind;
  tide::block_handle handle;
  stamp content;
};

struct books {
  static constexpr std::uint32_t slots = 192;

  slot all[slots];
  operation pending;
  std::uint32_t pending_slot;
  tide::block_kind pending_kind;
  stamp pending_content;
  std::uint32_t opened;      // the victim got as far as having the pool
  std::uint32_t operations;  // it has completed

  // Where the victim dies: at the `countdown`-th time it reaches `point`; never when countdown is 0.
  tide::pool_detail::fault_point point;
  std::uint32_t countdown;
};

/// Books in memory that a forked child shares.
[[nodiscard]] books* shared_books();

/// Calls `interference` when this process reaches `point` the next time, and no more.
void interfere(tide::pool_detail::fault_point point, std::function<void()> interference);

/// From here on this process is the victim: reaching the point named in the books kills it.
void arm(books& of_victim);

inline constexpr std::uint32_t model_maximum = 512;

[[nodiscard]] inline tide::pool_options model_options() {
  return {.block_size = 128, .maximum_blocks = model_maximum, .initial_blocks = 8, .growth_blocks = 8};
}

/// Opens the pool and works on it at random until `operations` are done or death comes; then closes in good order.
int live(const std::filesystem::path& path, books& record, std::uint64_t seed, std::uint32_t operations);

}  // namespace tide_test
