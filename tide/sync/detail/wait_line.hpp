// A value and the line of those who wait until they can take from it, first come first served: the core of event, mutex,
// semaphore, rwlock, latch, gate and condition.
//
//   wait_line<control_word> line(permits);
//   if (!line.try_take(policy) && line.join(request)) …park…        // take(value) says whether, and takes
//   line.change([](std::uint32_t value) { return value + 1; });     // lets go all who can take now
//   if (line.leave(request)) …gave up…  else …it was let go: its unpark has happened or is about to…
//
// Who is let go has taken already: a permit given in a race with a cancel is the waiter's.
#pragma once

#include <cstddef>
#include <cstdint>

#include <tide/base/intrusive_list.hpp>
#include <tide/sync/detail/parker.hpp>

namespace tide::detail {

/// One who waits; in the memory of the waiter. Everything here belongs to the line's lock while it stands in line.
class line_request : public list_hook {
 public:
  /// Takes from `value` if it can; leaves it alone if not. Must not call the line.
  virtual bool take(std::uint32_t& value) noexcept = 0;

 protected:
  explicit line_request(parker& how) noexcept : parker_(&how) {}
  ~line_request() = default;

 private:
  template <class Word>
  friend class wait_line;
  parker* parker_;
  bool let_go_ = false;
};

/// Thread rules of its Word.
template <class Word>
class wait_line {
 public:
  explicit wait_line(std::uint32_t value) noexcept : word_(value) {}

  [[nodiscard]] std::uint32_t value() const noexcept { return word_.value(); }

  /// Without waiting, by policy.take(value); false if it cannot or others came first.
  template <class Policy>
  bool try_take(Policy& policy) noexcept {
    return word_.try_step([&](std::uint32_t& value) noexcept { return policy.take(value); });
  }
  /// The same, and not misled by somebody who holds the lock for a moment.
  template <class Policy>
  bool take_now(Policy& policy) noexcept {
    if (try_take(policy)) return true;
    if (!word_.busy()) return false;
    std::uint32_t value = word_.lock();
    const bool taken = line_.empty() && policy.take(value);
    word_.unlock(value, !line_.empty());
    return taken;
  }
  /// Joins the end of the line: true. Or takes, if that is possible by now: false.
  bool join(line_request& request) noexcept {
    std::uint32_t value = word_.lock();
    const bool taken = line_.empty() && request.take(value);
    if (!taken) line_.push_back(request);
    word_.unlock(value, !line_.empty());
    return !taken;
  }
  /// True if the request stood in line and now does not; those behind it take what it held up.
  bool leave(line_request& request) noexcept {
    const std::uint32_t value = word_.lock();
    if (request.let_go_) {
      word_.unlock(value, !line_.empty());
      return false;
    }
    request.unlink();
    settle(value);
    return true;
  }
  /// Sets the value to `to(value)` and lets go, in their order, those who can take from it. `to` may be called again.
  template <class Change>
  void change(Change to) noexcept {
    const bool changed = word_.try_step([&](std::uint32_t& value) noexcept {
      value = to(value);
      return true;
    });
    if (!changed) settle(to(word_.lock()));
  }
  /// Lets go the first `count` of those in line, whatever the value.
  void let_go(std::size_t count) noexcept {
    if (!word_.busy()) return;
    const std::uint32_t value = word_.lock();
    intrusive_list<line_request> going;
    for (; count > 0 && !line_.empty(); --count) move_to(going);
    word_.unlock(value, !line_.empty());
    unpark(going);
  }

 private:
  /// With the lock, which it gives back.
  void settle(std::uint32_t value) noexcept {
    intrusive_list<line_request> going;
    while (!line_.empty() && line_.front()->take(value)) move_to(going);
    word_.unlock(value, !line_.empty());  // from here on the line may be gone
    unpark(going);
  }
  void move_to(intrusive_list<line_request>& going) noexcept {
    line_request* first = line_.pop_front();
    first->let_go_ = true;
    going.push_back(*first);
  }
  static void unpark(intrusive_list<line_request>& going) noexcept {
    while (line_request* each = going.pop_front()) each->parker_->unpark();
  }

  Word word_;
  intrusive_list<line_request> line_;
};

}  // namespace tide::detail
