#include "harness/contest.hpp"

namespace bench {

void take(const contest& who, const std::string& bench, const paired_options& how, report& out) {
  const paired_series series = take_pairs(who.subject, who.reference, how);
  const comparison cost =
      compare(series, [&](const window& done) { return (who.wall ? done.wall_ns : done.cpu_ns) / done.messages; });
  out.add({.bench = bench,
           .name = who.name,
           .metric = who.wall ? "time" : "cpu",
           .unit = who.unit,
           .ours = cost.subject,
           .reference = cost.reference,
           .reference_name = who.reference_name,
           .ratio = cost.ratio,
           .target = who.target});
}

}  // namespace bench
