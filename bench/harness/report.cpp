#include "harness/report.hpp"

#include <cerrno>
#include <cstdio>
#include <format>
#include <nlohmann/json.hpp>
#include <print>
#include <system_error>

namespace bench {
namespace {

std::string words(verdict value) {
  switch (value) {
    case verdict::no_target: return "";
    case verdict::met: return "met";
    case verdict::within_noise: return "missed, within noise";
    case verdict::missed: return "MISSED";
  }
  return "";
}

std::string words(const target& wanted) {
  switch (wanted.kind) {
    case bound::none: return "";
    case bound::ratio_at_least: return std::format("target >= {:.2f}x", wanted.value);
    case bound::ratio_at_most: return std::format("target <= {:.2f}x", wanted.value);
    case bound::ours_at_most: return std::format("target <= {:g}", wanted.value);
  }
  return "";
}

}  // namespace

verdict judge(const finding& result) {
  const double wanted = result.target.value;
  if (result.target.kind == bound::ours_at_most) return result.ours <= wanted ? verdict::met : verdict::missed;
  if (result.target.kind == bound::none || !result.ratio) return verdict::no_target;
  const bool least = result.target.kind == bound::ratio_at_least;
  if (least ? result.ratio->median >= wanted : result.ratio->median <= wanted) return verdict::met;
  return (least ? result.ratio->high >= wanted : result.ratio->low <= wanted) ? verdict::within_noise : verdict::missed;
}

report::report(const std::string& json_path) {
  if (json_path.empty()) return;
  json_.open(json_path, std::ios::app);
  if (!json_) throw std::system_error(errno, std::system_category(), json_path);
}

void report::add(const finding& result) {
  const int digits = result.ours >= 1000 || result.reference >= 1000 ? 0 : 3;
  std::string line = std::format("{} {:9} {:24} {:>10.{}f} {:20}", result.bench, result.name, result.metric, result.ours,
                                 digits, result.unit);
  if (!result.reference_name.empty()) line += std::format(" {} {:>10.{}f}", result.reference_name, result.reference, digits);
  if (result.ratio) {
    line += std::format(" {:.3f}x [{:.3f}, {:.3f}]", result.ratio->median, result.ratio->low, result.ratio->high);
  }
  if (result.target.kind != bound::none) line += std::format("  {}  {}", words(result.target), words(judge(result)));
  std::println("{}", line);
  std::fflush(stdout);

  if (!json_.is_open()) return;
  const auto or_null = [](bool exists, double value) {
    return exists ? nlohmann::ordered_json(value) : nlohmann::ordered_json();
  };
  const interval ratio = result.ratio.value_or(interval{0, 0, 0});
  const nlohmann::ordered_json object = {
      {"bench", result.bench},
      {"case", result.name},
      {"metric", result.metric},
      {"unit", result.unit},
      {"ours", result.ours},
      {"reference", or_null(!result.reference_name.empty(), result.reference)},
      {"reference_name", result.reference_name},
      {"ratio", or_null(result.ratio.has_value(), ratio.median)},
      {"low", or_null(result.ratio.has_value(), ratio.low)},
      {"high", or_null(result.ratio.has_value(), ratio.high)},
      {"target", or_null(result.target.kind != bound::none, result.target.value)},
  };
  json_ << object.dump() << '\n' << std::flush;
}

}  // namespace bench
