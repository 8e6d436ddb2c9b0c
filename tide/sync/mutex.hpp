// One at a time, in the order they came: mutex.
//
//   tide::mutex writing;
//   auto turn = co_await writing.lock();            // result<mutex::guard>
//   auto turn = writing.lock_blocking();            // the same in a thread
//   if (auto turn = writing.try_lock()) …
//
// The lock is handed from the one who leaves to the first in line. It belongs to nobody's thread: a guard may be let go
// elsewhere than where it was taken.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include <tide/sync/detail/line_operation.hpp>

namespace tide {

/// tide::mutex: any thread. tide::local::mutex: one executor. Nobody holds or waits when it goes.
template <class Domain>
class basic_mutex {
  struct lock_policy;

 public:
  using lock_operation = detail::line_operation<Domain, lock_policy>;

  /// Holds the lock until it goes. Moves; an empty one holds nothing.
  class [[nodiscard]] guard {
   public:
    guard() noexcept = default;
    guard(guard&& other) noexcept : held_(std::exchange(other.held_, nullptr)) {}
    guard& operator=(guard&& other) noexcept {
      if (this != &other) {
        unlock();
        held_ = std::exchange(other.held_, nullptr);
      }
      return *this;
    }
    ~guard() { unlock(); }
    void unlock() noexcept {
      if (basic_mutex* held = std::exchange(held_, nullptr)) held->unlock();
    }
    /// What it holds, or nullptr.
    [[nodiscard]] basic_mutex* owner() const noexcept { return held_; }

   private:
    friend basic_mutex;
    explicit guard(basic_mutex& held) noexcept : held_(&held) {}
    basic_mutex* held_ = nullptr;
  };

  basic_mutex() noexcept : line_(0) {}

  /// co_await: result<guard>; errc::canceled.
  [[nodiscard]] lock_operation lock() noexcept { return lock_operation(line_, {this}); }
  /// Blocks the thread. errc::timed_out.
  result<guard> lock_blocking(clock::time_point deadline = clock::time_point::max()) noexcept
    requires detail::for_threads<Domain>
  {
    return detail::take_blocking(line_, lock_policy{this}, deadline);
  }
  [[nodiscard]] std::optional<guard> try_lock() noexcept {
    lock_policy policy{this};
    if (!line_.take_now(policy)) return std::nullopt;
    return guard(*this);
  }
  /// For those who wait for something else with the lock let go, and must have it again: a request to cancel does not end
  /// it.
  [[nodiscard]] auto lock_shielded() noexcept {
    return detail::line_operation<Domain, lock_policy, detail::wait_kind::shielded>(line_, {this});
  }

 private:
  struct lock_policy {
    basic_mutex* of;
    static bool take(std::uint32_t& value) noexcept { return value == 0 && (value = 1) != 0; }
    result<guard> give() noexcept { return guard(*of); }
  };
  void unlock() noexcept {
    line_.change([](std::uint32_t) noexcept { return 0U; });
  }
  detail::wait_line<typename Domain::word> line_;
};

using mutex = basic_mutex<detail::across_threads>;
namespace local {
using mutex = basic_mutex<detail::one_executor>;
}

}  // namespace tide
