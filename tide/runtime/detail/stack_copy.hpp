// The call stack of a thread, copied by a signal's handler and read elsewhere.
//
//   copy.take(*static_cast<const ucontext_t*>(third_argument_of_the_handler));   // in the handler
//   std::vector<const void*> calls = copy.calls();                               // later, on any thread
//
// Nothing is unwound in the handler: unwinders are not made for it, and a throw that it interrupts leaves the stack in a
// state that they run astray in. What is on the stack and follows a call instruction counts as a call that has not returned;
// it can be one that has.
#pragma once

#include <ucontext.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tide::detail {

class stack_copy {
 public:
  /// Where the thread was and what is on its stack, 32 KiB at most. Async-signal-safe.
  void take(const ucontext_t& interrupted) noexcept;
  /// Innermost first: where the thread was, then where calls return to; `most` of them. Allocates, and takes the loader's
  /// lock.
  [[nodiscard]] std::vector<void*> calls(std::size_t most) const;

 private:
  std::uintptr_t at_ = 0;
  std::size_t size_ = 0;  // words
  std::array<std::uintptr_t, 4096> words_{};
};

}  // namespace tide::detail
