// What CPUs there are and how near they are to each other: SMT siblings, caches, NUMA nodes. From sysfs, narrowed to the
// CPUs that the thread may use.
//
//   auto machine = tide::topology::of_this_thread().value();
//   for (const auto& group : machine.groups(tide::topology::level::cache)) …    // a cpu_set for each L3
//
// Every file of sysfs is optional: what cannot be found out counts as one group (a cache, a node) or as no sibling.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include <tide/base/cpu_set.hpp>
#include <tide/base/result.hpp>

namespace tide {

class topology {
 public:
  /// From near to far. CPUs of one core are SMT siblings; those of one cache share the last level (L3, mostly).
  enum class level : std::uint8_t { core, cache, package, node };

  struct cpu {
    unsigned number;
    unsigned core;  ///< the lowest CPU of its core; so are cache, package and node those of theirs
    unsigned cache;
    unsigned package;
    unsigned node;
  };

  /// The machine under the calling thread's affinity mask and, what the kernel keeps that within, its cgroup's cpuset.
  static result<topology> of_this_thread();
  /// The machine whose files are below `root` (in place of /), narrowed to `allowed`.
  static topology read(const std::filesystem::path& root, const cpu_set& allowed);

  /// Ascending by number.
  [[nodiscard]] const std::vector<cpu>& cpus() const noexcept { return cpus_; }
  [[nodiscard]] cpu_set all() const;
  /// The sets of CPUs that are one core, one cache, …; ascending by their first.
  [[nodiscard]] std::vector<cpu_set> groups(level of) const;

 private:
  std::vector<cpu> cpus_;
};

}  // namespace tide
