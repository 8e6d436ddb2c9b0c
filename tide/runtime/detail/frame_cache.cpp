#include <tide/runtime/detail/frame_cache.hpp>

#include <new>

#include <tide/runtime/executor.hpp>

namespace tide::detail {
namespace {

// A cache would hide a use after free from the sanitizers, so under them every frame is its own allocation.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool caching = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool caching = false;
#else
constexpr bool caching = true;
#endif
#else
constexpr bool caching = true;
#endif

constexpr std::size_t round_up(std::size_t bytes) noexcept { return (bytes + 63) & ~std::size_t{63}; }

}  // namespace

frame_cache::~frame_cache() {
  for (free_list& list : lists_) {
    while (list.first != nullptr) {
      free_block* block = list.first;
      list.first = block->next;
      ::operator delete(block);
    }
  }
}

void* frame_cache::allocate(std::size_t bytes) {
  const std::size_t size_class = (bytes - 1) / step;
  if (size_class < classes) {
    free_list& list = lists_[size_class];
    if (free_block* block = list.first) {
      list.first = block->next;
      --list.length;
      return block;
    }
  }
  return ::operator new(round_up(bytes));
}

void frame_cache::release(void* block, std::size_t bytes) noexcept {
  const std::size_t size_class = (bytes - 1) / step;
  if (size_class >= classes || lists_[size_class].length >= kept_per_class) return ::operator delete(block);
  free_list& list = lists_[size_class];
  list.first = ::new (block) free_block{list.first};
  ++list.length;
}

void* allocate_frame(std::size_t bytes) {
  if constexpr (caching) {
    if (executor* here = executor::current()) return here->frames().allocate(bytes);
  }
  return ::operator new(round_up(bytes));
}

void release_frame(void* block, std::size_t bytes) noexcept {
  if constexpr (caching) {
    if (executor* here = executor::current()) return here->frames().release(block, bytes);
  }
  ::operator delete(block);
}

}  // namespace tide::detail
