// How a benchmark says what it found: one line for people and, if asked, one JSON object a line in a file.
//
//   bench::report report("results.json");
//   report.add({.bench = "echo", .name = "50x64B", .metric = "cpu_per_message", .unit = "ns", .ours = 4510, .reference =
//   4400,
//               .reference_name = "raw-ms", .ratio = {{1.02, 1.00, 1.04}}, .target = {.kind = bench::bound::ratio_at_most,
//               .value = 1.10}});
//
// The JSON members are bench, case, metric, unit, ours, reference, reference_name, ratio, low, high and target; what does
// not exist (a reference without a name, the ratio of 0 to 0, a target nobody set) is null. `target` bounds the ratio,
// except for metrics whose unit ends in "/message" and which count something: there it bounds `ours`.
#pragma once

#include <fstream>
#include <optional>
#include <string>

#include "harness/statistics.hpp"

namespace bench {

enum class bound { none, ratio_at_least, ratio_at_most, ours_at_most };

struct target {
  bound kind = bound::none;
  double value = 0;
};

struct finding {
  std::string bench;
  std::string name;  ///< "case" in the JSON
  std::string metric;
  std::string unit;
  double ours = 0;
  double reference = 0;
  std::string reference_name;
  std::optional<interval> ratio;
  bench::target target;
};

enum class verdict { no_target, met, within_noise, missed };

/// A target that the median misses while the interval reaches it is missed within the noise.
[[nodiscard]] verdict judge(const finding& result);

/// Not thread-safe. Lines go to stdout at once; objects are appended to the file, so that several benchmarks can share one.
class report {
 public:
  /// An empty path means no file. Throws std::system_error when the file cannot be opened.
  explicit report(const std::string& json_path);

  void add(const finding& result);

 private:
  std::ofstream json_;
};

}  // namespace bench
