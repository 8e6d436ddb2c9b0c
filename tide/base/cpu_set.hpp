// A set of CPUs by their numbers, as the kernel counts them.
//
//   tide::cpu_set some{0, 2, 3};
//   auto all = tide::cpu_set::parse("0-3,8").value();   // the form of sysfs, taskset -c and cpuset.cpus
//   for (unsigned cpu : all & some) …
#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <tide/base/result.hpp>

namespace tide {

/// A value; ordered by number.
class cpu_set {
 public:
  static constexpr unsigned most = 65'536;  ///< numbers are below this

  cpu_set() noexcept = default;
  cpu_set(std::initializer_list<unsigned> cpus) {
    for (const unsigned cpu : cpus) add(cpu);
  }
  /// From "0-3,8"; an empty text is the empty set. errc::malformed for anything else, and for numbers beyond `most`.
  static result<cpu_set> parse(std::string_view list);
  /// The CPUs that the calling thread may run on: its affinity mask, which the kernel keeps within the cgroup's cpuset.
  static result<cpu_set> of_this_thread();

  void add(unsigned cpu) {
    const auto at = std::ranges::lower_bound(cpus_, cpu);
    if (at == cpus_.end() || *at != cpu) cpus_.insert(at, cpu);
  }
  [[nodiscard]] bool contains(unsigned cpu) const noexcept { return std::ranges::binary_search(cpus_, cpu); }
  [[nodiscard]] bool empty() const noexcept { return cpus_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return cpus_.size(); }
  [[nodiscard]] auto begin() const noexcept { return cpus_.begin(); }
  [[nodiscard]] auto end() const noexcept { return cpus_.end(); }
  /// As parse reads it.
  [[nodiscard]] std::string list() const;

  friend cpu_set operator&(const cpu_set& a, const cpu_set& b) {
    cpu_set both;
    std::ranges::set_intersection(a.cpus_, b.cpus_, std::back_inserter(both.cpus_));
    return both;
  }
  friend cpu_set operator|(const cpu_set& a, const cpu_set& b) {
    cpu_set either;
    std::ranges::set_union(a.cpus_, b.cpus_, std::back_inserter(either.cpus_));
    return either;
  }
  friend cpu_set operator-(const cpu_set& a, const cpu_set& b) {
    cpu_set rest;
    std::ranges::set_difference(a.cpus_, b.cpus_, std::back_inserter(rest.cpus_));
    return rest;
  }
  friend bool operator==(const cpu_set&, const cpu_set&) = default;

 private:
  std::vector<unsigned> cpus_;  // ascending
};

/// Says that a CPU is not there or not for this process (its affinity mask, its cgroup's cpuset); the message names it. Such
/// an error's category is cpu_category() and its value the CPU's number + 1.
[[nodiscard]] std::error_code cpu_refused(unsigned cpu) noexcept;
[[nodiscard]] const std::error_category& cpu_category() noexcept;

}  // namespace tide
