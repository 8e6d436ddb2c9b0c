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
}

/// Bytes that the kernel received into a pooled buffer. Move-only. Empty: the end of the stream.
class chunk {
 public:
  chunk() noexcept = default;
  chunk(detail::buffer_store& from, std::uint16_t number, std::size_t size) noexcept;
  chunk(chunk&& other) noexcept
      : store_(std::exchange(other.store_, nullptr)), bytes_(std::exchange(other.bytes_, {})), number_(other.number_) {}
  chunk& operator=(chunk&& other) noexcept {
    std::swap(store_, other.store_);
    std::swap(bytes_, other.bytes_);
    std::swap(number_, other.number_);
    return *this;
  }
  ~chunk();

  [[nodiscard]] bytes_span bytes() const noexcept { return bytes_; }
  [[nodiscard]] bytes_span::iterator begin() const noexcept { return bytes_.begin(); }
  [[nodiscard]] bytes_span::iterator end() const noexcept { return bytes_.end(); }
  [[nodiscard]] std::byte* data() const noexcept { return bytes_.data(); }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
  [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }
  /// Forgets the first `count` bytes, at most size().
  void remove_prefix(std::size_t count) noexcept { bytes_ = bytes_.subspan(count); }

 private:
  detail::buffer_store* store_ = nullptr;
  bytes_span bytes_;
  std::uint16_t number_ = 0;
};

/// Something that waits for a buffer to come back.
class starved : public list_hook {
 public:
  /// Take it, or hand it on with buffer_pool::pass_on. Called in the middle of anything: must not resume a coroutine.
  virtual void buffer_returned() noexcept = 0;
  /// The descriptor is about to be closed; true if this waits for it no more.
  virtual bool descriptor_closed(int fd) noexcept = 0;

 protected:
  ~starved() = default;
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
  /// Calls waiting.buffer_returned() when a buffer comes back; unlink to give up.
  void wait(starved& waiting) noexcept;
  /// One that was told of a buffer did not take it: tells the next one.
  void pass_on() noexcept;
  /// Tells all that wait. Before close(2), as the number may soon be a stranger's.
  void descriptor_closed(int fd) noexcept;

 private:
  void turn() noexcept override;
  detail::buffer_store* store_ = nullptr;  // outlives the pool while chunks are out
  result<> status_;
};

}  // namespace tide
