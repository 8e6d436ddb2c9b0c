// Something that one coroutine waits for and another, or posted work, sets. Cannot be cancelled.
//
//   support::event done;   …  done.set();   …  co_await done;
#pragma once

#include <coroutine>
#include <utility>

#include <tide/runtime/executor.hpp>

namespace support {

/// One executor's thread, one that waits.
class event {
 public:
  void set() {
    set_ = true;
    if (waiting_) queue_->schedule(std::exchange(waiting_, {}));
  }
  [[nodiscard]] bool await_ready() const noexcept { return set_; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> self) noexcept {
    queue_ = &self.promise().node().queue();
    waiting_ = self;
  }
  void await_resume() const noexcept {}

 private:
  tide::task_queue* queue_ = nullptr;
  std::coroutine_handle<> waiting_;
  bool set_ = false;
};

}  // namespace support
