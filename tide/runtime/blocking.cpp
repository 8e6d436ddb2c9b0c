#include <tide/runtime/blocking.hpp>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace tide::detail {

struct blocking_pool::shared_part {
  explicit shared_part(executor_handle handle) noexcept : home(std::move(handle)) {}

  void work() {
    std::unique_lock lock(guard);
    while (true) {
      ++idle;
      changed.wait(lock, [this] { return stopping || !queue.empty(); });
      --idle;
      if (stopping) return;
      std::shared_ptr<blocking_job> job = std::move(queue.front());
      queue.pop_front();
      room.notify_one();
      lock.unlock();
      job->run();
      // The job's last owner must be the executor's thread: the values in it may belong there.
      home.post([finished = std::move(job)] {
        if (finished->waiting != nullptr) finished->waiting->done();
      });
      lock.lock();
    }
  }

  executor_handle home;
  std::mutex guard;
  std::condition_variable changed;
  std::condition_variable room;
  std::deque<std::shared_ptr<blocking_job>> queue;
  std::vector<std::thread> threads;
  std::size_t idle = 0;
  bool stopping = false;
};

blocking_pool::blocking_pool(executor& home) : shared_(std::make_shared<shared_part>(home.handle())) {}

blocking_pool::~blocking_pool() {
  {
    const std::lock_guard lock(shared_->guard);
    shared_->stopping = true;
    shared_->queue.clear();
  }
  shared_->changed.notify_all();
  for (std::thread& each : shared_->threads) each.join();
}

void blocking_pool::submit(std::shared_ptr<blocking_job> job) {
  std::unique_lock lock(shared_->guard);
  // Back-pressure of the last resort: with a thousand calls waiting, the loop waits for a thread too.
  shared_->room.wait(lock, [this] { return shared_->queue.size() < most_queued; });
  if (shared_->idle <= shared_->queue.size() && shared_->threads.size() < most_threads) {
    try {
      shared_->threads.emplace_back([part = shared_.get()] { part->work(); });
    } catch (const std::system_error&) {  // no more threads for this process: those that are there must do
      if (shared_->threads.empty()) throw;
    }
  }
  shared_->queue.push_back(std::move(job));
  lock.unlock();
  shared_->changed.notify_one();
}

}  // namespace tide::detail
