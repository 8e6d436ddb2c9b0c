// Memory for coroutine frames: a free list for each size class, kept by the executor, so that a call costs no malloc.
#pragma once

#include <array>
#include <cstddef>

namespace tide::detail {

/// One thread. Blocks come from operator new one by one, so a block may be freed through any cache, or none.
class frame_cache {
 public:
  frame_cache() noexcept = default;
  frame_cache(const frame_cache&) = delete;
  frame_cache& operator=(const frame_cache&) = delete;
  ~frame_cache();

  [[nodiscard]] void* allocate(std::size_t bytes);
  void release(void* block, std::size_t bytes) noexcept;

 private:
  struct free_block {
    free_block* next;
  };
  struct free_list {
    free_block* first = nullptr;
    std::size_t length = 0;
  };
  static constexpr std::size_t step = 64;
  static constexpr std::size_t classes = 32;           // up to 2 KiB
  static constexpr std::size_t kept_per_class = 4096;  // at most 8 MiB a class, and only after so many lived at once
  std::array<free_list, classes> lists_;
};

/// For promise types: from the cache of the thread's executor, else from operator new.
[[nodiscard]] void* allocate_frame(std::size_t bytes);
void release_frame(void* block, std::size_t bytes) noexcept;

}  // namespace tide::detail
