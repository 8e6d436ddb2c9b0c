// Many readers or one writer, in the order they came: rwlock.
//
//   tide::rwlock table;
//   auto reading = co_await table.read();          // result<rwlock::read_guard>
//   auto writing = co_await table.write();         // result<rwlock::write_guard>
//
// Readers that come behind a waiting writer wait too, so neither side starves. Who reads and waits for another read() behind
// a writer waits for itself: read once.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include <tide/sync/detail/line_operation.hpp>

namespace tide {

/// Any thread. Nobody holds or waits when it goes.
class rwlock {
  static constexpr std::uint32_t written = 0x8000'0000;  // else the number of readers
  struct reading {
    static bool take(std::uint32_t& value) noexcept { return value < written - 1 && ++value != 0; }
    static std::uint32_t leave(std::uint32_t value) noexcept { return value - 1; }
  };
  struct writing {
    static bool take(std::uint32_t& value) noexcept { return value == 0 && (value = written) != 0; }
    static std::uint32_t leave(std::uint32_t) noexcept { return 0; }
  };

  template <class Mode>
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
      if (rwlock* held = std::exchange(held_, nullptr)) held->line_.change(&Mode::leave);
    }

   private:
    friend rwlock;
    explicit guard(rwlock& held) noexcept : held_(&held) {}
    rwlock* held_ = nullptr;
  };

  template <class Mode>
  struct lock_policy {
    rwlock* of;
    static bool take(std::uint32_t& value) noexcept { return Mode::take(value); }
    result<guard<Mode>> give() noexcept { return guard<Mode>(*of); }
  };
  template <class Mode>
  using lock_operation = detail::line_operation<detail::across_threads, lock_policy<Mode>>;

 public:
  /// Hold the lock until they go. Move; an empty one holds nothing.
  using read_guard = guard<reading>;
  using write_guard = guard<writing>;

  rwlock() noexcept : line_(0) {}

  /// co_await: result<read_guard>; errc::canceled.
  [[nodiscard]] auto read() noexcept { return lock_operation<reading>(line_, {this}); }
  /// co_await: result<write_guard>; errc::canceled.
  [[nodiscard]] auto write() noexcept { return lock_operation<writing>(line_, {this}); }
  /// Block the thread. errc::timed_out.
  result<read_guard> read_blocking(clock::time_point deadline = clock::time_point::max()) noexcept {
    return detail::take_blocking(line_, lock_policy<reading>{this}, deadline);
  }
  result<write_guard> write_blocking(clock::time_point deadline = clock::time_point::max()) noexcept {
    return detail::take_blocking(line_, lock_policy<writing>{this}, deadline);
  }
  [[nodiscard]] std::optional<read_guard> try_read() noexcept { return try_lock<reading>(); }
  [[nodiscard]] std::optional<write_guard> try_write() noexcept { return try_lock<writing>(); }

 private:
  template <class Mode>
  std::optional<guard<Mode>> try_lock() noexcept {
    lock_policy<Mode> policy{this};
    if (!line_.take_now(policy)) return std::nullopt;
    return guard<Mode>(*this);
  }
  detail::wait_line<detail::control_word> line_;
};

}  // namespace tide
