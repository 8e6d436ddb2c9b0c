// One thread, one ring, one run loop: what every task runs on.
//
//   auto executor = tide::executor::create({}).value();
//   int code = executor->run([](tide::scope& scope) -> tide::task<int> { … co_return 0; });
//
// tide::run (run.hpp) does both in one call. Another thread reaches an executor through its handle:
//
//   tide::executor_handle there = executor->handle();
//   there.post([] { … runs on the executor's thread … });
#pragma once

#include <cassert>
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tide/base/cpu_set.hpp>
#include <tide/base/result.hpp>
#include <tide/ring/ring.hpp>
#include <tide/runtime/cancellation.hpp>
#include <tide/runtime/detail/frame_cache.hpp>
#include <tide/runtime/detail/heartbeat.hpp>
#include <tide/runtime/detail/mailbox.hpp>
#include <tide/runtime/detail/spin.hpp>
#include <tide/runtime/detail/task_queues.hpp>
#include <tide/runtime/stall.hpp>
#include <tide/runtime/timer.hpp>

namespace tide {

namespace detail {
class stall_watch;
}
class registered_memory;
class scope;
template <class T>
class task;

/// Names an executor from any thread; copies are cheap. An executor that has ended is recognised: calls do nothing.
class executor_handle {
 public:
  /// Runs `work` on the executor's thread, in the order of the posts of each thread; false if the executor has ended. Work
  /// that throws ends the run of the executor with that exception.
  bool post(std::move_only_function<void()> work) const { return box_->post(std::move(work)); }
  /// The same without an allocation, for those who write awaitables: see detail::mailbox_entry. An executor whose coroutine
  /// waits cannot end, so a post on behalf of one that waits succeeds.
  bool post(detail::mailbox_entry& entry) const noexcept { return box_->post(entry); }
  /// Calls `function(arguments…)`, which gives a task<>, on the executor: in the root scope of its run, or of its next one.
  /// Both are kept by value until the task ends; hand over a reference with std::ref. False, with everything dropped, if the
  /// executor has ended. Any thread; takes no lock; allocates one node here and the frame there.
  template <class F, class... Arguments>
  bool spawn(F&& function, Arguments&&... arguments) const;
  /// Makes the executor look around once.
  void wake() const noexcept { box_->wake(); }

 private:
  friend class executor;
  explicit executor_handle(std::shared_ptr<detail::mailbox> box) noexcept : box_(std::move(box)) {}
  std::shared_ptr<detail::mailbox> box_;
};

/// Something that an executor owns one of, made at first use: a buffer pool, a thread pool. Ends after the last task and the
/// last completion, and before the ring.
class executor_service {
 public:
  virtual ~executor_service() = default;
  /// Looked at once a turn; for what other threads have given back.
  virtual void turn() noexcept {}
};

class executor {
 public:
  struct options {
    ring::options ring{};  ///< depth of the queues, features to leave out
    std::string name{};    ///< of the thread while it runs the executor; the kernel keeps 15 bytes. Empty: as it is
    cpu_set cpus{};        ///< the thread stays on these while it runs the executor. Empty: as it is
    /// With nothing to do, look for work at most so long before sleeping. What is looked for in fact follows what waits are
    /// like (detail/spin.hpp). Trades CPU time for latency; 0 where a cgroup rations CPU time, or with one CPU.
    std::chrono::nanoseconds spin_before_park{0};
    bool poll_files = false;  ///< make polled_ring()
    /// Bytes of memory to pin for the rings (registered_memory.hpp), at most 1 GiB; 0: none. They count against
    /// RLIMIT_MEMLOCK, once for each ring.
    std::size_t registered_memory = 0;
    /// With tasks to run, completions and timers are looked at at least this often.
    std::chrono::nanoseconds quantum = std::chrono::milliseconds(1);
    /// For tests: counts the tasks' time in nanoseconds in place of the processor's counter.
    std::uint64_t (*task_clock)() noexcept = nullptr;
    stall_options stalls = {};  ///< who watches for tasks that take too long (stall.hpp)
    /// Takes the exceptions that have no other receiver: of detached tasks, of join handles that were dropped. On the
    /// executor's thread; nothing else is disturbed. Without one, the first of them ends the run and comes out of it.
    std::function<void(std::exception_ptr)> on_exception = {};
  };

  /// Errors: those of ring::open_kernel and registered_memory::create; cpu_refused for a CPU that the thread may not have.
  static result<std::unique_ptr<executor>> create(const options& wanted);
  executor(const executor&) = delete;
  executor& operator=(const executor&) = delete;
  ~executor();

  /// Runs `main`, a callable that takes scope& and returns task<T>, on this thread until it ends; then cancels, joins and
  /// drains everything else and returns T. Exceptions of tasks come out here. May be called again, by the same thread. In a
  /// child process, forked before or during the run, it throws std::system_error with errc::other_process; there, posts to
  /// the parent's executors return false. A child makes executors of its own.
  template <class F>
  auto run(F main);

  /// Any thread, at any time of the executor's life.
  [[nodiscard]] executor_handle handle() const noexcept { return executor_handle(box_); }
  /// The executor that runs on the calling thread, or nullptr.
  [[nodiscard]] static executor* current() noexcept { return current_; }
  /// On the executor's thread, while it runs: as scope::spawn, in the root scope. It may outlive whoever called; it is
  /// cancelled and joined when the run ends. What it throws goes to options::on_exception.
  template <class F, class... Arguments>
  void detach(F&& function, Arguments&&... arguments);
  /// On the executor's thread, while it runs: hands over an exception that has no other receiver.
  void report(std::exception_ptr error) noexcept;

  /// What it did so far. On the executor's thread, or while it does not run.
  struct counters {
    std::chrono::nanoseconds run_time{0};  ///< CPU time of its runs; asking makes a system call
    std::size_t tasks = 0;                 ///< spawned and not ended, now
    std::uint64_t turns = 0;               ///< of the run loop
    std::uint64_t parks = 0;               ///< times it went to sleep in the kernel
    std::uint64_t spin_hits = 0;           ///< looks for work before that which found some
    std::uint64_t spin_misses = 0;         ///< and which did not
    std::uint64_t messages = 0;            ///< wakes of other executors through the rings
  };
  [[nodiscard]] counters count() const noexcept;

  // Task queues (task_queue.hpp); on the executor's thread.
  /// Stays until remove_queue or the executor's end. With more than the default queue, completions wait for their queue's
  /// turn.
  task_queue& make_queue(queue_options wanted) { return queues_.make(std::move(wanted)); }
  /// std::errc::device_or_resource_busy while tasks are in it; std::errc::invalid_argument for the default queue.
  result<> remove_queue(task_queue& which) { return queues_.remove(which); }
  [[nodiscard]] task_queue& default_queue() noexcept { return queues_.standard(); }
  /// The queue whose task runs.
  [[nodiscard]] task_queue& current_queue() noexcept { return queues_.running(); }
  /// As tide::need_preempt (task.hpp).
  [[nodiscard]] bool need_preempt() noexcept { return queues_.need_preempt(); }

  // For those who write awaitables; on the executor's thread only.
  [[nodiscard]] ring::ring& ring() noexcept { return *ring_; }
  /// A second ring whose completions are polled for (ring::options::poll_devices): while it has operations in flight the
  /// executor does not sleep. nullptr without options::poll_files.
  [[nodiscard]] ring::ring* polled_ring() noexcept { return polled_.get(); }
  /// What options::registered_memory asked for; nullptr without.
  [[nodiscard]] registered_memory* registered() noexcept { return registered_.get(); }
  /// In the default queue. Awaitables use the queue of their node: node.queue().schedule(coroutine).
  void schedule(std::coroutine_handle<> coroutine) { queues_.standard().schedule(coroutine); }
  void arm(timer& one, clock::time_point deadline) noexcept {
    assert(current() == this && "a timer is armed on another executor than its own");
    timers_.arm(one, deadline);
  }
  void disarm(timer& one) noexcept { timers_.disarm(one); }
  /// Whether another executor can be woken through the rings, and the wake itself: a message to its ring, on its way when
  /// this returns. For detail::mailbox, which counts it as a sender.
  [[nodiscard]] bool can_message(const detail::mailbox& there) const noexcept;
  void message(std::shared_ptr<detail::mailbox> there) noexcept;
  [[nodiscard]] scope& root() noexcept { return *root_; }
  [[nodiscard]] const detail::heartbeat& heartbeat() const noexcept { return beat_; }
  [[nodiscard]] detail::frame_cache& frames() noexcept { return frames_; }
  /// This executor's one S, made by S(executor&) at first use.
  template <class S>
  S& use();
  /// The same if it has been made, else nullptr.
  template <class S>
  [[nodiscard]] S* used() const noexcept {
    return static_cast<S*>(find(service_key_of<S>()));
  }

 private:
  friend class guest;
  friend class scope;
  // The one piece of state that a thread has. Code that finds its address and is then continued on another thread would use
  // the wrong one: coroutines move only where they suspend, which ends the function, and fibers stay on their thread.
  static constinit thread_local executor* current_;
  class wake_operation;
  class message_operation;
  struct running {  // marks the thread's current executor for the time of a run
    explicit running(executor& here) noexcept;
    ~running();
    executor* before;
  };

  executor(std::unique_ptr<ring::ring> made, const options& wanted);
  template <class Ended>
  void turn_until(Ended ended);
  void exchange_with_kernel();
  void park();
  bool spin();
  [[nodiscard]] std::chrono::nanoseconds until_timer() const noexcept;
  void run_main(task<void> main, const bool& done);
  void begin(task<void> main);
  void turn();
  // The thread is the executor's from here on, and somebody else's again.
  void enter() noexcept;
  void leave() noexcept;
  void join_root();
  void await_wake();
  template <class Loop>
  void guarded(Loop loop);
  void work_threw();  // in a catch block
  void finish();
  void drain() noexcept;
  void empty_rings() noexcept;
  static void empty(ring::ring& which) noexcept;
  [[noreturn]] void abandon();
  template <class S>
  static const void* service_key_of() noexcept {
    static constexpr char key = 0;
    return &key;
  }
  executor_service* find(const void* key) const noexcept;
  void keep(const void* key, std::unique_ptr<executor_service> made);

  std::unique_ptr<ring::ring> ring_;
  std::unique_ptr<ring::ring> polled_;
  std::unique_ptr<registered_memory> registered_;
  std::string name_;
  cpu_set cpus_;
  detail::spin_budget spin_;
  clock::time_point idle_since_;  // set while spin_ is enabled
  std::chrono::nanoseconds looked_{0};
  std::uint64_t turns_ = 0;
  std::uint64_t parks_ = 0;
  std::uint64_t messages_ = 0;
  int messages_under_way_ = 0;
  bool turning_ = false;                          // the ring will be looked at again
  std::unique_ptr<message_operation> messaging_;  // those that are not in flight, a list
  std::shared_ptr<detail::mailbox> box_;
  std::unique_ptr<wake_operation> wake_;
  detail::frame_cache frames_;
  detail::task_queues queues_;
  timer_set timers_;
  struct service_entry {
    const void* key;
    std::unique_ptr<executor_service> made;
  };
  std::vector<service_entry> services_;
  std::unique_ptr<scope> root_;
  std::exception_ptr failed_;  // thrown by posted work, which belongs to no task
  std::function<void(std::exception_ptr)> on_exception_;
  detail::heartbeat beat_;
  stall_options stalls_;
  std::unique_ptr<detail::stall_watch> watch_;  // during a run
};

template <class S>
S& executor::use() {
  if (S* found = used<S>()) return *found;
  auto made = std::make_unique<S>(*this);
  S& service = *made;
  keep(service_key_of<S>(), std::move(made));
  return service;
}

namespace detail {

// Memory of a coroutine frame, for promise types: from the cache of the thread's executor, else from operator new.
[[nodiscard]] inline void* allocate_frame(std::size_t bytes) {
  if constexpr (frames_are_cached) {
    if (executor* const here = executor::current()) [[likely]]
      return here->frames().allocate(bytes);
  }
  return frame_cache::make(bytes);
}
inline void release_frame(void* block, std::size_t bytes) noexcept {
  if constexpr (frames_are_cached) {
    if (executor* const here = executor::current()) [[likely]]
      return here->frames().release(block, bytes);
  }
  ::operator delete(block);
}

}  // namespace detail

}  // namespace tide
