#include <tide/runtime/task_queue.hpp>

#include <utility>

#include <tide/runtime/detail/task_queue_settings.hpp>
#include <tide/runtime/detail/task_queues.hpp>

namespace tide {

task_queue::task_queue(executor& home, detail::task_queues& all, queue_options wanted)
    : home_(home), all_(all), settings_(std::make_unique<settings>(settings{std::move(wanted)})) {
  set_shares(settings_->wanted.shares);
  urgent_ = settings_->wanted.latency.count() > 0;
}

task_queue::~task_queue() = default;

std::string_view task_queue::name() const noexcept { return settings_->wanted.name; }
std::chrono::nanoseconds task_queue::latency() const noexcept { return settings_->wanted.latency; }

queue_statistics task_queue::statistics() const noexcept {
  return {.run_time = all_.run_time(*this),
          .turns = turns_,
          .spawned = spawned_,
          .io_operations = io_operations_,
          .io_bytes = io_bytes_};
}

void task_queue::list() { all_.wake(*this); }

}  // namespace tide
