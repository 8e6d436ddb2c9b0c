#include <tide/runtime/detail/fiber_stack.hpp>

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <new>
#include <utility>

#include <tide/runtime/detail/fiber_switch.hpp>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

namespace tide::detail {
namespace {

constexpr std::size_t guard_pages = 4;  // a function that skips one page without a touch is no rarity

std::size_t page_size() noexcept {
  static const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

/// Whole pages, and enough of them for a fiber that calls something. 0 if there is no such number.
std::size_t rounded(std::size_t bytes) noexcept {
  const std::size_t page = page_size();
  return (std::max(bytes, 2 * page) + page - 1) & ~(page - 1);
}

constexpr std::size_t description = (sizeof(fiber_stack) + 63) & ~std::size_t{63};

}  // namespace

fiber_stack* map_stack(std::size_t bytes, stack_guard guard) {
  const std::size_t guarded = guard_pages * page_size();
  const std::size_t usable = rounded(bytes);
  const std::size_t whole = guarded + usable;
  if (usable == 0 || whole < usable) throw std::bad_alloc();
  // SAFETY: a fresh mapping of `whole` bytes, owned by the fiber_stack that is built at its top, until unmap_stack.
  void* const at =
      ::mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (at == MAP_FAILED) throw std::bad_alloc();
  // Adjacent stacks become one mapping, which must not be backed by huge pages (MAP_STACK says so itself from Linux 6.7 on).
  ::madvise(at, whole, MADV_NOHUGEPAGE);
  const bool marked = guard == stack_guard::best && ::madvise(at, guarded, MADV_GUARD_INSTALL) == 0;
  if (!marked && ::mprotect(at, guarded, PROT_NONE) != 0) {
    ::munmap(at, whole);
    throw std::bad_alloc();
  }
  auto* const lowest = static_cast<std::byte*>(at) + guarded;
  std::byte* const top = lowest + usable - description;
  auto* const made = ::new (top) fiber_stack{};
  made->lowest = lowest;
  made->usable = usable;
  made->mapped = whole;
  begin_stack(*made, top);
  return made;
}

void unmap_stack(fiber_stack* stack) noexcept {
  end_stack(*stack);
  ::munmap(stack->lowest + stack->usable - stack->mapped, stack->mapped);
}

bool in_guard(const fiber_stack& stack, const void* address) noexcept {
  const auto* const at = static_cast<const std::byte*>(address);
  return at < stack.lowest && at >= stack.lowest + stack.usable - stack.mapped;
}

fiber_stacks::fiber_stacks(executor&) {}

fiber_stacks::~fiber_stacks() {
  for (shelf& each : shelves_) {
    while (each.first != nullptr) unmap_stack(std::exchange(each.first, each.first->next));
  }
}

fiber_stacks::shelf* fiber_stacks::find(std::size_t bytes) noexcept {
  for (shelf& each : shelves_) {
    if (each.bytes == bytes) return &each;
  }
  return nullptr;
}

fiber_stack* fiber_stacks::take(std::size_t bytes) {
  shelf* const from = find(rounded(bytes));
  if (from == nullptr) shelves_.emplace_back(rounded(bytes));
  if (from == nullptr || from->first == nullptr) return map_stack(bytes);
  --from->count;
  return std::exchange(from->first, from->first->next);
}

void fiber_stacks::give(fiber_stack* stack) noexcept {
  shelf* const to = find(stack->usable);
  if (to == nullptr || to->count == kept) return unmap_stack(stack);
  ++to->count;
  stack->next = std::exchange(to->first, stack);
}

}  // namespace tide::detail
