// Counts calls of operator new, to show that something allocates nothing. Under a sanitizer nothing is counted: there every
// coroutine frame is an allocation of its own.
//
//   const support::allocations counted;  …  EXPECT_EQ(counted.so_far(), 0u);
#pragma once

#include <cstddef>

#include "support/sanitizers.hpp"

namespace support {

inline constexpr bool counts_allocations = !sanitized;

/// Allocations of the calling thread since this was made.
class allocations {
 public:
  allocations() noexcept : before_(all()) {}
  [[nodiscard]] std::size_t so_far() const noexcept { return all() - before_; }

 private:
  static std::size_t all() noexcept;
  std::size_t before_;
};

}  // namespace support
