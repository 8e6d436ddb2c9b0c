// The lock in the pool that one process at a time holds to grow it or to write its header. It names its owner, so that a
// dead one is found out and replaced; what it guards is safe to be left half-done at any point.
#pragma once

#include <cstdint>

#include <tide/pool/detail/lease.hpp>

namespace tide::pool_detail {

class growth_lock {
 public:
  /// Waits until the lock at `word` belongs to `token`, taking it over from an owner that does not live any more. Threads of
  /// one process exclude each other before they come here.
  growth_lock(std::uint64_t& word, std::uint64_t token, const lease_table& leases) noexcept;
  growth_lock(const growth_lock&) = delete;
  growth_lock& operator=(const growth_lock&) = delete;
  ~growth_lock();

 private:
  std::uint64_t& word_;
  std::uint64_t token_;
};

}  // namespace tide::pool_detail
