// How much CPU time the control groups grant the process: a container with half a CPU should not burn it by spinning.
//
//   if (auto quota = tide::cpu_quota()) …   // *quota is 1.5 for one and a half CPUs
#pragma once

#include <filesystem>
#include <optional>

namespace tide {

/// CPUs' worth of time that the tightest of the process's control groups grants (cgroup v2 cpu.max or v1
/// cpu.cfs_quota_us); nothing if there is no limit or it cannot be read. Files are looked for below `root`.
std::optional<double> cpu_quota(const std::filesystem::path& root = "/");

}  // namespace tide
