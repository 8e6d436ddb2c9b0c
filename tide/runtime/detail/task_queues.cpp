#include <tide/runtime/detail/task_queues.hpp>

#include <algorithm>
#include <system_error>
#include <utility>

#include <tide/runtime/executor.hpp>

namespace tide::detail {
namespace {

constexpr std::chrono::nanoseconds brief = std::chrono::microseconds(5);
constexpr std::size_t most_repeats = 1024;  // of those who go on again and again, should the clock stand still
constexpr unsigned slices = 4;              // of a quantum, when several queues want it

}  // namespace

task_queues::task_queues(executor& home, std::chrono::nanoseconds quantum, tick_clock::source nanoseconds)
    : home_(home),
      clock_(nanoseconds),
      longest_(std::max<std::chrono::nanoseconds>(quantum, std::chrono::microseconds(1))),
      brief_(clock_.ticks(brief)),
      shares_(clock_.ticks(2 * longest_)) {
  all_.push_back(std::unique_ptr<task_queue>(new task_queue(home, *this, {.name = "default"})));
  running_ = all_.front().get();
  settle();
}

task_queue& task_queues::make(queue_options wanted) {
  all_.push_back(std::unique_ptr<task_queue>(new task_queue(home_, *this, std::move(wanted))));
  settle();
  return *all_.back();
}

result<> task_queues::remove(task_queue& which) {
  const auto found = std::ranges::find(all_, &which, &std::unique_ptr<task_queue>::get);
  if (found == all_.begin() || found == all_.end()) return fail(std::make_error_code(std::errc::invalid_argument));
  if (which.tasks_ != 0 || !which.ready_.empty()) return fail(std::make_error_code(std::errc::device_or_resource_busy));
  shares_.forget(which);
  all_.erase(found);
  settle();
  return {};
}

void task_queues::settle() noexcept {
  const bool before = std::exchange(alone_, all_.size() == 1);
  auto turn = longest_;
  for (const auto& each : all_) {
    if (each->urgent()) turn = std::min(turn, each->latency());
  }
  quantum_ = clock_.ticks(turn);
  slice_ = std::max<std::uint64_t>(quantum_ / slices, 1);
  task_queue& first = standard();
  if (before == alone_ && first.alone_ == alone_) return;
  first.alone_ = alone_;
  if (alone_) {
    shares_.forget(first);
    first.listed_ = true;  // for good: it is not looked for
  } else {
    ran_alone_ += ran() - alone_since_;
    first.listed_ = false;
    if (!first.ready_.empty()) wake(first);
  }
  alone_since_ = ran();
}

std::chrono::nanoseconds task_queues::run_time(const task_queue& of) const noexcept {
  const auto in_turns = clock_.time(of.ran_);
  if (&of != all_.front().get()) return in_turns;
  return in_turns + ran_alone_ + (alone_ ? ran() - alone_since_ : std::chrono::nanoseconds(0));
}

std::size_t task_queues::tasks() const noexcept {
  std::size_t sum = 0;
  for (const auto& each : all_) sum += each->tasks_;
  return sum;
}

void task_queues::wake(task_queue& queue) noexcept {
  queue.listed_ = true;
  shares_.wake(queue);
  if (queue.urgent() && !running_->urgent()) slice_end_ = 0;  // now
}

void task_queues::adjust(task_queue& queue, std::uint64_t now) noexcept {
  queue.next_adjust_ = now + clock_.ticks(queue.wanted_.adjust_every);
  try {
    queue.set_shares(queue.wanted_.adjust());
  } catch (...) {
    home_.report(std::current_exception());
  }
}

void task_queues::run_alone() {
  const std::uint64_t now = clock_.now();
  slice_end_ = now + quantum_;
  run_slice(standard(), now, now + brief_);
  if (!alone_) ran_alone_ += ran() - alone_since_;  // another queue was made meanwhile: the rest of this turn
}

void task_queues::run_by_shares() {
  std::uint64_t now = clock_.now();
  const std::uint64_t brief_end = now + brief_;
  while (share_entity* next = shares_.next()) {
    task_queue& queue = static_cast<task_queue&>(*next);
    if (queue.next_adjust_ <= now) adjust(queue, now);
    slice_end_ = now + (shares_.only(queue) ? quantum_ : slice_);
    running_ = &queue;
    if (!queue.ready_.empty()) run_slice(queue, now, brief_end);
    const std::uint64_t began = std::exchange(now, clock_.now());
    const std::uint64_t ticks = now - began;
    running_ = &standard();
    queue.ran_ += ticks;
    if (alone_) return;  // the other queues have gone meanwhile
    queue.listed_ = !queue.ready_.empty();
    shares_.ran(queue, ticks + 1, queue.listed_);
    if (now >= brief_end) return;
  }
}

/// Ends when the queue is empty, the slice is over, or those who were there had their turn and it took more than nothing.
void task_queues::run_slice(task_queue& queue, std::uint64_t now, std::uint64_t brief_end) {
  const std::size_t present = queue.ready_.size();
  std::size_t done = 0;
  unsigned until_look = queue.stride_;
  while (true) {
    queue.ready_.pop().resume();
    ++done;
    if (queue.ready_.empty() || slice_end_ == 0) break;
    if (--until_look != 0) continue;
    const std::uint64_t before = std::exchange(now, clock_.now());
    look_again(queue, now - before);
    if (now >= slice_end_ || (done >= present && (now >= brief_end || done >= most_repeats))) break;
    until_look = queue.stride_;
  }
  queue.turns_ += done;
}

/// Looking at the clock costs more than going on with a coroutine. So it is done for every so many of them; for each of
/// them once they turn out to take long.
void task_queues::look_again(task_queue& queue, std::uint64_t passed) noexcept {
  if (passed > brief_ * 4) {
    queue.stride_ = 1;
  } else if (passed < brief_ && queue.stride_ < most_stride) {
    queue.stride_ *= 2;
  }
}

}  // namespace tide::detail
