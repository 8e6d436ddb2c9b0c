// Memory for coroutine frames: a free list for each size class, kept by the executor, so that a call costs no malloc.
#pragma once

#include <array>
#include <cstddef>
#include <new>

namespace tide::detail {

// A cache would hide a use after free from the sanitizers, so under them every frame is its own allocation.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool frames_are_cached = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool frames_are_cached = false;
#else
inline constexpr bool frames_are_cached = true;
#endif
#else
inline constexpr bool frames_are_cached = true;
#endif

/// One thread. Blocks come from operator new one by one, so a block may be freed through any cache, or none.
class frame_cache {
 public:
  frame_cache() noexcept = default;
  frame_cache(const frame_cache&) = delete;
  frame_cache& operator=(const frame_cache&) = delete;
  ~frame_cache();

  // Inline, as the size of a frame is known where it is made: its list is then found by no more than an offset.
  [[nodiscard]] void* allocate(std::size_t bytes) {
    const std::size_t size_class = class_of(bytes);
    if (size_class < classes) [[likely]] {
      free_list& list = lists_[size_class];
      if (free_block* block = list.first) [[likely]] {
        list.first = block->next;
        --list.length;
        return block;
      }
    }
    return make(bytes);
  }
  void release(void* block, std::size_t bytes) noexcept {
    const std::size_t size_class = class_of(bytes);
    if (size_class >= classes || lists_[size_class].length >= kept_per_class) [[unlikely]]
      return ::operator delete(block);
    free_list& list = lists_[size_class];
    list.first = ::new (block) free_block{list.first};
    ++list.length;
  }
  /// One that any cache can take.
  [[nodiscard]] static void* make(std::size_t bytes);

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
  static constexpr std::size_t class_of(std::size_t bytes) noexcept { return (bytes - 1) / step; }
  std::array<free_list, classes> lists_;
};

}  // namespace tide::detail
