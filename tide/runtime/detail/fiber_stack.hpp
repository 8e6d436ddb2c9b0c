// Stacks for fibers: mapped with a guard below, kept for reuse by the executor.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include <tide/runtime/detail/fiber_overflow.hpp>
#include <tide/runtime/executor.hpp>

namespace tide::detail {

/// A stack, described in its own topmost bytes. It has a context from the start: a loop that runs one fiber after another.
struct fiber_stack {
  void* context;             ///< where the next switch to it goes on
  std::byte* lowest;         ///< usable bytes begin here; the guard ends here
  std::size_t usable;        ///< as asked for, rounded up
  std::size_t mapped;        ///< with guard and description
  fiber_stack* next;         ///< in the pool's list
  void* thread_state;        ///< ThreadSanitizer's idea of the stack
  void* fake_frames;         ///< AddressSanitizer's, while the stack is left
  const void* outer_lowest;  ///< the stack that it was entered from, for AddressSanitizer
  std::size_t outer_usable;
  void* outer_state;  ///< and for ThreadSanitizer
};

enum class stack_guard {
  best,    ///< markers in the page table (MADV_GUARD_INSTALL, Linux 6.13) if there are any: they use no mapping up
  mapping  ///< a mapping without access: each stack takes two of vm.max_map_count
};

/// Throws std::bad_alloc if there is no memory, or no mapping, left.
[[nodiscard]] fiber_stack* map_stack(std::size_t bytes, stack_guard guard = stack_guard::best);
void unmap_stack(fiber_stack* stack) noexcept;
/// Whether an access to `address` hit the guard of `stack`.
[[nodiscard]] bool in_guard(const fiber_stack& stack, const void* address) noexcept;

/// The stacks that an executor keeps, last used first. Its thread only.
class fiber_stacks final : public executor_service {
 public:
  static constexpr std::size_t kept = 1024;  ///< of each size; more go back to the system

  explicit fiber_stacks(executor& home);
  ~fiber_stacks() override;
  [[nodiscard]] fiber_stack* take(std::size_t bytes);
  void give(fiber_stack* stack) noexcept;

 private:
  struct shelf {
    std::size_t bytes;
    fiber_stack* first = nullptr;
    std::size_t count = 0;
  };
  shelf* find(std::size_t bytes) noexcept;
  overflow_watch watch_;
  std::vector<shelf> shelves_;  // a program uses one or two sizes
};

}  // namespace tide::detail
