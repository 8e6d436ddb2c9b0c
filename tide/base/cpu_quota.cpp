#include <tide/base/cpu_quota.hpp>

#include <algorithm>
#include <fstream>
#include <string>
#include <string_view>

namespace tide {
namespace {

using path = std::filesystem::path;

std::optional<double> quotient(double quota, double period) {
  if (quota <= 0 || period <= 0) return std::nullopt;
  return quota / period;
}

/// cgroup v2: "max 100000" or "50000 100000".
std::optional<double> unified_limit(const path& group) {
  double quota = 0;
  double period = 0;
  if (!(std::ifstream(group / "cpu.max") >> quota >> period)) return std::nullopt;
  return quotient(quota, period);
}

/// cgroup v1: -1 means no limit.
std::optional<double> separate_limit(const path& group) {
  double quota = 0;
  double period = 0;
  if (!(std::ifstream(group / "cpu.cfs_quota_us") >> quota) || !(std::ifstream(group / "cpu.cfs_period_us") >> period))
    return std::nullopt;
  return quotient(quota, period);
}

/// The tightest limit of `group` and those above it, below `mount`. In a container /proc names the group as the host sees
/// it, which may not exist here: then what is mounted is the container's own group.
template <class Limit>
std::optional<double> tightest(const path& mount, std::string_view group, Limit limit) {
  std::optional<double> found;
  for (path relative = path(group).relative_path();; relative = relative.parent_path()) {
    const auto here = limit(mount / relative);
    if (here && (!found || *here < *found)) found = here;
    if (relative.empty()) return found;
  }
}

bool names_cpu(std::string_view controllers) {
  return controllers == "cpu" || controllers.starts_with("cpu,") || controllers.ends_with(",cpu") ||
         controllers.find(",cpu,") != std::string_view::npos;
}

}  // namespace

std::optional<double> cpu_quota(const path& root) {
  const path mounts = root / "sys/fs/cgroup";
  std::optional<double> found;
  const auto consider = [&](std::optional<double> limit) {
    if (limit && (!found || *limit < *found)) found = limit;
  };
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // HIERARCHY:CONTROLLERS:GROUP
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string_view group = std::string_view(line).substr(second + 1);
    if (controllers.empty()) {
      consider(tightest(mounts, group, unified_limit));
      consider(tightest(mounts / "unified", group, unified_limit));
    } else if (names_cpu(controllers)) {
      consider(tightest(mounts / controllers, group, separate_limit));
      consider(tightest(mounts / "cpu", group, separate_limit));
    }
  }
  return found;
}

}  // namespace tide
