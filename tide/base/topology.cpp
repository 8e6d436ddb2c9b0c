#include <tide/base/topology.hpp>

#include <fstream>
#include <iterator>
#include <map>
#include <string>

namespace tide {
namespace {

/// The first line of a file; empty if it cannot be read.
std::string line_of(const std::filesystem::path& file) {
  std::string line;
  std::ifstream stream(file);
  std::getline(stream, line);
  return line;
}

/// The set that a file lists; empty if there is no such file, or nonsense in it.
cpu_set set_of(const std::filesystem::path& file) { return cpu_set::parse(line_of(file)).value_or(cpu_set()); }

/// The lowest CPU of the group that `file` lists for `cpu`; `otherwise` if it lists none, or one that it is not in.
unsigned leader(const std::filesystem::path& file, unsigned cpu, unsigned otherwise) {
  const cpu_set group = set_of(file);
  return group.contains(cpu) ? *group.begin() : otherwise;
}

/// The CPUs that share the cache of the highest level.
unsigned cache_leader(const std::filesystem::path& directory, unsigned cpu, unsigned otherwise) {
  int highest = 0;
  unsigned found = otherwise;
  for (int index = 0; index < 16; ++index) {
    const auto cache = directory / "cache" / ("index" + std::to_string(index));
    const std::string level = line_of(cache / "level");
    if (level.empty()) break;
    if (level.size() != 1 || level[0] - '0' <= highest) continue;
    highest = level[0] - '0';
    found = leader(cache / "shared_cpu_list", cpu, otherwise);
  }
  return found;
}

std::map<unsigned, unsigned> node_leaders(const std::filesystem::path& nodes) {
  std::map<unsigned, unsigned> found;
  for (const unsigned node : set_of(nodes / "has_cpu")) {
    const cpu_set cpus = set_of(nodes / ("node" + std::to_string(node)) / "cpulist");
    for (const unsigned cpu : cpus) found.emplace(cpu, *cpus.begin());
  }
  return found;
}

}  // namespace

result<topology> topology::of_this_thread() {
  auto allowed = cpu_set::of_this_thread();
  if (!allowed) return fail(allowed.error());
  return read("/", *allowed);
}

topology topology::read(const std::filesystem::path& root, const cpu_set& allowed) {
  const auto system = root / "sys/devices/system";
  const cpu_set online = set_of(system / "cpu/online");
  const cpu_set usable = online.empty() ? allowed : allowed & online;
  const auto nodes = node_leaders(system / "node");
  topology found;
  for (const unsigned number : usable) {
    const auto directory = system / "cpu" / ("cpu" + std::to_string(number));
    const auto here = directory / "topology";
    const unsigned first = *usable.begin();  // of the one group that everything is in if nothing else is known
    const unsigned siblings = leader(here / "thread_siblings_list", number, number);  // the name before Linux 5.3
    const unsigned package = leader(here / "package_cpus_list", number, leader(here / "core_siblings_list", number, first));
    const auto node = nodes.find(number);
    found.cpus_.push_back({.number = number,
                           .core = leader(here / "core_cpus_list", number, siblings),
                           .cache = cache_leader(directory, number, package),
                           .package = package,
                           .node = node == nodes.end() ? first : node->second});
  }
  return found;
}

cpu_set topology::all() const {
  cpu_set every;
  for (const cpu& each : cpus_) every.add(each.number);
  return every;
}

std::vector<cpu_set> topology::groups(level of) const {
  std::map<unsigned, cpu_set> by_leader;
  for (const cpu& each : cpus_) {
    switch (of) {
      case level::core: by_leader[each.core].add(each.number); break;
      case level::cache: by_leader[each.cache].add(each.number); break;
      case level::package: by_leader[each.package].add(each.number); break;
      case level::node: by_leader[each.node].add(each.number); break;
    }
  }
  std::vector<cpu_set> found;
  found.reserve(by_leader.size());
  for (auto& [first, group] : by_leader) found.push_back(std::move(group));
  std::ranges::sort(found, {}, [](const cpu_set& group) { return *group.begin(); });
  return found;
}

}  // namespace tide
