// Memory from the kernel with one owner: the pool's one mapping, its process-local table, the page that knows of fork().
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <tide/base/result.hpp>

namespace tide::pool_detail {

/// A range of address space, unmapped when the owner goes. Never moves.
class memory {
 public:
  /// The file from offset 0, shared with every other process. `size` may lie far behind the end of the file: pages come into
  /// being as the file grows, in place and without a call; touching one earlier is SIGBUS, so callers check block numbers.
  [[nodiscard]] static result<memory> shared(int fd, std::uint64_t size);
  /// Zeros of this process alone; takes memory only where it is touched.
  [[nodiscard]] static result<memory> zeros(std::uint64_t size);
  /// As zeros, but a child of fork() finds zeros again whatever the parent wrote.
  [[nodiscard]] static result<memory> zeros_again_after_fork(std::uint64_t size);

  memory() noexcept = default;
  memory(memory&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  memory& operator=(memory&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~memory();

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

  /// Waits until the bytes [offset, offset + length) of a shared mapping are on the disk.
  [[nodiscard]] result<> sync(std::uint64_t offset, std::uint64_t length) const;
  /// Maps the pages of a range that exist in one call instead of one fault each. Only makes what follows faster.
  void populate(std::uint64_t offset, std::uint64_t length, bool for_writing) const noexcept;

 private:
  memory(std::byte* data, std::uint64_t size) noexcept : data_(data), size_(size) {}
  [[nodiscard]] static result<memory> map(int fd, std::uint64_t size, int flags);

  std::byte* data_ = nullptr;
  std::uint64_t size_ = 0;
};

/// The object of type T whose bytes begin at `at`.
template <class T>
[[nodiscard]] T* object_at(std::byte* at) noexcept {
  // SAFETY: T is an implicit-lifetime type (the callers' concepts and static_asserts see to it) in memory that mmap gave,
  // which is storage for objects of any such type; format.hpp and the block's alignment put `at` on a multiple of
  // alignof(T).
  return reinterpret_cast<T*>(at);
}

}  // namespace tide::pool_detail
