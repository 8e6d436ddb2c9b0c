// The queues of one executor and the part of its run loop that gives them their turns.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <tide/base/result.hpp>
#include <tide/runtime/detail/share_scheduler.hpp>
#include <tide/runtime/detail/ticks.hpp>
#include <tide/runtime/task_queue.hpp>

namespace tide::detail {

class task_queues {
 public:
  task_queues(executor& home, std::chrono::nanoseconds quantum, tick_clock::source nanoseconds);

  [[nodiscard]] task_queue& standard() noexcept { return *all_.front(); }
  [[nodiscard]] task_queue& running() noexcept { return *running_; }
  task_queue& make(queue_options wanted);
  result<> remove(task_queue& which);

  /// True if no coroutine can go on.
  [[nodiscard]] bool idle() const noexcept { return alone_ ? all_.front()->ready_.empty() : shares_.idle(); }
  /// Lets coroutines go on: all that can and a little more, but for at most a quantum and what the last few of them take.
  void run() {
    if (!alone_) return run_by_shares();
    if (!all_.front()->ready_.empty()) run_alone();
  }
  /// Completions come next, whose coroutines may go on at once: their time begins with the first question.
  void begin_completions() noexcept { slice_end_ = not_begun; }
  /// Takes completions by take(count), which says how many it has taken, until there are no more or a quantum is over: the
  /// rest waits for the next turn. Mostly there are few, and then the clock is not looked at.
  template <class Take>
  void run_completions(Take take) {
    begin_completions();
    std::uint64_t before = 0;
    while (true) {
      const bool last = take(at_once_) < at_once_;
      if (last && before == 0) return;
      const std::uint64_t now = clock_.now();
      if (before != 0) look_at_completions(now - before);
      if (slice_end_ == not_begun) slice_end_ = now + quantum_;
      if (last || now >= slice_end_) return;
      before = now;
    }
  }
  /// True once the running coroutine has used up its time, or somebody of the latency class waits.
  [[nodiscard]] bool need_preempt() noexcept {
    const std::uint64_t now = clock_.now();
    if (slice_end_ == not_begun) [[unlikely]]
      slice_end_ = now + quantum_;
    return now >= slice_end_;
  }
  [[nodiscard]] std::size_t tasks() const noexcept;
  [[nodiscard]] std::chrono::nanoseconds run_time(const task_queue& of) const noexcept;

  // Around a run of the executor.
  void begin_run() noexcept { run_since_ = clock_.thread_time(); }
  void end_run() noexcept { ran_before_ = ran(), run_since_.reset(); }
  /// The executor's CPU time in its runs.
  [[nodiscard]] std::chrono::nanoseconds ran() const noexcept {
    return ran_before_ + (run_since_ ? clock_.thread_time() - *run_since_ : std::chrono::nanoseconds(0));
  }

 private:
  friend class tide::task_queue;
  static constexpr std::uint64_t not_begun = ~std::uint64_t{0};
  static constexpr unsigned most_stride = 16;
  static constexpr std::size_t most_at_once = 16;

  void run_alone();
  void run_by_shares();
  void run_slice(task_queue& queue, std::uint64_t now, std::uint64_t brief_end);
  void look_again(task_queue& queue, std::uint64_t passed) noexcept;
  void look_at_completions(std::uint64_t passed) noexcept {
    if (passed > quantum_ / 8) {
      at_once_ = 1;
    } else if (at_once_ < most_at_once) {
      at_once_ *= 2;
    }
  }
  void wake(task_queue& queue) noexcept;
  void adjust(task_queue& queue, std::uint64_t now) noexcept;
  void settle() noexcept;  // after a queue has come or gone

  executor& home_;
  tick_clock clock_;
  std::chrono::nanoseconds longest_;  // a turn, as the executor was made
  std::uint64_t quantum_ = 0;         // ticks of a turn, with the queues' latencies
  std::uint64_t slice_ = 0;           // ticks until another queue gets its turn
  std::uint64_t brief_;               // ticks of a turn of those who go on again and again
  std::uint64_t slice_end_ = not_begun;
  std::size_t at_once_ = most_at_once;  // completions between two looks at the clock
  bool alone_ = true;                   // there is only the standard queue
  task_queue* running_ = nullptr;
  share_scheduler shares_;
  std::vector<std::unique_ptr<task_queue>> all_;  // the standard one first
  std::chrono::nanoseconds ran_before_{0};        // the present run
  std::optional<std::chrono::nanoseconds> run_since_;
  std::chrono::nanoseconds ran_alone_{0};    // up to alone_since_
  std::chrono::nanoseconds alone_since_{0};  // of ran(), when alone_ last changed
};

}  // namespace tide::detail
