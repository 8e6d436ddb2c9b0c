// Whoever waits, seen by the one who lets it go on: a coroutine of this executor or another, or a thread.
//
//   parker& waiting = …;   waiting.unpark();      // once; the waiter and its memory may be gone when it returns
#pragma once

#include <atomic>
#include <cassert>
#include <coroutine>
#include <cstdint>

#include <tide/runtime/executor.hpp>

namespace tide::detail {

class parker {
 public:
  parker() noexcept = default;
  parker(const parker&) = delete;
  parker& operator=(const parker&) = delete;
  virtual void unpark() noexcept = 0;

 protected:
  ~parker() = default;
};

/// A coroutine whose executor's thread is the only one that unparks it.
class local_parker final : public parker {
 public:
  void park(std::coroutine_handle<> caller, task_queue& queue) noexcept {
    caller_ = caller;
    queue_ = &queue;
  }
  void unpark() noexcept override {
    assert(executor::current() == &queue_->home() && "what waits here belongs to another executor");
    queue_->schedule(caller_);
  }
  void unpark_here() noexcept { unpark(); }

 private:
  std::coroutine_handle<> caller_;
  task_queue* queue_ = nullptr;
};

/// A coroutine that any thread unparks: by its run queue from its own executor, through the mailbox from elsewhere. Nothing
/// is allocated: the entry is in the coroutine's frame. A coroutine that waits keeps its executor from ending, so the
/// executor is there until the post; the mailbox is held beyond that.
class task_parker final : public parker, private mailbox_entry {
 public:
  void park(std::coroutine_handle<> caller, task_queue& queue) noexcept {
    caller_ = caller;
    queue_ = &queue;
  }
  void unpark() noexcept override;
  /// The same on the coroutine's own thread.
  void unpark_here() noexcept { queue_->schedule(caller_); }

 private:
  void run() override { queue_->schedule(caller_); }
  void dropped() noexcept override {}
  std::coroutine_handle<> caller_;
  task_queue* queue_ = nullptr;
};

/// The thread that made it.
class thread_parker final : public parker {
 public:
  /// Sleeps until it is unparked; false if the deadline came first.
  bool park(clock::time_point deadline) noexcept;
  void unpark() noexcept override;

 private:
  static constexpr std::uint32_t running = 0;
  static constexpr std::uint32_t asleep = 1;
  static constexpr std::uint32_t unparked = 2;
  [[nodiscard]] const std::uint32_t* word() const noexcept;
  std::atomic<std::uint32_t> state_{running};
};

}  // namespace tide::detail
