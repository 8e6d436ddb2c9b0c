#include <tide/sync/detail/futex.hpp>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <ctime>

namespace tide::detail {

bool futex_wait(const std::uint32_t* word, std::uint32_t expected, clock::time_point deadline) noexcept {
  timespec until{};
  const timespec* limit = nullptr;
  if (deadline != clock::time_point::max()) {
    const auto whole = std::chrono::floor<std::chrono::seconds>(deadline.time_since_epoch());
    until.tv_sec = whole.count();
    until.tv_nsec = std::chrono::nanoseconds(deadline.time_since_epoch() - whole).count();
    limit = &until;
  }
  // With a bit set the time is absolute.
  const long waited =
      ::syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected, limit, nullptr, FUTEX_BITSET_MATCH_ANY);
  return waited == 0 || errno != ETIMEDOUT;
}

void futex_wake(const std::uint32_t* word, int threads) noexcept {
  ::syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, threads, nullptr, nullptr, 0);
}

}  // namespace tide::detail
