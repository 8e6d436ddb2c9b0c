#include <tide/fs/aligned.hpp>

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <new>

#include <tide/runtime/executor.hpp>
#include <tide/runtime/registered_memory.hpp>

namespace tide::fs {
namespace detail {

class aligned_pool;

/// A huge page that large blocks share: a device is told of one piece of memory where small pages are 256 to the megabyte,
/// each of them pinned by itself, and more than many devices take in one request.
struct aligned_slab {
  static constexpr std::size_t size = std::size_t{2} << 20U;
  std::byte* memory = nullptr;
  std::atomic<std::size_t> blocks{0};  // the last one to go, on any thread, takes it along
};

struct aligned_block {
  std::byte* data = nullptr;
  std::size_t capacity = 0;
  std::size_t alignment = 0;
  aligned_pool* home = nullptr;         // compared only
  aligned_block* next = nullptr;        // in the pool
  registered_buffer registered;         // if data is in it
  aligned_slab* slab = nullptr;         // the same
  std::atomic<std::size_t> holders{1};  // slices go to other threads
};

namespace {

constexpr std::size_t smallest = aligned_buffer::page;
constexpr std::size_t largest = std::size_t{1} << 20U;
constexpr std::size_t classes = std::countr_zero(largest) - std::countr_zero(smallest) + 1;

constexpr std::size_t shares_slab = std::size_t{128} << 10U;

void leave(aligned_slab* slab) noexcept {
  if (--slab->blocks != 0) return;
  ::operator delete(slab->memory, std::align_val_t(aligned_slab::size));
  delete slab;
}

aligned_slab* create_slab() noexcept {
  auto* const made = new (std::nothrow) aligned_slab;
  if (made == nullptr) return nullptr;
  made->memory =
      static_cast<std::byte*>(::operator new(aligned_slab::size, std::align_val_t(aligned_slab::size), std::nothrow));
  if (made->memory == nullptr) {
    delete made;
    return nullptr;
  }
  ::madvise(made->memory, aligned_slab::size, MADV_HUGEPAGE);  // if there are none, small ones do
  return made;
}

void destroy(aligned_block* block) noexcept {
  if (block->slab != nullptr) {
    leave(block->slab);
  } else if (block->registered.data() == nullptr) {
    ::operator delete(block->data, std::align_val_t(block->alignment));
  }
  delete block;
}

aligned_block* create(std::size_t capacity, std::size_t alignment) noexcept {
  auto* const made = new (std::nothrow) aligned_block;
  if (made == nullptr) return nullptr;
  made->data = static_cast<std::byte*>(::operator new(capacity, std::align_val_t(alignment), std::nothrow));
  made->capacity = capacity;
  made->alignment = alignment;
  if (made->data != nullptr) return made;
  delete made;
  return nullptr;
}

/// nullptr if there is none left.
aligned_block* create_in(registered_memory& memory, std::size_t capacity) noexcept {
  auto piece = memory.allocate(capacity);
  auto* const made = piece ? new (std::nothrow) aligned_block : nullptr;
  if (made == nullptr) return nullptr;
  made->registered = std::move(*piece);
  made->data = made->registered.data();
  made->capacity = capacity;
  return made;
}

aligned_block* create_in(aligned_slab& slab, std::size_t offset, std::size_t capacity) noexcept {
  auto* const made = new (std::nothrow) aligned_block;
  if (made == nullptr) return nullptr;
  made->slab = &slab;
  made->data = slab.memory + offset;
  made->capacity = capacity;
  ++slab.blocks;
  return made;
}

constexpr std::size_t class_of(std::size_t capacity) noexcept {
  return static_cast<std::size_t>(std::countr_zero(capacity) - std::countr_zero(smallest));
}

}  // namespace

/// Blocks by powers of two, first those that were used last.
class aligned_pool final : public executor_service {
 public:
  explicit aligned_pool(executor& home) noexcept : home_(home) {}
  aligned_pool(const aligned_pool&) = delete;
  aligned_pool& operator=(const aligned_pool&) = delete;
  ~aligned_pool() override {
    for (aligned_block* first : free_) {
      while (first != nullptr) destroy(std::exchange(first, first->next));
    }
  }

  aligned_block* take(std::size_t capacity) noexcept {
    aligned_block*& first = free_[class_of(capacity)];
    if (first == nullptr) grow(capacity);
    if (first == nullptr) return nullptr;
    kept_ -= capacity;
    return std::exchange(first, first->next);
  }
  void put(aligned_block* block) noexcept {
    if (kept_ + block->capacity > most_kept) return destroy(block);
    keep(block);
  }

 private:
  void keep(aligned_block* block) noexcept {
    kept_ += block->capacity;
    aligned_block*& first = free_[class_of(block->capacity)];
    block->next = std::exchange(first, block);
  }
  void add(aligned_block* made) noexcept {
    if (made == nullptr) return;
    made->home = this;
    keep(made);
  }
  void grow(std::size_t capacity) noexcept {
    if (registered_memory* registered = home_.registered()) {
      if (aligned_block* const made = create_in(*registered, capacity)) return add(made);
    }
    if (capacity < shares_slab) return add(create(capacity, aligned_buffer::page));
    aligned_slab* const slab = create_slab();
    if (slab == nullptr) return;
    ++slab->blocks;  // until all are made
    for (std::size_t at = 0; at < aligned_slab::size; at += capacity) add(create_in(*slab, at, capacity));
    leave(slab);
  }

  static constexpr std::size_t most_kept = std::size_t{16} << 20U;  // bytes
  executor& home_;
  std::array<aligned_block*, classes> free_{};
  std::size_t kept_ = 0;
};

aligned_block* share(aligned_block* block) noexcept {
  ++block->holders;
  return block;
}

void give_back(aligned_block* block) noexcept {
  if (block->holders != 1) {  // alone, nobody else can change it
    if (--block->holders != 0) return;
    block->holders = 1;
  }
  executor* const here = block->home == nullptr ? nullptr : executor::current();
  aligned_pool* const pool = here == nullptr ? nullptr : here->used<aligned_pool>();
  // A pool at the address of one that has ended may have the block as well.
  if (pool != nullptr && pool == block->home) return pool->put(block);
  destroy(block);
}

}  // namespace detail

result<aligned_buffer> aligned_buffer::make(std::size_t size, std::size_t alignment) {
  executor* const here = executor::current();
  const bool pooled = here != nullptr && size <= detail::largest && alignment <= page;
  const std::size_t capacity = std::max(size, detail::smallest);
  aligned_buffer made;
  made.block_ = pooled ? here->use<detail::aligned_pool>().take(std::bit_ceil(capacity))
                       : detail::create(capacity, std::max(alignment, page));
  if (made.block_ == nullptr) return fail_errno(ENOMEM);
  made.data_ = made.block_->data;
  made.size_ = size;
  return made;
}

std::size_t aligned_buffer::capacity() const noexcept { return block_ == nullptr ? 0 : block_->capacity; }
void aligned_buffer::resize(std::size_t size) noexcept { size_ = std::min(size, capacity()); }

slice aligned_buffer::share() && {
  const bytes_view bytes(data_, size_);
  data_ = nullptr;
  size_ = 0;
  return {std::exchange(block_, nullptr), bytes};
}

slice slice::part(std::size_t offset, std::size_t count) const noexcept {
  slice made(*this);
  const std::size_t from = std::min(offset, bytes_.size());
  made.bytes_ = bytes_.subspan(from, std::min(count, bytes_.size() - from));
  return made;
}

}  // namespace tide::fs
