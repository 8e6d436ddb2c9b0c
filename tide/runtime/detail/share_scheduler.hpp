// Who runs next: entities with shares, by virtual run time. What has run least for its shares goes first; entities of the
// latency class go before the others as long as they do not run far ahead of their shares.
//
//   scheduler.wake(one);
//   while (share_entity* next = scheduler.next()) { …run it…; scheduler.ran(*next, ticks, still_runnable); }
#pragma once

#include <cstddef>
#include <cstdint>

#include <tide/base/pairing_heap.hpp>

namespace tide::detail {

class share_scheduler;

class share_entity : public heap_hook {
 public:
  static constexpr unsigned least_shares = 1;
  static constexpr unsigned most_shares = 1000;

  [[nodiscard]] unsigned shares() const noexcept { return shares_; }
  /// Out of range: the nearest that is in it.
  void set_shares(unsigned wanted) noexcept {
    shares_ = wanted < least_shares ? least_shares : wanted > most_shares ? most_shares : wanted;
  }
  [[nodiscard]] bool urgent() const noexcept { return urgent_; }

 protected:
  ~share_entity() = default;
  bool urgent_ = false;  // of the latency class; set before the first wake

 private:
  friend class share_scheduler;
  // Ticks by shares. A double keeps enough of it: after ten years of running with one share it still tells 100 µs apart, and
  // there is no edge to wrap at.
  double virtual_ = 0;
  unsigned shares_ = 100;
};

class share_scheduler {
 public:
  /// `lead`: ticks of running by which the latency class may get ahead of its shares.
  explicit share_scheduler(std::uint64_t lead) noexcept : lead_(static_cast<double>(lead)) {}

  /// Has something to run from now on. What it did not use while it slept is not made up for.
  void wake(share_entity& one) noexcept {
    if (one.virtual_ < floor_) one.virtual_ = floor_;
    heap_of(one).push(one);
  }
  /// Whose turn it is, or nullptr.
  [[nodiscard]] share_entity* next() noexcept;
  /// What next() gave has run so long.
  void ran(share_entity& one, std::uint64_t ticks, bool goes_on) noexcept {
    forget(one);
    one.virtual_ += static_cast<double>(ticks) / one.shares_;
    if (goes_on) heap_of(one).push(one);
  }
  /// Takes out what will not run any more, if it is in.
  void forget(share_entity& one) noexcept {
    if (one.queued()) heap_of(one).erase(one);
  }
  /// True if nobody has anything to run.
  [[nodiscard]] bool idle() const noexcept { return urgent_.empty() && ordinary_.empty(); }
  /// True if nobody but this one has.
  [[nodiscard]] bool only(const share_entity& one) const noexcept;

 private:
  struct behind {
    bool operator()(const share_entity& a, const share_entity& b) const noexcept { return a.virtual_ < b.virtual_; }
  };
  using heap = pairing_heap<share_entity, behind>;
  heap& heap_of(const share_entity& one) noexcept { return one.urgent_ ? urgent_ : ordinary_; }

  heap urgent_;
  heap ordinary_;
  double floor_ = 0;  // the least that anybody who was chosen had: nobody begins below it
  double lead_;
};

}  // namespace tide::detail
