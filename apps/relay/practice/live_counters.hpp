// Counters of a practice network while it runs: written on its executor's thread, read from any.
//
//   counters.events += batch.events;
//   network_counters now = counters.snapshot();
#pragma once

#include <atomic>
#include <cstdint>

#include <apps/relay/practice/network.hpp>

namespace tide::relay::practice {

struct live_counters {
  std::atomic<std::uint64_t> connections = 0;
  std::atomic<std::uint64_t> events = 0;
  std::atomic<std::uint64_t> bytes = 0;

  [[nodiscard]] network_counters snapshot() const noexcept { return {connections, events, bytes}; }
};

}  // namespace tide::relay::practice
