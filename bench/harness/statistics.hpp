// The median of a small sample and the interval it is known to.
//
//   auto [median, low, high] = bench::median_with_interval(ratios);
//
// The interval comes from order statistics, so it supposes nothing about the shape of the noise: with n samples the k-th
// smallest and the k-th largest enclose the true median with at least 95 % probability, k taken from the binomial
// distribution. Fewer than six samples cannot give 95 %; then the interval is the whole range.
#pragma once

#include <vector>

namespace bench {

struct interval {
  double median;
  double low;
  double high;
};

/// Of an empty sample all three are 0.
[[nodiscard]] interval median_with_interval(std::vector<double> sample);

}  // namespace bench
