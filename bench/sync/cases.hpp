// What tide-bench-sync measures: each case has a side that is ours and one that is the reference, both run in this process.
//
//   for (const bench::sync_case& each : bench::sync_cases()) { auto series = bench::take_pairs(each.ours, each.reference,
//   …); }
#pragma once

#include <string>
#include <vector>

#include "harness/paired.hpp"
#include "harness/report.hpp"

namespace bench {

struct sync_case {
  std::string name;
  std::string unit;  ///< what one "message" of a window is
  std::string reference_name;
  side ours;
  side reference;
  bench::target target;
};

/// In one thread: pinned to the caller's core.
[[nodiscard]] std::vector<sync_case> one_thread_cases();
/// Between two threads, on these cores.
[[nodiscard]] std::vector<sync_case> two_thread_cases(int first_core, int second_core);

}  // namespace bench
