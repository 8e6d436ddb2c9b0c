#include <tide/base/cpu_set.hpp>

#include <sched.h>

#include <cerrno>
#include <charconv>
#include <memory>
#include <optional>

namespace tide {
namespace {

/// Takes a number from the front of `text`.
std::optional<unsigned> take_number(std::string_view& text) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number >= cpu_set::most) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

class refused_cpu final : public std::error_category {
 public:
  const char* name() const noexcept override { return "tide cpu"; }
  std::string message(int value) const override {
    return "CPU " + std::to_string(value - 1) +
           " is not there, or not for this process: see its affinity mask (taskset -p) and the cpuset of its control group";
  }
};

}  // namespace

const std::error_category& cpu_category() noexcept {
  static const refused_cpu instance;
  return instance;
}

std::error_code cpu_refused(unsigned cpu) noexcept { return {static_cast<int>(cpu) + 1, cpu_category()}; }

result<cpu_set> cpu_set::parse(std::string_view list) {
  while (!list.empty() && (list.back() == '\n' || list.back() == ' ')) list.remove_suffix(1);
  cpu_set found;
  while (!list.empty()) {
    const auto first = take_number(list);
    auto last = first;
    if (list.starts_with('-')) {
      list.remove_prefix(1);
      last = take_number(list);
    }
    if (!first || !last || *last < *first) return fail(errc::malformed);
    for (unsigned cpu = *first; cpu <= *last; ++cpu) found.add(cpu);
    if (list.empty()) break;
    if (!list.starts_with(',') || list.size() == 1) return fail(errc::malformed);
    list.remove_prefix(1);
  }
  return found;
}

std::string cpu_set::list() const {
  std::string text;
  for (std::size_t i = 0; i < cpus_.size();) {
    std::size_t last = i;
    while (last + 1 < cpus_.size() && cpus_[last + 1] == cpus_[last] + 1) ++last;
    if (!text.empty()) text += ',';
    text += std::to_string(cpus_[i]);
    if (last != i) text += '-' + std::to_string(cpus_[last]);
    i = last + 1;
  }
  return text;
}

result<cpu_set> cpu_set::of_this_thread() {
  // The kernel wants a mask as long as its own and does not say how long that is: EINVAL means longer.
  for (unsigned cpus = 1024; cpus <= most; cpus *= 2) {
    const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> mask(CPU_ALLOC(cpus), [](cpu_set_t* made) { CPU_FREE(made); });
    if (!mask) return fail_errno(ENOMEM);
    const std::size_t bytes = CPU_ALLOC_SIZE(cpus);
    CPU_ZERO_S(bytes, mask.get());
    if (::sched_getaffinity(0, bytes, mask.get()) != 0) {
      if (errno == EINVAL) continue;
      return fail_errno(errno);
    }
    cpu_set found;
    for (unsigned cpu = 0; cpu < cpus; ++cpu) {
      if (CPU_ISSET_S(cpu, bytes, mask.get())) found.add(cpu);
    }
    return found;
  }
  return fail(errc::not_supported);
}

}  // namespace tide
