// What tide-bench-sync measures: each case has a side that is ours and one that is the reference, both run in this process.
//
//   for (const bench::contest& each : bench::one_thread_cases()) bench::take(each, "sync", how, report);
#pragma once

#include <vector>

#include "harness/contest.hpp"

namespace bench {

/// In one thread: pinned to the caller's core.
[[nodiscard]] std::vector<contest> one_thread_cases();
/// Between two threads, on these cores.
[[nodiscard]] std::vector<contest> two_thread_cases(int first_core, int second_core);

}  // namespace bench
