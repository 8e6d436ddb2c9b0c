#include <tide/runtime/detail/frame_cache.hpp>

namespace tide::detail {

frame_cache::~frame_cache() {
  for (free_list& list : lists_) {
    while (list.first != nullptr) {
      free_block* block = list.first;
      list.first = block->next;
      ::operator delete(block);
    }
  }
}

void* frame_cache::make(std::size_t bytes) { return ::operator new((class_of(bytes) + 1) * step); }

}  // namespace tide::detail
