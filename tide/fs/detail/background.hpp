// A read or write that goes on while its owner does something else, as streams need them.
//
//   background_ptr reading(new background);
//   reading->start(what, std::move(memory), changed);     // notifies `changed` when it is done
//   while (!reading->done()) co_await changed.wait();
//
// Who lets go of the pointer before it is done abandons it: it is asked to end, and frees itself and its memory when the
// kernel has let go. So neither streams nor their frames have to wait for their reads.
#pragma once

#include <memory>
#include <utility>

#include <tide/fs/aligned.hpp>
#include <tide/fs/operations.hpp>
#include <tide/sync/local.hpp>

namespace tide::fs::detail {

class background final : public ring::operation {
 public:
  background() noexcept = default;
  /// Again after it was done, too. `memory` is at least as large as what is moved. On the executor's thread, in a task.
  void start(const transfer& what, aligned_buffer memory, local::condition& changed);
  [[nodiscard]] bool done() const noexcept { return !in_flight(); }
  /// Once it is done, in a task: whose queue has done it.
  [[nodiscard]] result<std::size_t> collect() const noexcept;
  [[nodiscard]] std::uint64_t offset() const noexcept { return what_.offset(); }
  [[nodiscard]] std::size_t size() const noexcept { return what_.size(); }
  /// Once it is done, and no more after that.
  [[nodiscard]] aligned_buffer take_memory() noexcept { return std::move(memory_); }

  struct abandoning {
    void operator()(background* one) const noexcept { one->abandon(); }
  };

 private:
  void complete(ring::completion said) noexcept override;
  void abandon() noexcept;

  transfer what_{{}, way::read, extent::some, 0, nullptr, 0};
  aligned_buffer memory_;
  local::condition* changed_ = nullptr;  // nullptr: abandoned
  executor* home_ = nullptr;             // and no queue: it may be removed first
  std::int32_t last_ = 0;
};

using background_ptr = std::unique_ptr<background, background::abandoning>;

}  // namespace tide::fs::detail
