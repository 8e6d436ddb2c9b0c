// Two sides of one process, measured against each other and told to a report.
//
//   bench::take(contest, "fiber", {.pairs = 40, .length = 20ms}, report);
#pragma once

#include <string>

#include "harness/paired.hpp"
#include "harness/report.hpp"

namespace bench {

struct contest {
  std::string name;
  std::string unit;  ///< what one "message" of a window is
  std::string reference_name;
  side subject;
  side reference;
  bench::target target;
  bool wall = false;  ///< by the clock, where two threads work; else by the thread's CPU time
};

void take(const contest& who, const std::string& bench, const paired_options& how, report& out);

}  // namespace bench
