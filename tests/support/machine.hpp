// A machine that is not there: the files of sysfs that describe it, in a directory of the test's own.
//
//   const support::machine amd({.nodes = 2, .caches = 2, .cores = 4, .threads = 2});
//   auto seen = tide::topology::read(amd.root(), amd.all());
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include <tide/base/cpu_set.hpp>

namespace support {

class machine {
 public:
  /// `caches` of each node (which is one package), `cores` of each cache, `threads` of each core. As on most machines the
  /// first threads of all cores are numbered before the second ones.
  struct shape {
    unsigned nodes = 1;
    unsigned caches = 1;
    unsigned cores = 1;
    unsigned threads = 1;
  };
  explicit machine(const shape& of) : shape_(of) {
    const auto memory = ::access("/dev/shm", W_OK) == 0;  // hundreds of small files
    const std::filesystem::path parent = memory ? "/dev/shm" : std::filesystem::temp_directory_path();
    std::string pattern = (parent / "tide-machine-XXXXXX").string();
    if (const char* made = ::mkdtemp(pattern.data()); made != nullptr) root_ = made;
    const unsigned cores = of.nodes * of.caches * of.cores;
    for (unsigned core = 0; core < cores; ++core) {
      for (unsigned thread = 0; thread < of.threads; ++thread) describe(core, core + thread * cores);
    }
    write("sys/devices/system/cpu/online", all().list());
    tide::cpu_set nodes;
    for (unsigned node = 0; node < of.nodes; ++node) {
      nodes.add(node);
      write("sys/devices/system/node/node" + std::to_string(node) + "/cpulist",
            cpus(node * of.caches * of.cores, of.caches * of.cores).list());
    }
    write("sys/devices/system/node/has_cpu", nodes.list());
  }
  machine(const machine&) = delete;
  machine& operator=(const machine&) = delete;
  ~machine() {
    std::error_code ignored;
    if (!root_.empty()) std::filesystem::remove_all(root_, ignored);
  }

  void write(const std::string& file, const std::string& line) const {
    const auto whole = root_ / file;
    std::filesystem::create_directories(whole.parent_path());
    std::ofstream(whole) << line << '\n';
  }
  void remove(const std::string& file) const { std::filesystem::remove_all(root_ / file); }
  [[nodiscard]] const std::filesystem::path& root() const { return root_; }
  [[nodiscard]] tide::cpu_set all() const { return cpus(0, shape_.nodes * shape_.caches * shape_.cores); }

 private:
  /// The CPUs of `count` cores from number `first` on.
  [[nodiscard]] tide::cpu_set cpus(unsigned first, unsigned count) const {
    const unsigned cores = shape_.nodes * shape_.caches * shape_.cores;
    tide::cpu_set found;
    for (unsigned core = first; core < first + count; ++core) {
      for (unsigned thread = 0; thread < shape_.threads; ++thread) found.add(core + thread * cores);
    }
    return found;
  }
  void describe(unsigned core, unsigned cpu) const {
    const std::string here = "sys/devices/system/cpu/cpu" + std::to_string(cpu);
    const unsigned per_node = shape_.caches * shape_.cores;
    write(here + "/topology/core_cpus_list", cpus(core, 1).list());
    write(here + "/topology/package_cpus_list", cpus(core / per_node * per_node, per_node).list());
    write(here + "/cache/index0/level", "1");
    write(here + "/cache/index0/shared_cpu_list", cpus(core, 1).list());
    write(here + "/cache/index1/level", "3");
    write(here + "/cache/index1/shared_cpu_list", cpus(core / shape_.cores * shape_.cores, shape_.cores).list());
  }

  shape shape_;
  std::filesystem::path root_;
};

}  // namespace support
