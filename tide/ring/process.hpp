// Tells a process from the children that it forks. What a child inherits of a ring is the parent's: both share the queues'
// memory, and a child that touches it would submit in its parent's name.
//
//   const std::uint32_t made_by = tide::ring::this_process();
//   …
//   if (made_by != tide::ring::this_process()) return tide::fail(tide::errc::other_process);
#pragma once

#include <cstdint>

namespace tide::ring {

/// The same number all through the life of a process, another one in a child. A load; no system call but the first time.
[[nodiscard]] std::uint32_t this_process() noexcept;

}  // namespace tide::ring
