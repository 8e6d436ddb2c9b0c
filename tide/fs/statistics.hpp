// What an executor's files did in this run: beside the operations and bytes of each task queue (task_queue::statistics).
//
//   const auto& done = executor.use<tide::fs::statistics>().count();
//   if (done.opened - done.closed > 100) …
#pragma once

#include <cstdint>

#include <tide/runtime/executor.hpp>

namespace tide::fs {

struct counters {
  std::uint64_t opened = 0;
  std::uint64_t closed = 0;
  std::uint64_t reads = 0;  ///< that ended, well or not; one that goes on after a short result counts once
  std::uint64_t read_bytes = 0;
  std::uint64_t writes = 0;
  std::uint64_t written_bytes = 0;
  std::uint64_t shared_reads = 0;  ///< of sealed files, that another one's read answered
  std::uint64_t merged_reads = 0;  ///< ranges of read_many that came with their neighbour
};

/// One a run of an executor; on its thread.
class statistics final : public executor_service {
 public:
  explicit statistics(executor& /*home*/) noexcept {}
  [[nodiscard]] const counters& count() const noexcept { return count_; }
  [[nodiscard]] counters& count() noexcept { return count_; }

 private:
  counters count_;
};

}  // namespace tide::fs
