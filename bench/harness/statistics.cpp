#include "harness/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace bench {
namespace {

// The largest k for which at most 2.5 % of the binomial distribution (n, 1/2) lies below k; 0 when there is none.
std::size_t rank_of_bound(std::size_t count) {
  double probability = std::pow(0.5, static_cast<double>(count));  // of exactly `rank` samples below the median
  double below = 0;
  std::size_t rank = 0;
  while (below + probability <= 0.025) {
    below += probability;
    probability *= static_cast<double>(count - rank) / static_cast<double>(rank + 1);
    ++rank;
  }
  return rank;
}

}  // namespace

interval median_with_interval(std::vector<double> sample) {
  if (sample.empty()) return {0, 0, 0};
  std::ranges::sort(sample);
  const std::size_t count = sample.size();
  const double median = count % 2 == 1 ? sample[count / 2] : (sample[count / 2 - 1] + sample[count / 2]) / 2;
  const std::size_t rank = std::max<std::size_t>(rank_of_bound(count), 1);
  return {median, sample[rank - 1], sample[count - rank]};
}

}  // namespace bench
