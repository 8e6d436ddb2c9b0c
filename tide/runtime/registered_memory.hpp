// Memory that the kernel pins once, when the executor is made, and not anew for each transfer: for direct file I/O above
// all.
//
//   auto executor = tide::executor::create({.registered_memory = 64 << 20}).value();
//   …  tide::result<tide::registered_buffer> buffer = executor.registered()->allocate(5000);
//      auto [size, back] = co_await file.read_at(std::move(*buffer), 0);      // models io_buffer: given, or lent
//
// For those who write operations: registered()->index_of(bytes) is the number for request::read_fixed, whoever holds the
// bytes. Where there is no registered memory, or not of this executor, there is no number and the plain request does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include <tide/base/bytes.hpp>
#include <tide/base/result.hpp>

namespace tide {

class executor;
namespace ring {
class ring;
}

namespace detail {
class registered_store;
}

/// A piece of registered memory, aligned to a page at least. Move-only; what was moved from is empty. It may go on any
/// thread and outlive its executor; its memory is then ordinary memory, which stays until the last of its buffers goes.
class registered_buffer {
 public:
  registered_buffer() noexcept = default;
  registered_buffer(registered_buffer&& other) noexcept
      : store_(std::exchange(other.store_, nullptr)),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  registered_buffer& operator=(registered_buffer&& other) noexcept {
    registered_buffer taken(std::move(other));
    std::swap(store_, taken.store_);
    std::swap(data_, taken.data_);
    std::swap(size_, taken.size_);
    std::swap(capacity_, taken.capacity_);
    return *this;
  }
  ~registered_buffer();

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  /// As many bytes as were asked for, or as resize() has set.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// Bytes that size() may reach: what was asked for, rounded up to 4 KiB times a power of two.
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] bytes_span bytes() const noexcept { return {data_, size_}; }
  [[nodiscard]] std::byte* begin() const noexcept { return data_; }
  [[nodiscard]] std::byte* end() const noexcept { return data_ + size_; }
  /// At most capacity(), else the call does nothing. The bytes stay as they are.
  void resize(std::size_t size) noexcept {
    if (size <= capacity_) size_ = size;
  }

 private:
  friend class detail::registered_store;
  registered_buffer(detail::registered_store& from, std::span<std::byte> whole, std::size_t size) noexcept
      : store_(&from), data_(whole.data()), size_(size), capacity_(whole.size()) {}

  detail::registered_store* store_ = nullptr;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

/// One region, given out in pieces. On the thread of its executor, which owns it.
class registered_memory {
 public:
  static constexpr std::size_t page = 4096;                  ///< bytes; every piece is aligned to that
  static constexpr std::size_t most = std::size_t{1} << 30;  ///< bytes of a region: the kernel's limit
  /// Rounds `bytes` up to pages and registers them with the rings. Errors: std::errc::invalid_argument for none or more
  /// than `most`; errc::no_memory_locked; std::errc::not_enough_memory.
  static result<std::unique_ptr<registered_memory>> create(executor& home, std::size_t bytes,
                                                           std::span<ring::ring* const> rings);
  registered_memory(const registered_memory&) = delete;
  registered_memory& operator=(const registered_memory&) = delete;
  ~registered_memory();

  /// At least `bytes`, not zeroed. Errors: errc::limit_exceeded if there is no piece of that size, now or ever;
  /// std::errc::invalid_argument for none.
  [[nodiscard]] result<registered_buffer> allocate(std::size_t bytes) noexcept;
  /// The number for request::read_fixed and its kin on the executor's rings, if all of `bytes` lies in here.
  [[nodiscard]] std::optional<std::uint16_t> index_of(bytes_view bytes) const noexcept;
  /// Bytes that are not given out, in pieces of any size.
  [[nodiscard]] std::size_t available() noexcept;

 private:
  explicit registered_memory(detail::registered_store& store) noexcept : store_(&store) {}
  detail::registered_store* store_;  // outlives this while buffers are out
};

}  // namespace tide
