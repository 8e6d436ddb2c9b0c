#include <liburing.h>

#include <array>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "runtime/rungs.hpp"

namespace bench {
namespace {

/// The least that can call, spawn and yield: one size of frame on a free list, no exceptions, no cancelling.
class bare {
 public:
  struct promise_type {
    bare get_return_object() noexcept { return bare(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() noexcept { return {}; }
    struct at_end {
      bool await_ready() const noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> ended) const noexcept {
        return ended.promise().next;
      }
      void await_resume() const noexcept {}
    };
    at_end final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }
    static void* operator new(std::size_t bytes) {
      if (free_frames != nullptr && bytes <= frame_bytes) return std::exchange(free_frames, free_frames->next);
      return ::operator new(bytes < frame_bytes ? frame_bytes : bytes);
    }
    static void operator delete(void* frame) noexcept { free_frames = ::new (frame) free_frame{free_frames}; }
    std::coroutine_handle<> next = std::noop_coroutine();
  };

  explicit bare(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}
  bare(bare&& other) noexcept : frame_(std::exchange(other.frame_, {})) {}
  bare& operator=(bare&&) = delete;
  ~bare() {
    if (frame_) frame_.destroy();
  }
  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) const noexcept {
    frame_.promise().next = caller;
    return frame_;
  }
  void await_resume() const noexcept {}
  [[nodiscard]] std::coroutine_handle<> handle() const noexcept { return frame_; }

 private:
  struct free_frame {
    free_frame* next;
  };
  static constexpr std::size_t frame_bytes = 256;
  static inline free_frame* free_frames = nullptr;
  std::coroutine_handle<promise_type> frame_;
};

/// A ring of handles.
struct run_queue {
  void push(std::coroutine_handle<> one) noexcept { slots[tail++ % slots.size()] = one; }
  void run() {
    while (head != tail) slots[head++ % slots.size()].resume();
  }
  std::array<std::coroutine_handle<>, 1024> slots;
  std::size_t head = 0;
  std::size_t tail = 0;
};

struct bare_yield {
  run_queue& on;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> self) const noexcept { on.push(self); }
  void await_resume() const noexcept {}
};

bare nothing() { co_return; }
bare call_often() {
  for (int i = 0; i < batch; ++i) co_await nothing();
}
bare yield_often(run_queue& on) {
  for (int i = 0; i < batch; ++i) co_await bare_yield{on};
}

class raw_ring {
 public:
  raw_ring() {
    io_uring_params params{};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
    open_ = io_uring_queue_init_params(256, &ring_, &params) == 0;
    if (!open_) throw std::bad_alloc();
    io_uring_register_ring_fd(&ring_);
  }
  raw_ring(const raw_ring&) = delete;
  raw_ring& operator=(const raw_ring&) = delete;
  ~raw_ring() {
    if (open_) io_uring_queue_exit(&ring_);
  }
  void nops(int count) {
    for (int i = 0; i < count; ++i) io_uring_prep_nop(io_uring_get_sqe(&ring_));
    for (int left = count; left > 0;) {
      io_uring_submit_and_wait(&ring_, 1);
      unsigned head = 0;
      unsigned seen = 0;
      io_uring_cqe* each = nullptr;
      io_uring_for_each_cqe(&ring_, head, each)++ seen;
      io_uring_cq_advance(&ring_, seen);
      left -= static_cast<int>(seen);
    }
  }

 private:
  io_uring ring_{};
  bool open_ = false;
};

}  // namespace

side bare_calls() {
  return repeated([] {
    call_often().handle().resume();
    return batch;
  });
}

side bare_yields(int tasks) {
  return repeated([tasks, queue = std::make_shared<run_queue>()] {
    std::vector<bare> all;
    for (int i = 0; i < tasks; ++i) all.push_back(yield_often(*queue));
    for (const bare& each : all) queue->push(each.handle());
    queue->run();
    return tasks * batch;
  });
}

side bare_spawns() {
  return repeated([queue = std::make_shared<run_queue>()] {
    for (int i = 0; i < batch; ++i) {
      const bare one = nothing();
      queue->push(one.handle());
      queue->run();
    }
    return batch;
  });
}

side raw_nops(int at_a_time) {
  return repeated([at_a_time, ring = std::make_shared<raw_ring>()] {
    for (int done = 0; done < batch; done += at_a_time) ring->nops(at_a_time);
    return (batch + at_a_time - 1) / at_a_time * at_a_time;
  });
}

side clock_reads() {
  return repeated([] {
    long sum = 0;
    for (int i = 0; i < batch; ++i) sum += std::chrono::steady_clock::now().time_since_epoch().count();
    return sum == 0 ? 0 : batch;
  });
}

}  // namespace bench
