// A fiber as the run loop sees it: a coroutine frame by hand. What resumes it through std::coroutine_handle enters its
// stack, what it awaits is handed its handle; so it is a task like any other to scopes, awaitables and the executor.
#pragma once

#include <algorithm>
#include <array>
#include <boost/context/detail/fcontext.hpp>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <functional>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <tide/runtime/task.hpp>

namespace tide::detail {

struct fiber_stack;

using fiber_handle = std::coroutine_handle<promise_base>;

/// What a fiber waits for, on its stack. `begin` is called once the stack has been left: from then on anybody may resume the
/// fiber. Gives what goes on now: the fiber itself if there is nothing to wait for.
struct fiber_wait {
  std::coroutine_handle<> (*begin)(fiber_wait& self, fiber_handle fiber) noexcept;
};

/// What every fiber has beside its promise, callable and arguments. The two last members and the promise behind them are
/// laid out as compilers lay out a coroutine's frame.
class fiber_core {
 public:
  struct functions {
    void (*body)(fiber_core& self) noexcept;                       ///< on the fiber's stack, once
    std::coroutine_handle<> (*finish)(fiber_core& self) noexcept;  ///< after it; the fiber may be gone then
    void (*destroy)(void* frame);
  };
  fiber_core(const functions& mine, promise_base& promise, std::size_t stack_bytes, std::string_view name) noexcept;
  fiber_core(const fiber_core&) = delete;
  fiber_core& operator=(const fiber_core&) = delete;

  /// Leaves the stack until somebody resumes the fiber. On the fiber's stack.
  void suspend(fiber_wait& what) {
    waiting_ = &what;
    resumer_ = leave().fctx;
  }

  [[nodiscard]] promise_base& promise() const noexcept { return *promise_; }
  [[nodiscard]] const fiber_stack* stack() const noexcept { return stack_; }
  [[nodiscard]] std::string_view name() const noexcept { return {name_.data(), std::ranges::find(name_, '\0')}; }

  [[nodiscard]] void* frame() noexcept { return static_cast<void*>(&resume_); }
  [[nodiscard]] static fiber_core& of(void* frame) noexcept;

  void run_body() noexcept { functions_.body(*this); }  // for the stack's own loop

 private:
  friend struct fiber_switch;
  static void resume(void* frame);
  [[nodiscard]] boost::context::detail::transfer_t leave();
  [[nodiscard]] std::coroutine_handle<> run() noexcept;
  [[nodiscard]] bool take_stack() noexcept;
  void give_stack() noexcept;

  const functions& functions_;
  promise_base* promise_;
  fiber_stack* stack_ = nullptr;   // from the first resume to the end of the body
  void* resumer_ = nullptr;        // the context that resumed us
  fiber_wait* waiting_ = nullptr;  // null when the body has ended
  struct {
    void* caught = nullptr;
    unsigned uncaught = 0;
  } exceptions_;  // what the exception runtime keeps for a thread, and we for each stack
  std::size_t stack_bytes_;
  std::array<char, 32> name_{};
  alignas(16) void (*resume_)(void*);
  [[maybe_unused]] void (*destroy_)(void*);  // read by whoever destroys the frame through its handle
};

/// The fiber whose stack the calling code stands on, else nullptr. Safe in a signal handler.
[[nodiscard]] fiber_core* running_fiber() noexcept;
/// The same; throws std::logic_error where there is none.
[[nodiscard]] fiber_core& this_fiber();

/// The whole frame of a fiber that calls `f(arguments…)`.
template <class T, class F, class... Arguments>
class fiber_frame {
 public:
  /// A task that nobody has begun yet; it owns the frame.
  template <class... Given>
  static task<T> make(std::size_t stack_bytes, std::string_view name, Given&&... given) {
    void* const block = allocate_frame(sizeof(fiber_frame));
    try {
      return (::new (block) fiber_frame(stack_bytes, name, std::forward<Given>(given)...))->promise_.get_return_object();
    } catch (...) {
      release_frame(block, sizeof(fiber_frame));
      throw;
    }
  }

 private:
  template <class Function, class... Given>
  fiber_frame(std::size_t stack_bytes, std::string_view name, Function&& function, Given&&... given)
      : core_(mine, promise_, stack_bytes, name),
        function_(std::forward<Function>(function)),
        arguments_(std::forward<Given>(given)...) {}

  static fiber_frame& of(fiber_core& core) noexcept;
  static void body(fiber_core& core) noexcept {
    fiber_frame& self = of(core);
    try {
      const auto call = [&self](Arguments&... each) -> T { return std::invoke(self.function_, std::move(each)...); };
      if constexpr (std::is_void_v<T>) {
        std::apply(call, self.arguments_);
        self.promise_.return_void();
      } else {
        self.promise_.return_value(std::apply(call, self.arguments_));
      }
    } catch (...) {
      self.promise_.unhandled_exception();
    }
  }
  static std::coroutine_handle<> finish(fiber_core& core) noexcept {
    auto& promise = of(core).promise_;
    return promise.final_suspend().await_suspend(std::coroutine_handle<task_promise<T>>::from_promise(promise));
  }
  static void destroy(void* frame) {
    fiber_frame* const whole = &of(fiber_core::of(frame));
    whole->~fiber_frame();
    release_frame(whole, sizeof(fiber_frame));
  }
  static constexpr fiber_core::functions mine{body, finish, destroy};

  // A frame begins with two pointers; the promise follows at the next multiple of its alignment, and fiber_core ends with
  // those two at a multiple of 16.
  static_assert(alignof(task_promise<T>) <= 16 && sizeof(fiber_core) % 16 == 0 && alignof(fiber_core) == 16);
  fiber_core core_;
  task_promise<T> promise_;
  F function_;
  std::tuple<Arguments...> arguments_;
};

// SAFETY: functions_ of a core is the one of its fiber_frame, so `core` is the first member of just that frame, which has no
// base class.
template <class T, class F, class... Arguments>
fiber_frame<T, F, Arguments...>& fiber_frame<T, F, Arguments...>::of(fiber_core& core) noexcept {
  return *reinterpret_cast<fiber_frame*>(&core);
}

/// Waits for one awaiter on behalf of a fiber.
template <class Awaiter>
class fiber_wait_for final : public fiber_wait {
 public:
  explicit fiber_wait_for(Awaiter& awaiter) noexcept : fiber_wait{start}, awaiter_(awaiter) {}
  void rethrow() const {
    if (thrown_) std::rethrow_exception(thrown_);
  }

 private:
  static std::coroutine_handle<> start(fiber_wait& what, fiber_handle fiber) noexcept {
    auto& self = static_cast<fiber_wait_for&>(what);
    try {
      using given = decltype(self.awaiter_.await_suspend(fiber));
      if constexpr (std::is_void_v<given>) {
        self.awaiter_.await_suspend(fiber);
        return nullptr;
      } else if constexpr (std::is_same_v<given, bool>) {
        return self.awaiter_.await_suspend(fiber) ? nullptr : std::coroutine_handle<>(fiber);
      } else {
        return self.awaiter_.await_suspend(fiber);
      }
    } catch (...) {
      self.thrown_ = std::current_exception();
      return fiber;
    }
  }
  Awaiter& awaiter_;
  std::exception_ptr thrown_;
};

/// What co_await would ask of `operation`.
template <class Operation>
decltype(auto) awaiter_of(Operation&& operation) {
  if constexpr (requires { std::forward<Operation>(operation).operator co_await(); }) {
    return std::forward<Operation>(operation).operator co_await();
  } else if constexpr (requires { operator co_await(std::forward<Operation>(operation)); }) {
    return operator co_await(std::forward<Operation>(operation));
  } else {
    return std::forward<Operation>(operation);
  }
}

}  // namespace tide::detail
