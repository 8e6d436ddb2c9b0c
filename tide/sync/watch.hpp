// The latest value of something, and its changes: watch<T>.
//
//   tide::watch<config> current(first);
//   current.set(second);                                 // any thread, never waits for followers
//   auto follower = current.follow();
//   while (auto next = co_await follower.next()) …         // result<config>; those that came and went in between are
//   skipped
#pragma once

#include <cstdint>
#include <utility>

#include <tide/runtime/task.hpp>
#include <tide/sync/detail/sequence_line.hpp>

namespace tide {

/// Any thread. Nobody follows when it goes. T is copied under a lock that others spin on: keep it small, or a
/// std::shared_ptr<const …>; copying must not use the watch.
template <class T>
class watch {
 public:
  explicit watch(T first) : value_(std::move(first)) {}

  /// One task or thread at a time; the watch outlives it.
  class follower {
   public:
    /// co_await: the value, as soon as it is another than it had last. errc::closed, errc::canceled.
    [[nodiscard]] task<result<T>> next() {
      if (auto changed = co_await of_->line_.past(seen_); !changed) co_return fail(changed.error());
      co_return of_->copy(seen_);
    }
    /// The same for a thread. errc::closed, errc::timed_out.
    result<T> next_blocking(clock::time_point deadline = clock::time_point::max()) {
      if (auto changed = of_->line_.past_blocking(seen_, deadline); !changed) return fail(changed.error());
      return of_->copy(seen_);
    }
    /// The value now; next() waits for another.
    [[nodiscard]] T get() { return of_->copy(seen_); }

   private:
    friend watch;
    follower(watch& of, std::uint64_t seen) noexcept : of_(&of), seen_(seen) {}
    watch* of_;
    std::uint64_t seen_;
  };

  /// Its first next() waits for a change from now on.
  [[nodiscard]] follower follow() noexcept {
    const detail::word_lock held(lock_);
    return {*this, version_};
  }
  void set(T value) {
    const detail::word_lock held(lock_);
    std::swap(value_, value);  // what it replaces goes after the lock
    ++version_;
    line_.advance();
  }
  [[nodiscard]] T get() {
    std::uint64_t seen = 0;
    return copy(seen);
  }
  /// Followers get what they have not seen and then errc::closed.
  void close() noexcept { line_.close(); }

 private:
  T copy(std::uint64_t& seen) {
    const detail::word_lock held(lock_);
    T taken = value_;
    seen = version_;
    return taken;
  }

  detail::control_word lock_{0};  // guards value_ and version_
  T value_;
  std::uint64_t version_ = 0;
  detail::sequence_line line_;
};

}  // namespace tide
