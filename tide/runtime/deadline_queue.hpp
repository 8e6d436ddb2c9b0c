// Background work that is done in time and no sooner: a task queue whose shares follow deadlines and the progress that the
// work reports.
//
//   tide::deadline_queue flushing(executor, "flush");
//   tide::deadline_work job(flushing, bytes, tide::clock::now() + 10s);   // so many units until then
//   scope.spawn_into(flushing.queue(), flush, std::ref(job));         // which calls job.progress(written) now and then
//
// Where an even share of the time would do the work in a burst and disturb what is urgent, this gives as much as is needed:
// the pace is looked at again and again, and shares are raised or lowered until what is left is done when the time is over.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <tide/base/intrusive_list.hpp>
#include <tide/runtime/executor.hpp>

namespace tide {

class deadline_queue;
class deadline_work;

/// What decides: shares by the pace that is needed and the pace that there is.
class deadline_control {
 public:
  /// The shares from `now` on; asked again and again, with the clock going forward.
  [[nodiscard]] unsigned shares_at(clock::time_point now) noexcept;

 private:
  friend class deadline_work;
  [[nodiscard]] double needed(clock::time_point now) noexcept;

  intrusive_list<deadline_work> works_;
  std::uint64_t done_ = 0;  // since shares were asked for
  clock::time_point asked_;
  bool pace_known_ = false;
  double shares_ = 0;
};

/// One piece of work: it counts until it is done, or goes. On the executor's thread.
class deadline_work : public list_hook {
 public:
  deadline_work(deadline_queue& in, std::uint64_t units, clock::time_point deadline) noexcept;
  deadline_work(deadline_control& under, std::uint64_t units, clock::time_point deadline) noexcept;
  /// So many units are done, beyond those that were.
  void progress(std::uint64_t units) noexcept;
  [[nodiscard]] std::uint64_t left() const noexcept { return left_; }
  [[nodiscard]] clock::time_point deadline() const noexcept { return deadline_; }

 private:
  friend class deadline_control;
  deadline_control& control_;
  std::uint64_t left_;
  clock::time_point deadline_;
  std::optional<clock::time_point> planned_;  // the end, with some time in hand; since it was looked at first
};

/// On the executor's thread. Works go before it does.
class deadline_queue {
 public:
  /// `adjust_every`: how often the pace is looked at; a small part of the times that works are given.
  deadline_queue(executor& home, std::string name, std::chrono::nanoseconds adjust_every = std::chrono::milliseconds(50));
  deadline_queue(const deadline_queue&) = delete;
  deadline_queue& operator=(const deadline_queue&) = delete;
  /// Its task queue goes too, if no task is in it; else that stays, with the least shares.
  ~deadline_queue();

  [[nodiscard]] task_queue& queue() noexcept { return queue_; }

 private:
  friend class deadline_work;
  std::shared_ptr<deadline_control> control_;
  task_queue& queue_;
};

}  // namespace tide
