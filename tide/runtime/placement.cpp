#include <tide/runtime/placement.hpp>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <map>
#include <tuple>
#include <utility>

namespace tide {
namespace {

using cpu = topology::cpu;

struct taken_so_far {
  std::map<unsigned, int> cores, caches, packages, nodes;
  int total = 0;
  void add(const cpu& each) {
    ++total;
    ++cores[each.core];
    ++caches[each.cache];
    ++packages[each.package];
    ++nodes[each.node];
  }
};
using ranking = std::tuple<int, int, int, int, int, unsigned>;

/// Takes CPUs one by one, each time the best of those that are left: `rank(cpu, taken)` is lowest for the best.
template <class Rank>
std::vector<cpu_set> take(std::vector<cpu> left, std::size_t count, Rank rank) {
  std::vector<cpu_set> found;
  taken_so_far taken;
  while (found.size() < count) {
    const auto best = std::ranges::min_element(left, {}, [&](const cpu& each) { return rank(each, taken); });
    taken.add(*best);
    found.push_back({best->number});
    left.erase(best);
  }
  return found;
}

std::vector<cpu_set> spread(const std::vector<cpu>& usable, std::size_t count) {
  return take(usable, count, [](const cpu& each, taken_so_far& taken) {
    return ranking(taken.nodes[each.node], taken.packages[each.package], taken.caches[each.cache], taken.cores[each.core], 0,
                   each.number);
  });
}

/// The cache that `count` fit in most tightly, else the one with the most room. Room is cores or CPUs.
unsigned best_cache(const std::vector<cpu>& usable, std::size_t count, bool by_core) {
  std::map<unsigned, cpu_set> room;
  for (const cpu& each : usable) room[each.cache].add(by_core ? each.core : each.number);
  const auto waste = [&](const auto& cache) {
    const std::size_t size = cache.second.size();
    return size >= count ? std::pair(0, size - count) : std::pair(1, count - size);
  };
  return std::ranges::min_element(room, {}, waste)->first;
}

std::vector<cpu_set> pack(const std::vector<cpu>& usable, std::size_t count, bool avoid) {
  const unsigned begin = best_cache(usable, count, avoid);
  return take(usable, count, [&](const cpu& each, taken_so_far& taken) {
    const int on_core = taken.cores[each.core];
    const int elsewhere = taken.total == 0 && each.cache != begin ? 1 : 0;
    return ranking(avoid ? on_core : elsewhere, avoid ? elsewhere : -on_core, -taken.caches[each.cache],
                   -taken.packages[each.package], -taken.nodes[each.node], each.number);
  });
}

}  // namespace

placement placement::unbound(std::size_t count) { return custom(std::vector<cpu_set>(count)); }
placement placement::fenced(std::size_t count, cpu_set within) { return {way::fenced, count, {}, std::move(within)}; }
placement placement::fixed(unsigned cpu) { return fenced(1, {cpu}); }
placement placement::max_spread(std::size_t count, std::optional<cpu_set> within) {
  return {way::spread, count, {}, std::move(within)};
}
placement placement::max_pack(std::size_t count, siblings with, std::optional<cpu_set> within) {
  placement made{way::pack, count, {}, std::move(within)};
  made.siblings_ = with;
  return made;
}
placement placement::one_per_cache(std::optional<cpu_set> within) { return {way::per_cache, 1, {}, std::move(within)}; }
placement placement::custom(std::vector<cpu_set> sets) { return {way::custom, sets.size(), std::move(sets)}; }

result<std::vector<cpu_set>> placement::on(const topology& machine) const {
  const cpu_set all = machine.all();
  for (const cpu_set& wanted : sets_) {
    for (const unsigned each : wanted - all) return fail(cpu_refused(each));
  }
  if (how_ == way::custom) {
    if (sets_.empty()) return fail_errno(EINVAL);
    return sets_;
  }
  const cpu_set within = within_.value_or(all);
  for (const unsigned each : within - all) return fail(cpu_refused(each));
  if (count_ == 0 || within.empty()) return fail_errno(EINVAL);
  if (how_ == way::fenced) return std::vector<cpu_set>(count_, within);

  std::vector<cpu> usable;
  std::ranges::copy_if(machine.cpus(), std::back_inserter(usable),
                       [&](const cpu& each) { return within.contains(each.number); });
  if (how_ == way::per_cache) {
    std::vector<cpu_set> caches;
    for (const cpu_set& cache : machine.groups(topology::level::cache)) {
      if (cpu_set here = cache & within; !here.empty()) caches.push_back(std::move(here));
    }
    return caches;
  }
  if (count_ > usable.size()) return fail(errc::limit_exceeded);
  return how_ == way::spread ? spread(usable, count_) : pack(usable, count_, siblings_ == siblings::avoid);
}

}  // namespace tide
