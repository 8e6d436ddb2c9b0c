// Tells a process from the children that it forks. What a child inherits of a ring is the parent's: both share the queues'
// memory, and a child that touches it would submit in its parent's name.
//
//   const std::uint32_t made_by = tide::ring::this_process();
//   …
//   if (made_by != tide::ring::this_process()) return tide::fail(tide::errc::other_process);
#pragma once

#include <atomic>
#include <cstdint>

namespace tide::ring {

namespace detail {
/// A word that the kernel empties in a child (MADV_WIPEONFORK). nullptr before the first question, or if it cannot be had.
extern constinit std::atomic<std::atomic<std::uint32_t>*> process_word;
[[nodiscard]] std::uint32_t ask_for_process() noexcept;
}  // namespace detail

/// The same number all through the life of a process, another one in a child. Two loads; no system call but the first time.
[[nodiscard]] inline std::uint32_t this_process() noexcept {
  // SAFETY: a cache of getpid(2), which nothing is ordered by: the word is filled before its address is stored, with
  // release.
  if (const auto* const word = detail::process_word.load(std::memory_order_acquire)) {
    if (const std::uint32_t known = word->load(std::memory_order_relaxed)) [[likely]]
      return known;
  }
  return detail::ask_for_process();
}

}  // namespace tide::ring
