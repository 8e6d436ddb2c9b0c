#include <tide/runtime/task_queue.hpp>

#include <utility>

#include <tide/runtime/detail/task_queues.hpp>

namespace tide {
namespace {

constexpr std::uint64_t never = ~std::uint64_t{0};

}  // namespace

task_queue::task_queue(executor& home, detail::task_queues& all, queue_options wanted)
    : home_(home), all_(all), next_adjust_(wanted.adjust ? 0 : never), wanted_(std::move(wanted)) {
  set_shares(wanted_.shares);
  urgent_ = wanted_.latency.count() > 0;
}

queue_statistics task_queue::statistics() const noexcept {
  return {.run_time = all_.run_time(*this),
          .turns = turns_,
          .spawned = spawned_,
          .io_operations = io_operations_,
          .io_bytes = io_bytes_};
}

void task_queue::list() { all_.wake(*this); }

}  // namespace tide
