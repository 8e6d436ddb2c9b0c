// Task queues: parts of an executor's work that share its time by weights.
//
//   tide::task_queue& background = executor.make_queue({.name = "compaction", .shares = 50});
//   tide::task_queue& control = executor.make_queue({.name = "control", .latency = 200us});
//   scope.spawn_into(background, compact, std::ref(table));    // it, and everything it calls and spawns
//
// Between queues whose tasks can run, time is given by shares: one with 200 gets twice what one with 100 gets. Inside a
// queue it is first in, first out. A queue with a latency is looked at before the others as long as it stays near its
// shares, and makes the executor look for completions at least that often. What a queue did not use is not saved up.
#pragma once

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include <tide/runtime/detail/ready_queue.hpp>
#include <tide/runtime/detail/share_scheduler.hpp>

namespace tide {

class executor;
namespace detail {
class task_queues;
}

struct queue_options {
  std::string name = {};
  unsigned shares = 100;  ///< 1…1000; what is out of range counts as the nearest
  /// Not 0: looked at first, and completions at least this often. Above the executor's quantum it only means the former.
  std::chrono::nanoseconds latency{0};
  /// Dynamic shares: asked on the executor's thread before the queue runs, but at most every `adjust_every`. An exception
  /// goes to executor::report and leaves the shares as they are.
  std::function<unsigned()> adjust = {};
  std::chrono::nanoseconds adjust_every = std::chrono::milliseconds(250);
};

struct queue_statistics {
  std::chrono::nanoseconds run_time{0};  ///< of the default queue, while there is no other: the executor's CPU time
  std::uint64_t turns = 0;               ///< times that a coroutine went on
  std::uint64_t spawned = 0;             ///< tasks since the start
  std::uint64_t io_operations = 0;       ///< that ended, well or not
  std::uint64_t io_bytes = 0;            ///< that they moved
};

/// Owned by its executor, from make_queue to remove_queue. All calls on the executor's thread.
class task_queue : public detail::share_entity {
 public:
  task_queue(const task_queue&) = delete;
  task_queue& operator=(const task_queue&) = delete;

  [[nodiscard]] std::string_view name() const noexcept { return wanted_.name; }
  [[nodiscard]] std::chrono::nanoseconds latency() const noexcept { return wanted_.latency; }
  /// Tasks spawned into it that have not ended.
  [[nodiscard]] std::size_t tasks() const noexcept { return tasks_; }
  [[nodiscard]] queue_statistics statistics() const noexcept;
  [[nodiscard]] executor& home() const noexcept { return home_; }

  // For those who write awaitables.
  /// Lets the coroutine go on at a turn of this queue.
  void schedule(std::coroutine_handle<> coroutine) {
    ready_.push(coroutine);
    if (!listed_) list();
  }
  /// The same from where a coroutine may be resumed (a completion, posted work): at once if there is no other queue.
  void resume(std::coroutine_handle<> coroutine) {
    if (!alone_) return schedule(coroutine);
    ++turns_;
    coroutine.resume();
  }
  void count_operation(std::size_t bytes) noexcept {
    ++io_operations_;
    io_bytes_ += bytes;
  }
  void count_bytes(std::size_t bytes) noexcept { io_bytes_ += bytes; }

 private:
  friend class detail::task_queues;
  friend class scope;

  task_queue(executor& home, detail::task_queues& all, queue_options wanted);
  void list();

  executor& home_;
  detail::task_queues& all_;
  detail::ready_queue ready_;
  bool alone_ = false;   // there is no other queue
  bool listed_ = false;  // waits for its turn, or need not
  unsigned stride_ = 1;  // coroutines between two looks at the clock
  std::size_t tasks_ = 0;
  std::uint64_t turns_ = 0;
  std::uint64_t spawned_ = 0;
  std::uint64_t io_operations_ = 0;
  std::uint64_t io_bytes_ = 0;
  std::uint64_t ran_ = 0;      // ticks
  std::uint64_t next_adjust_;  // ticks
  const queue_options wanted_;
};

}  // namespace tide
