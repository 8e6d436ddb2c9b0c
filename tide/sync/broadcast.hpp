// Every value to every listener, from any number of senders that wait for nobody: broadcast<T>.
//
//   tide::broadcast<event> events(256);
//   auto listener = events.listen();
//   events.send(event);
//   auto next = co_await listener.receive();             // result<event>
//   if (!next && next.error() == tide::errc::limit_exceeded) …      // fell behind: listener.lost() are gone, go on
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <tide/runtime/task.hpp>
#include <tide/sync/detail/sequence_line.hpp>

namespace tide {

/// Any thread. Keeps the last `capacity` values. Nobody listens when it goes. T is copied under a lock that others spin on:
/// keep it small, or a std::shared_ptr<const …>; copying must not use the broadcast. Allocates when it is made.
template <class T>
class broadcast {
 public:
  explicit broadcast(std::size_t capacity) : kept_(std::max<std::size_t>(capacity, 1)) {}

  /// One task or thread at a time; the broadcast outlives it.
  class listener {
   public:
    /// co_await: the next value. errc::limit_exceeded, once, if values were dropped before this listener had them;
    /// errc::closed after the last; errc::canceled.
    [[nodiscard]] task<result<T>> receive() {
      if (auto more = co_await of_->line_.past(next_); !more) co_return fail(more.error());
      co_return take();
    }
    /// The same for a thread. Also errc::timed_out.
    result<T> receive_blocking(clock::time_point deadline = clock::time_point::max()) {
      if (auto more = of_->line_.past_blocking(next_, deadline); !more) return fail(more.error());
      return take();
    }
    /// Values that this listener missed so far.
    [[nodiscard]] std::uint64_t lost() const noexcept { return lost_; }

   private:
    friend broadcast;
    listener(broadcast& of, std::uint64_t next) noexcept : of_(&of), next_(next) {}
    result<T> take() {
      const detail::word_lock held(of_->lock_);
      const std::uint64_t oldest = of_->sent_ - std::min<std::uint64_t>(of_->sent_, of_->kept_.size());
      if (next_ < oldest) {
        lost_ += oldest - std::exchange(next_, oldest);
        return fail(errc::limit_exceeded);
      }
      result<T> taken = *of_->kept_[next_ % of_->kept_.size()];
      ++next_;
      return taken;
    }
    broadcast* of_;
    std::uint64_t next_;
    std::uint64_t lost_ = 0;
  };

  /// Hears what is sent from now on.
  [[nodiscard]] broadcast::listener listen() noexcept {
    const detail::word_lock held(lock_);
    return {*this, sent_};
  }
  /// errc::closed.
  result<> send(T value) {
    std::optional<T> arriving(std::move(value));
    const detail::word_lock held(lock_);
    if (line_.closed()) return fail(errc::closed);
    std::swap(kept_[sent_ % kept_.size()], arriving);  // what it replaces goes after the lock
    ++sent_;
    line_.advance();
    return {};
  }
  /// Listeners get what is kept and then errc::closed.
  void close() noexcept {
    const detail::word_lock held(lock_);
    line_.close();
  }

 private:
  detail::control_word lock_{0};  // guards kept_ and sent_, and keeps line_ in step with them
  std::vector<std::optional<T>> kept_;
  std::uint64_t sent_ = 0;
  detail::sequence_line line_;
};

}  // namespace tide
