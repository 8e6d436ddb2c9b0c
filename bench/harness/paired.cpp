#include "harness/paired.hpp"

#include <algorithm>
#include <ranges>

namespace bench {

paired_series take_pairs(const side& subject, const side& reference, const paired_options& options) {
  static_cast<void>(subject(options.length / 4));
  static_cast<void>(reference(options.length / 4));

  paired_series series;
  const auto most = options.pairs + static_cast<std::size_t>(static_cast<double>(options.pairs) * options.retake_max);
  const auto quiet = [&](const window_pair& pair) { return pair.disturbance() <= options.disturbance_max; };
  std::size_t quiet_pairs = 0;
  while (quiet_pairs < options.pairs && series.taken < most) {
    window_pair pair;
    if (series.taken % 2 == 0) {
      pair.subject = subject(options.length);
      pair.reference = reference(options.length);
    } else {
      pair.reference = reference(options.length);
      pair.subject = subject(options.length);
    }
    ++series.taken;
    if (quiet(pair)) ++quiet_pairs;
    series.pairs.push_back(pair);
  }

  // Chosen by how much others disturbed a pair, never by what it showed.
  std::ranges::stable_sort(series.pairs, {}, &window_pair::disturbance);
  series.pairs.resize(std::min(series.pairs.size(), options.pairs));
  for (const window_pair& pair : series.pairs)
    series.disturbance += pair.disturbance() / static_cast<double>(series.pairs.size());
  return series;
}

comparison compare(const paired_series& series, const std::function<double(const window&)>& metric) {
  std::vector<double> subjects;
  std::vector<double> references;
  std::vector<double> ratios;
  for (const window_pair& pair : series.pairs) {
    subjects.push_back(metric(pair.subject));
    references.push_back(metric(pair.reference));
    if (references.back() > 0) ratios.push_back(subjects.back() / references.back());
  }
  return {median_with_interval(std::move(subjects)).median, median_with_interval(std::move(references)).median,
          median_with_interval(std::move(ratios))};
}

}  // namespace bench
