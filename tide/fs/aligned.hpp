// Memory that devices can write into, from a pool of the executor: aligned_buffer has one owner, slices share what was read.
//
//   auto page = tide::fs::aligned_buffer::make(4096).value();            // an io_buffer
//   auto [size, back] = co_await file.read_at(8192, std::move(page));
//
//   auto record = co_await file.read(100, 50);                           // result<slice>, however the file is aligned
//   keep(record->first(10));                                             // the same memory, counted
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include <tide/base/bytes.hpp>
#include <tide/base/result.hpp>

namespace tide::fs {

namespace detail {

struct aligned_block;
void give_back(aligned_block* block) noexcept;
aligned_block* share(aligned_block* block) noexcept;

}  // namespace detail

class slice;

/// Models io_buffer. Lies in the executor's registered memory as long as that has room
/// (executor::options::registered_memory), and transfers are cheaper for it. Goes back to the pool of the executor on whose
/// thread it was made, or to the heap if it ends elsewhere. What it holds at first is not cleared.
class aligned_buffer {
 public:
  static constexpr std::size_t page = 4096;

  aligned_buffer() noexcept = default;
  /// Of so many bytes, at an address that `alignment` (a power of two) divides. std::errc::not_enough_memory. Allocates only
  /// while the pool has none of that size; above 1 MiB always.
  static result<aligned_buffer> make(std::size_t size, std::size_t alignment = page);
  aligned_buffer(aligned_buffer&& other) noexcept
      : block_(std::exchange(other.block_, nullptr)),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  aligned_buffer& operator=(aligned_buffer&& other) noexcept {
    std::swap(block_, other.block_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~aligned_buffer() {
    if (block_ != nullptr) detail::give_back(block_);
  }

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::byte* begin() const noexcept { return data_; }
  [[nodiscard]] std::byte* end() const noexcept { return data_ + size_; }
  [[nodiscard]] std::size_t capacity() const noexcept;
  /// At most capacity(); more counts as that.
  void resize(std::size_t size) noexcept;
  /// Gives up the ownership: nobody writes into it any more.
  [[nodiscard]] slice share() &&;

 private:
  detail::aligned_block* block_ = nullptr;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Some bytes of a buffer that many may hold. Copies share; may end on any thread, also after its executor.
class slice {
 public:
  slice() noexcept = default;
  slice(const slice& other) noexcept
      : block_(other.block_ == nullptr ? nullptr : detail::share(other.block_)), bytes_(other.bytes_) {}
  slice(slice&& other) noexcept : block_(std::exchange(other.block_, nullptr)), bytes_(std::exchange(other.bytes_, {})) {}
  slice& operator=(slice other) noexcept {
    std::swap(block_, other.block_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~slice() {
    if (block_ != nullptr) detail::give_back(block_);
  }

  [[nodiscard]] bytes_view bytes() const noexcept { return bytes_; }
  [[nodiscard]] const std::byte* data() const noexcept { return bytes_.data(); }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
  [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }
  [[nodiscard]] const std::byte* begin() const noexcept { return bytes_.data(); }
  [[nodiscard]] const std::byte* end() const noexcept { return bytes_.data() + bytes_.size(); }
  /// `count` bytes from `offset` on, or as many as there are.
  [[nodiscard]] slice part(std::size_t offset, std::size_t count) const noexcept;
  [[nodiscard]] slice first(std::size_t count) const noexcept { return part(0, count); }
  /// Forgets the first `count` bytes, at most size().
  void remove_prefix(std::size_t count) noexcept { bytes_ = bytes_.subspan(count); }

 private:
  friend class aligned_buffer;
  slice(detail::aligned_block* block, bytes_view bytes) noexcept : block_(block), bytes_(bytes) {}
  detail::aligned_block* block_ = nullptr;
  bytes_view bytes_;
};

}  // namespace tide::fs
