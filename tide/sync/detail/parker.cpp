#include <tide/sync/detail/parker.hpp>

#include <tide/sync/detail/futex.hpp>

namespace tide::detail {

void task_parker::unpark() noexcept {
  executor& home = queue_->home();
  if (executor::current() == &home) return queue_->schedule(caller_);
  const executor_handle there = home.handle();  // once posted, coroutine and executor may end before the wake is done
  there.post(*this);
}

bool thread_parker::park(clock::time_point deadline) noexcept {
  std::uint32_t seen = running;
  state_.compare_exchange_strong(seen, asleep);
  while (state_ != unparked) {
    if (!futex_wait(word(), asleep, deadline)) return state_ == unparked;
  }
  return true;
}

void thread_parker::unpark() noexcept {
  const std::uint32_t* address = word();
  if (state_.exchange(unparked) == asleep) futex_wake(address, 1);
}

const std::uint32_t* thread_parker::word() const noexcept {
  static_assert(sizeof state_ == sizeof(std::uint32_t) && std::atomic<std::uint32_t>::is_always_lock_free);
  // SAFETY: a lock-free atomic of 32 bits is its value; the kernel only compares it.
  return reinterpret_cast<const std::uint32_t*>(&state_);
}

}  // namespace tide::detail
