// The memory of a copy between two streams that lend none: from a small store of the executor, and counted where the copies'
// options say so.
//
//   auto buffer = co_await copy_buffer::take(session);      // result<copy_buffer>, goes back when it goes
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include <tide/base/bytes.hpp>
#include <tide/base/result.hpp>
#include <tide/io/detail/copy_session.hpp>
#include <tide/runtime/executor.hpp>
#include <tide/runtime/task.hpp>
#include <tide/sync/semaphore.hpp>

namespace tide::detail {

/// Keeps a few buffers of the usual size for the next copies.
class copy_buffers final : public executor_service {
 public:
  using memory = std::unique_ptr<std::byte[]>;
  static constexpr std::size_t usual = std::size_t{64} * 1024;
  static constexpr std::size_t kept = 64;

  explicit copy_buffers(executor&) { free_.reserve(kept); }
  [[nodiscard]] memory take(std::size_t size) {
    if (size != usual || free_.empty()) return std::make_unique_for_overwrite<std::byte[]>(size);
    memory last = std::move(free_.back());
    free_.pop_back();
    return last;
  }
  void give_back(memory buffer, std::size_t size) noexcept {
    if (size == usual && free_.size() < kept) free_.push_back(std::move(buffer));  // within what is reserved
  }

 private:
  std::vector<memory> free_;
};

class copy_buffer {
 public:
  copy_buffer() noexcept = default;
  copy_buffer(copy_buffer&& other) noexcept
      : from_(std::exchange(other.from_, nullptr)),
        memory_(std::move(other.memory_)),
        size_(std::exchange(other.size_, 0)),
        permit_(std::move(other.permit_)) {}
  copy_buffer& operator=(copy_buffer&& other) noexcept {
    release();
    from_ = std::exchange(other.from_, nullptr);
    memory_ = std::move(other.memory_);
    size_ = std::exchange(other.size_, 0);
    permit_ = std::move(other.permit_);
    return *this;
  }
  ~copy_buffer() { release(); }

  /// Waits for memory if there is a budget and it is spent.
  [[nodiscard]] static task<result<copy_buffer>> take(copy_session& session) {
    copy_buffer made;
    const std::size_t size = session.options().buffer;
    if (semaphore* const budget = session.options().memory; budget != nullptr) {
      auto permit = co_await budget->acquire(static_cast<std::uint32_t>(size));
      if (!permit) co_return fail(permit.error());
      made.permit_ = std::move(*permit);
    }
    made.from_ = &session.home().use<copy_buffers>();
    made.memory_ = made.from_->take(size);
    made.size_ = size;
    co_return made;
  }

  [[nodiscard]] explicit operator bool() const noexcept { return size_ > 0; }
  [[nodiscard]] bytes_span bytes() const noexcept { return {memory_.get(), size_}; }

 private:
  void release() noexcept {
    if (from_ != nullptr) from_->give_back(std::move(memory_), size_);
    from_ = nullptr;
    size_ = 0;
    permit_.release();
  }
  copy_buffers* from_ = nullptr;
  copy_buffers::memory memory_;
  std::size_t size_ = 0;
  semaphore::permit permit_;
};

}  // namespace tide::detail
