#include <tide/runtime/detail/fiber_switch.hpp>

#include <cxxabi.h>

#include <algorithm>
#include <cassert>
#include <stdexcept>
#include <utility>

#include <tide/runtime/detail/fiber_core.hpp>
#include <tide/runtime/detail/fiber_stack.hpp>

#if defined(__SANITIZE_ADDRESS__)
#define TIDE_FIBER_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define TIDE_FIBER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TIDE_FIBER_ASAN 1
#elif __has_feature(thread_sanitizer)
#define TIDE_FIBER_TSAN 1
#endif
#endif

#if defined(TIDE_FIBER_ASAN)
#include <sanitizer/asan_interface.h>
#elif defined(TIDE_FIBER_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

namespace tide::detail {
namespace {

namespace context = boost::context::detail;

// Which fiber's stack the thread stands on. Read through functions that are never inlined: a fiber may go on on another
// thread, and a compiler may keep the address of a thread's variable across a switch.
constinit thread_local fiber_core* running = nullptr;

// A fiber that ends goes on with who waits for it by a tail call, where the compiler makes one; else that one waits its
// turn.
#if defined(__OPTIMIZE__)
constexpr bool may_tail_call = tail_calls;
#else
constexpr bool may_tail_call = false;
#endif

}  // namespace

/// Everything that knows what a context is.
struct fiber_switch {
  /// Runs the fiber until it waits or ends.
  static void enter(fiber_core& fiber) noexcept {
    fiber_stack& stack = *fiber.stack_;
    fiber_core* const outer = std::exchange(running, &fiber);
    swap_exceptions(fiber);
#if defined(TIDE_FIBER_ASAN)
    void* fake_frames = nullptr;
    __sanitizer_start_switch_fiber(&fake_frames, stack.lowest, stack.usable);
#elif defined(TIDE_FIBER_TSAN)
    stack.outer_state = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(stack.thread_state, 0);
#endif
    // SAFETY: the context is where this stack was left last, or its beginning, and nobody else enters it: a fiber is resumed
    // by one at a time, as any coroutine. The same holds of the way back, to the resumer that waits here.
    stack.context = context::jump_fcontext(stack.context, &fiber).fctx;
#if defined(TIDE_FIBER_ASAN)
    __sanitizer_finish_switch_fiber(fake_frames, nullptr, nullptr);
#endif
    swap_exceptions(fiber);
    running = outer;
  }

  /// Back to who resumed the fiber; returns when somebody does so again, with the context of that one.
  static context::transfer_t leave(fiber_core& fiber) {
#if defined(TIDE_FIBER_ASAN)
    fiber_stack& stack = *fiber.stack_;
    __sanitizer_start_switch_fiber(&stack.fake_frames, stack.outer_lowest, stack.outer_usable);
    // SAFETY: see enter.
    const context::transfer_t entered = context::jump_fcontext(fiber.resumer_, nullptr);
    __sanitizer_finish_switch_fiber(stack.fake_frames, &stack.outer_lowest, &stack.outer_usable);
    return entered;
#else
#if defined(TIDE_FIBER_TSAN)
    __tsan_switch_to_fiber(fiber.stack_->outer_state, 0);
#endif
    // SAFETY: see enter.
    return context::jump_fcontext(fiber.resumer_, nullptr);
#endif
  }

  /// The bottom of every stack: one fiber after another, so that a stack from the pool needs no new context.
#if defined(TIDE_FIBER_ASAN)
  __attribute__((no_sanitize_address))
#endif
  [[noreturn]] static void
  loop(context::transfer_t entered) noexcept {
    while (true) {
      auto& fiber = *static_cast<fiber_core*>(entered.data);
      fiber.resumer_ = entered.fctx;
      [[maybe_unused]] fiber_stack& stack = *fiber.stack_;
#if defined(TIDE_FIBER_ASAN)
      __sanitizer_finish_switch_fiber(stack.fake_frames, &stack.outer_lowest, &stack.outer_usable);
#endif
      fiber.run_body();
      fiber.waiting_ = nullptr;
#if defined(TIDE_FIBER_ASAN)
      __sanitizer_start_switch_fiber(&stack.fake_frames, stack.outer_lowest, stack.outer_usable);
#elif defined(TIDE_FIBER_TSAN)
      __tsan_switch_to_fiber(stack.outer_state, 0);
#endif
      // SAFETY: see enter.
      entered = context::jump_fcontext(fiber.resumer_, nullptr);
#if defined(TIDE_FIBER_ASAN)
      if (entered.data == nullptr) forget_fake_frames(stack, entered.fctx);
#endif
    }
  }

#if defined(TIDE_FIBER_ASAN)
  /// They are freed only by leaving their stack for ever: end_stack enters it once more for that.
  [[noreturn]] __attribute__((no_sanitize_address)) static void forget_fake_frames(fiber_stack& stack,
                                                                                   context::fcontext_t back) noexcept {
    __sanitizer_finish_switch_fiber(stack.fake_frames, &stack.outer_lowest, &stack.outer_usable);
    __sanitizer_start_switch_fiber(nullptr, stack.outer_lowest, stack.outer_usable);
    // SAFETY: see enter; nobody enters the stack again.
    context::jump_fcontext(back, nullptr);
    std::unreachable();
  }
  static void end(fiber_stack& stack) noexcept {
    void* fake_frames = nullptr;
    __sanitizer_start_switch_fiber(&fake_frames, stack.lowest, stack.usable);
    // SAFETY: no fiber runs on the stack: it stands in loop(), between two of them.
    context::jump_fcontext(stack.context, nullptr);
    __sanitizer_finish_switch_fiber(fake_frames, nullptr, nullptr);
  }
#endif

  /// A catch block may wait: what the exception runtime keeps for the thread goes with the stack.
  static void swap_exceptions(fiber_core& fiber) noexcept {
    using kept = decltype(fiber.exceptions_);
    // SAFETY: the Itanium C++ ABI (2.2.2) rules that __cxa_eh_globals begins with these two members.
    auto& threads = *reinterpret_cast<kept*>(abi::__cxa_get_globals());
    // Member by member: a load of both at once would stall on the two stores before it.
    std::swap(threads.caught, fiber.exceptions_.caught);
    std::swap(threads.uncaught, fiber.exceptions_.uncaught);
  }
};

void begin_stack(fiber_stack& stack, void* top) {
  // SAFETY: `top` is the upper end of stack.usable bytes that belong to nobody else.
  stack.context = context::make_fcontext(top, stack.usable, fiber_switch::loop);
#if defined(TIDE_FIBER_TSAN)
  stack.thread_state = __tsan_create_fiber(0);
#endif
}

void end_stack([[maybe_unused]] fiber_stack& stack) noexcept {
#if defined(TIDE_FIBER_ASAN)
  if (stack.fake_frames != nullptr) fiber_switch::end(stack);
  __asan_unpoison_memory_region(stack.lowest, stack.usable);
#elif defined(TIDE_FIBER_TSAN)
  __tsan_destroy_fiber(stack.thread_state);
#endif
}

[[gnu::noinline]] fiber_core* running_fiber() noexcept { return running; }

fiber_core& this_fiber() {
  fiber_core* const here = running_fiber();
  if (here == nullptr) throw std::logic_error("tide::fiber::await is for code that runs in a fiber");
  return *here;
}

fiber_core::fiber_core(const functions& mine, promise_base& promise, std::size_t stack_bytes, std::string_view name) noexcept
    : functions_(mine), promise_(&promise), stack_bytes_(stack_bytes), resume_(resume), destroy_(mine.destroy) {
  std::ranges::copy(name.substr(0, name_.size() - 1), name_.begin());
}

// SAFETY: `frame` is what a coroutine handle of a fiber holds, the address of a core's resume_ (see frame()), which stands
// two pointers before its end.
fiber_core& fiber_core::of(void* frame) noexcept {
  return *reinterpret_cast<fiber_core*>(static_cast<std::byte*>(frame) + 2 * sizeof(void*) - sizeof(fiber_core));
}

// The processor predicts a return to go where the last call came from, which is wrong after a switch and costs as much as
// the switch. So this ends in a jump, and resume has everything up to its switch inlined.
[[gnu::noinline]] boost::context::detail::transfer_t fiber_core::leave() { return fiber_switch::leave(*this); }

[[gnu::always_inline]] inline std::coroutine_handle<> fiber_core::run() noexcept {
  const auto self = fiber_handle::from_promise(*promise_);
  if (stack_ != nullptr || take_stack()) {
    std::coroutine_handle<> next;
    do {
      fiber_switch::enter(*this);
      if (waiting_ == nullptr) break;
      next = waiting_->begin(*waiting_, self);
      if (next != self) return next;  // the fiber may be anywhere by now
    } while (true);
    give_stack();
  }
  resume_ = nullptr;  // what a handle's done() looks at
  task_queue& queue = promise_->node().queue();
  const std::coroutine_handle<> next = functions_.finish(*this);
  if (may_tail_call) return next;
  queue.schedule(next);
  return nullptr;
}

void fiber_core::resume(void* frame) {
  const std::coroutine_handle<> next = of(frame).run();
  if (next) next.resume();
}

bool fiber_core::take_stack() noexcept {
  try {
    stack_ = promise_->node().home().use<fiber_stacks>().take(stack_bytes_);
    return true;
  } catch (...) {  // for the joiner to hear
    promise_->unhandled_exception();
    return false;
  }
}

void fiber_core::give_stack() noexcept {
  fiber_stack* const used = std::exchange(stack_, nullptr);
#if defined(TIDE_FIBER_ASAN)
  __asan_unpoison_memory_region(used->lowest, used->usable);
#endif
  promise_->node().home().use<fiber_stacks>().give(used);
}

}  // namespace tide::detail
