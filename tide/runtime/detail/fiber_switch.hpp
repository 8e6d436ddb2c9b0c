// The switch of stacks itself, with what the sanitizers and the exception runtime must be told.
#pragma once

namespace tide::detail {

struct fiber_stack;

/// Gives a new stack its context, below `top`; takes back what that holds outside the stack.
void begin_stack(fiber_stack& stack, void* top);
void end_stack(fiber_stack& stack) noexcept;

}  // namespace tide::detail
