// A thread sleeps until a word changes, by futex(2).
//
//   futex_wait(word, 1);        // returns at once if the word is not 1, and now and then without a reason
//   futex_wake(word, 1);
#pragma once

#include <cstdint>
#include <limits>

#include <tide/runtime/executor.hpp>

namespace tide::detail {

/// False if the deadline has passed (CLOCK_MONOTONIC; time_point::max() is never).
bool futex_wait(const std::uint32_t* word, std::uint32_t expected, clock::time_point deadline) noexcept;
/// The word is not looked at, so it may be gone: then nobody wakes, or somebody without a reason.
void futex_wake(const std::uint32_t* word, int threads) noexcept;
inline constexpr int every_thread = std::numeric_limits<int>::max();

}  // namespace tide::detail
