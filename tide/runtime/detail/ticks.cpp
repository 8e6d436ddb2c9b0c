#include <tide/runtime/detail/ticks.hpp>

#include <time.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace tide::detail {
namespace {

std::uint64_t monotonic() noexcept {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(since).count());
}

#if defined(__x86_64__)
/// True if the counter runs at one speed whatever the processor does (CPUID 8000_0007h, EDX bit 8).
bool counts_evenly() noexcept {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return __get_cpuid(0x80000007U, &a, &b, &c, &d) != 0 && (d & (1U << 8U)) != 0;
}

/// Ticks a nanosecond, measured over half a millisecond, once a process; 0 if the counter is of no use. Both ends are read
/// several times and the tightest reading counts, so that an interruption in between does no harm.
double measure() noexcept {
  if (!counts_evenly()) return 0;
  struct moment {
    std::uint64_t ns;
    std::uint64_t ticks;
  };
  const auto look = [] {
    moment best{};
    std::uint64_t tightest = ~std::uint64_t{0};
    for (int i = 0; i < 5; ++i) {
      const std::uint64_t before = __builtin_ia32_rdtsc();
      const std::uint64_t ns = monotonic();
      const std::uint64_t after = __builtin_ia32_rdtsc();
      if (after - before < tightest) {
        tightest = after - before;
        best = {ns, before + (after - before) / 2};
      }
    }
    return best;
  };
  const moment from = look();
  while (monotonic() - from.ns < 500'000) {
  }
  const moment to = look();
  if (to.ns <= from.ns || to.ticks <= from.ticks) return 0;
  return static_cast<double>(to.ticks - from.ticks) / static_cast<double>(to.ns - from.ns);
}
#endif

}  // namespace

std::chrono::nanoseconds tick_clock::thread_time() const noexcept {
  if (given_) return std::chrono::nanoseconds(now());
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

tick_clock::tick_clock(source nanoseconds) : source_(nanoseconds), given_(nanoseconds != nullptr) {
  if (source_ != nullptr) return;
#if defined(__x86_64__)
  static const double per_ns = measure();
  if (per_ns > 0) {
    per_ns_ = per_ns;
    return;
  }
#endif
  source_ = monotonic;
}

}  // namespace tide::detail
