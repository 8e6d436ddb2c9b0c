#include <tide/runtime/detail/thread_setup.hpp>

#include <pthread.h>
#include <sched.h>

#include <array>
#include <cerrno>
#include <memory>
#include <system_error>

namespace tide::detail {
namespace {

constexpr std::size_t longest_name = 15;  // what the kernel keeps

result<> set_mask(const cpu_set& cpus) {
  if (cpus.empty()) return fail_errno(EINVAL);
  unsigned highest = 0;
  for (const unsigned cpu : cpus) highest = cpu;
  const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> mask(CPU_ALLOC(highest + 1),
                                                              [](cpu_set_t* made) { CPU_FREE(made); });
  if (!mask) return fail_errno(ENOMEM);
  const std::size_t bytes = CPU_ALLOC_SIZE(highest + 1);
  CPU_ZERO_S(bytes, mask.get());
  for (const unsigned cpu : cpus) CPU_SET_S(cpu, bytes, mask.get());
  if (::sched_setaffinity(0, bytes, mask.get()) != 0) return fail_errno(errno);
  return {};
}

}  // namespace

result<> keep_on(const cpu_set& cpus) {
  const auto before = cpu_set::of_this_thread();
  if (!before) return fail(before.error());
  if (auto set = set_mask(cpus); !set) {
    // EINVAL: none of them is to be had.
    if (set.error() == std::errc::invalid_argument && !cpus.empty()) return fail(cpu_refused(*cpus.begin()));
    return set;
  }
  // The kernel leaves out what is not to be had, and says nothing.
  const auto after = cpu_set::of_this_thread();
  if (!after) return fail(after.error());
  for (const unsigned missing : cpus - *after) {
    (void)set_mask(*before);
    return fail(cpu_refused(missing));
  }
  return {};
}

result<> can_keep_on(const cpu_set& cpus) {
  const auto before = cpu_set::of_this_thread();
  if (!before) return fail(before.error());
  if (auto set = keep_on(cpus); !set) return set;
  return set_mask(*before);
}

thread_setup::thread_setup(const std::string& name, const cpu_set& cpus) {
  if (!cpus.empty()) {
    auto before = cpu_set::of_this_thread();
    auto set = before ? keep_on(cpus) : fail(before.error());
    if (!set) throw std::system_error(set.error(), "cannot place an executor");
    cpus_before_ = std::move(*before);
  }
  if (!name.empty()) {
    std::array<char, longest_name + 1> before{};
    if (::pthread_getname_np(::pthread_self(), before.data(), before.size()) == 0) name_before_ = before.data();
    ::pthread_setname_np(::pthread_self(), name.substr(0, longest_name).c_str());
  }
}

thread_setup::~thread_setup() {
  if (!name_before_.empty()) ::pthread_setname_np(::pthread_self(), name_before_.c_str());
  if (!cpus_before_.empty()) (void)set_mask(cpus_before_);
}

}  // namespace tide::detail
