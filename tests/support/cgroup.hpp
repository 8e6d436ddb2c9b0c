// A control group for a child process, where the test may make one: to see what a container's limits do.
//
//   support::cgroup limited("cpu", {{"cpu.cfs_period_us", "100000"}, {"cpu.cfs_quota_us", "50000"}}, {{"cpu.max", "50000
//   100000"}}); if (!limited) GTEST_SKIP() << "no right to make a control group"; bool held = limited.in_child([] { return
//   tide::cpu_quota() == 0.5; });
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace support {

class cgroup {
 public:
  using settings = std::vector<std::pair<std::string, std::string>>;

  /// In the hierarchy of `controller` (v1) or in the unified one (v2), whichever is there.
  cgroup(const std::string& controller, const settings& separate, const settings& unified) {
    const std::filesystem::path mounts = "/sys/fs/cgroup";
    if (make(mounts / controller, separate)) return;
    std::ofstream(mounts / "cgroup.subtree_control") << "+" << controller;
    make(mounts, unified);
  }
  cgroup(const cgroup&) = delete;
  cgroup& operator=(const cgroup&) = delete;
  ~cgroup() {
    std::error_code ignored;
    if (!group_.empty()) std::filesystem::remove(group_, ignored);
  }
  explicit operator bool() const { return !group_.empty(); }

  /// True if `check()` is true in a child that is in the group.
  template <class F>
  bool in_child(F check) const {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(write(group_ / "cgroup.procs", "0") && check() ? 0 : 1);
    int status = 0;
    return child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }

 private:
  static bool write(const std::filesystem::path& file, const std::string& text) {
    std::ofstream stream(file);
    stream << text << std::flush;
    return stream.good();
  }
  bool make(const std::filesystem::path& parent, const settings& wanted) {
    std::error_code failed;
    if (!std::filesystem::exists(parent / "cgroup.procs", failed)) return false;
    group_ = parent / ("tide-test-" + std::to_string(::getpid()));
    bool good = std::filesystem::create_directory(group_, failed);
    for (const auto& [file, text] : wanted) good = good && write(group_ / file, text);
    if (good) return true;
    std::filesystem::remove(group_, failed);
    group_.clear();
    return false;
  }
  std::filesystem::path group_;
};

}  // namespace support
