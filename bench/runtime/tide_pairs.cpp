// Two executors: messages left in each other's mailboxes.
#include <coroutine>
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <tide/runtime/executor.hpp>
#include <tide/runtime/scope.hpp>
#include <tide/runtime/task.hpp>

#include "harness/machine.hpp"
#include "runtime/rungs.hpp"

namespace bench {
namespace {

std::unique_ptr<tide::executor> make_executor(std::chrono::nanoseconds spin) {
  return tide::executor::create({.spin_before_park = spin}).value();
}

/// co_await: waits until end() is called on the same thread.
class until_ended {
 public:
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> self) noexcept {
    queue_ = &self.promise().node().queue();
    self_ = self;
  }
  void await_resume() const noexcept {}
  void end() { queue_->schedule(self_); }

 private:
  tide::task_queue* queue_ = nullptr;
  std::coroutine_handle<> self_;
};

/// An executor on a thread of the other core, for as long as this lives.
class elsewhere {
 public:
  explicit elsewhere(std::chrono::nanoseconds spin) {
    std::promise<tide::executor_handle> made;
    auto there = made.get_future();
    thread_ = std::jthread([this, spin, made = std::move(made)]() mutable {
      const auto executor = make_executor(spin);  // before the thread has one core: with one it would not spin
      pin_to(other_core);
      executor->run([&](tide::scope&) -> tide::task<> {
        made.set_value(executor->handle());
        co_await ended_;
      });
    });
    handle_.emplace(there.get());
  }
  elsewhere(const elsewhere&) = delete;
  elsewhere& operator=(const elsewhere&) = delete;
  ~elsewhere() {
    static_cast<void>(handle_->post([this] { ended_.end(); }));
  }
  [[nodiscard]] const tide::executor_handle& handle() const { return *handle_; }

 private:
  until_ended ended_;
  std::optional<tide::executor_handle> handle_;
  std::jthread thread_;
};

class message : public tide::detail::mailbox_entry {
 private:
  void run() override {}
  void dropped() noexcept override {}
};
class plain_message final : public message {};

/// co_await: to the other executor and back. Used again and again.
class trip {
 public:
  trip(const tide::executor_handle& there, const tide::executor_handle& here) : there_(there), out_(here, back_) {}
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> self) noexcept {
    back_.queue = &self.promise().node().queue();
    back_.self = self;
    static_cast<void>(there_.post(out_));
  }
  void await_resume() const noexcept {}

 private:
  struct coming_back final : message {
    void run() override { queue->schedule(self); }
    tide::task_queue* queue = nullptr;
    std::coroutine_handle<> self;
  };
  struct going_out final : message {
    going_out(const tide::executor_handle& to, coming_back& with) : here(to), back(with) {}
    void run() override { static_cast<void>(here.post(back)); }
    const tide::executor_handle& here;
    coming_back& back;
  };
  const tide::executor_handle& there_;
  coming_back back_;
  going_out out_;
};

struct executor_pair {
  explicit executor_pair(std::chrono::nanoseconds spin) : here(make_executor(spin)), there(spin) {}
  std::unique_ptr<tide::executor> here;
  elsewhere there;
  tide::executor_handle handle = here->handle();
};

}  // namespace

side tide_trips(std::chrono::nanoseconds spin) {
  return [both = std::make_shared<executor_pair>(spin)](std::chrono::nanoseconds length) {
    return both->here->run([&](tide::scope&) -> tide::task<window> {
      trip once(both->there.handle(), both->handle);
      co_await once;
      const stopwatch watch;
      double done = 0;
      for (; watch.within(length); done += 20) {
        for (int i = 0; i < 20; ++i) co_await once;
      }
      co_return watch.finish(done);
    });
  };
}

side tide_stream(std::chrono::nanoseconds spin) {
  return [both = std::make_shared<executor_pair>(spin)](std::chrono::nanoseconds length) {
    return both->here->run([&](tide::scope&) -> tide::task<window> {
      std::vector<plain_message> messages(stream_batch);
      trip once(both->there.handle(), both->handle);
      co_await once;
      const stopwatch watch;
      double done = 0;
      for (; watch.within(length); done += stream_batch) {
        for (plain_message& each : messages) static_cast<void>(both->there.handle().post(each));
        co_await once;  // they have been run: each may be sent again
      }
      co_return watch.finish(done);
    });
  };
}

}  // namespace bench
