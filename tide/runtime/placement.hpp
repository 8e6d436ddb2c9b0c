// On which CPUs the executors of a pool run.
//
//   auto where = tide::placement::max_spread(4);             // four CPUs, as far from each other as there are
//   auto where = tide::placement::max_pack(4);               // as near as possible, but on a core each
//   auto where = tide::placement::one_per_cache();           // an executor for each L3, anywhere within it
//   std::vector<tide::cpu_set> sets = where.on(machine).value();
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <tide/base/cpu_set.hpp>
#include <tide/base/result.hpp>
#include <tide/base/topology.hpp>

namespace tide {

/// A value: what is wanted, before anybody has looked at a machine. `within`, where it can be given, narrows the CPUs.
class placement {
 public:
  enum class siblings : std::uint8_t {
    avoid,  ///< no two on the CPUs of one core while another core is free
    use,    ///< the CPUs of one core first: they are the nearest
  };

  /// `count` executors wherever the system likes.
  static placement unbound(std::size_t count);
  /// `count` executors that the system may move about within a set.
  static placement fenced(std::size_t count, cpu_set within);
  /// One executor on one CPU.
  static placement fixed(unsigned cpu);
  /// `count` CPUs, one for each, spread over nodes, packages, caches and cores as evenly as they go.
  static placement max_spread(std::size_t count, std::optional<cpu_set> within = {});
  /// `count` CPUs, one for each, in as few caches, packages and nodes as they fit in: within one cache if it has so many
  /// cores.
  static placement max_pack(std::size_t count, siblings with = siblings::avoid, std::optional<cpu_set> within = {});
  /// An executor for each last-level cache, fenced to its CPUs.
  static placement one_per_cache(std::optional<cpu_set> within = {});
  /// A set for each executor; an empty one is anywhere.
  static placement custom(std::vector<cpu_set> sets);

  /// The CPUs of each executor, an empty set for anywhere. Errors: cpu_refused for a CPU that the machine has not (or not
  /// for us), std::errc::invalid_argument for no executors or an empty set, errc::limit_exceeded for more executors than
  /// CPUs where each is to have its own.
  [[nodiscard]] result<std::vector<cpu_set>> on(const topology& machine) const;

 private:
  enum class way : std::uint8_t { fenced, spread, pack, per_cache, custom };
  placement(way how, std::size_t count, std::vector<cpu_set> sets, std::optional<cpu_set> within = {}) noexcept
      : how_(how), count_(count), within_(std::move(within)), sets_(std::move(sets)) {}

  way how_;
  siblings siblings_ = siblings::avoid;
  std::size_t count_;
  std::optional<cpu_set> within_;
  std::vector<cpu_set> sets_;
};

}  // namespace tide
