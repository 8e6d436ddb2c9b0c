// The paired method: two sides alive side by side do the same work in short windows, in turn, on the same cores; each
// neighbouring pair of windows gives one ratio, and the median ratio with its interval is the result. A machine whose speed
// wanders by 40 % over minutes wanders by little within half a second, and what is left hits both sides alike.
//
//   bench::paired_series series = bench::take_pairs(ours, theirs, {.pairs = 40});
//   auto cpu = bench::compare(series, [](const bench::window& w) { return w.cpu_ns / w.messages; });
//   // cpu.ratio.median, cpu.ratio.low, cpu.ratio.high
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <vector>

#include "harness/statistics.hpp"

namespace bench {

/// What one side did in one window.
struct window {
  double messages = 0;
  double wall_ns = 0;
  double cpu_ns = 0;     ///< user + system time of the side's process
  double waited_ns = 0;  ///< time in which either process was ready to run but others had its core
};

/// Runs one window of about the given length and says what happened in it.
using side = std::function<window(std::chrono::nanoseconds)>;

struct paired_options {
  std::size_t pairs = 40;
  std::chrono::nanoseconds length = std::chrono::milliseconds(100);
  double disturbance_max = 0.02;  ///< a pair in which others held a core for a larger share of the time is taken again,
  double retake_max = 0.5;        ///< up to this multiple of `pairs` more; then the least disturbed ones count
};

struct window_pair {
  window subject;
  window reference;
  [[nodiscard]] double disturbance() const noexcept {
    return (subject.waited_ns + reference.waited_ns) / (subject.wall_ns + reference.wall_ns);
  }
};

struct paired_series {
  std::vector<window_pair> pairs;
  std::size_t taken = 0;   ///< pairs run, with those that were put aside as disturbed
  double disturbance = 0;  ///< mean over the pairs that count
};

/// Which side goes first alternates from pair to pair. Each side first runs a short window that does not count.
[[nodiscard]] paired_series take_pairs(const side& subject, const side& reference, const paired_options& options);

struct comparison {
  double subject;    ///< median over the windows
  double reference;  ///< median over the windows
  interval ratio;    ///< of the ratios subject / reference, one a pair
};

[[nodiscard]] comparison compare(const paired_series& series, const std::function<double(const window&)>& metric);

}  // namespace bench
