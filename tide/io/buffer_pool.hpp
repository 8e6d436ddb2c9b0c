// Receive buffers of an executor that the kernel picks from, and the chunk that holds one until it is done with.
//
//   auto chunk = co_await stream.receive();       // result<chunk>
//   use(chunk->bytes());                          // the memory goes back when the chunk goes
//
// A chunk may be moved to another thread and may outlive its executor; its memory stays until it goes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include <tide/base/bytes.hpp>
#include <tide/base/intrusive_list.hpp>
#include <tide/base/result.hpp>
#include <tide/ring/buffer_ring.hpp>
#include <tide/runtime/executor.hpp>
#include <tide/runtime/lease_ledger.hpp>

namespace tide {

namespace detail {
class buffer_store;

/// Where the memory of a chunk goes back to.
class chunk_source {
 public:
  /// Any thread.
  virtual void give_back(std::uint16_t number) noexcept = 0;

 protected:
  ~chunk_source() = default;
};

}  // namespace detail

/// Bytes that the kernel received into a pooled buffer. Move-only. Empty: the end of the stream.
class chunk {
 public:
  chunk() noexcept = default;
  chunk(detail::chunk_source& from, std::uint16_t number, bytes_span bytes) noexcept
      : source_(&from), bytes_(bytes), number_(number) {}
  chunk(chunk&& other) noexcept
      : source_(std::exchange(other.source_, nullptr)), bytes_(std::exchange(other.bytes_, {})), number_(other.number_) {}
  chunk& operator=(chunk&& other) noexcept {
    std::swap(source_, other.source_);
    std::swap(bytes_, other.bytes_);
    std::swap(number_, other.number_);
    return *this;
  }
  ~chunk() {
    if (source_ != nullptr) source_->give_back(number_);
  }
  /// The same bytes in memory of their own, outside any pool; empty if there is no memory for them.
  [[nodiscard]] static chunk copy_of(bytes_view bytes) noexcept;

  [[nodiscard]] bytes_span bytes() const noexcept { return bytes_; }
  [[nodiscard]] bytes_span::iterator begin() const noexcept { return bytes_.begin(); }
  [[nodiscard]] bytes_span::iterator end() const noexcept { return bytes_.end(); }
  [[nodiscard]] std::byte* data() const noexcept { return bytes_.data(); }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
  [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }
  /// Forgets the first `count` bytes, at most size().
  void remove_prefix(std::size_t count) noexcept { bytes_ = bytes_.subspan(count); }

 private:
  detail::chunk_source* source_ = nullptr;
  bytes_span bytes_;
  std::uint16_t number_ = 0;
};

/// Something that waits for a buffer to come back.
class starved : public list_hook {
 public:
  /// There are buffers: try again, and wait again if others were faster. Called once a turn at most, from the run loop.
  virtual void buffers_returned() noexcept = 0;

 protected:
  ~starved() = default;
};

/// Something that holds buffers with bytes that nobody has asked for yet.
class hoarder : public list_hook {
 public:
  /// The pool is dry: move the bytes elsewhere and give the buffers back.
  virtual void give_up_buffers() noexcept = 0;

 protected:
  ~hoarder() = default;
};

/// The pool of one executor: executor.use<buffer_pool>().
class buffer_pool final : public executor_service {
 public:
  static constexpr unsigned default_count = 1024;
  static constexpr std::size_t default_size = 16384;  ///< bytes; memory is touched only as far as it is filled

  explicit buffer_pool(executor& home);
  buffer_pool(const buffer_pool&) = delete;
  buffer_pool& operator=(const buffer_pool&) = delete;
  ~buffer_pool() override;

  /// What went wrong when the pool was made, if anything did.
  [[nodiscard]] const result<>& status() const noexcept { return status_; }
  [[nodiscard]] std::uint16_t group() const noexcept;
  /// Wraps what a completion with a picked buffer gave.
  [[nodiscard]] chunk adopt(std::uint16_t number, std::size_t size) noexcept;
  /// Calls waiting.buffers_returned() once buffers are free; unlink to give up.
  void wait(starved& waiting) noexcept;
  /// Names one that can be asked for its buffers when the pool runs dry; until it is asked, or unlinked.
  void may_ask(hoarder& holding) noexcept;

 private:
  void turn() noexcept override;
  detail::buffer_store* store_ = nullptr;  // outlives the pool while chunks are out
  result<> status_;
};

}  // namespace tide
