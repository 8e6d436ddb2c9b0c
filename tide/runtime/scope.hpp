// A scope owns the tasks that run concurrently inside it: leaving the scope cancels and joins them all.
//
//   co_await tide::with_scope([&](tide::scope& scope) -> tide::task<> {
//     scope.spawn(reader, std::ref(stream));
//     scope.spawn(writer, std::ref(stream));
//     co_await scope.join();                 // waits for both; without it, leaving cancels them
//   });
//
// The first exception, of the body or of a task inside, cancels the others and comes out of with_scope.
#pragma once

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include <tide/runtime/cancellation.hpp>
#include <tide/runtime/executor.hpp>
#include <tide/runtime/join_handle.hpp>
#include <tide/runtime/task.hpp>

namespace tide {

/// Belongs to its executor's thread. Made by with_scope and run; passed by reference.
class scope {
 public:
  explicit scope(cancel_node& parent) noexcept : scope(parent.queue(), &parent) {}
  scope(task_queue& queue, cancel_node* parent) noexcept : node_(queue, parent) {}
  scope(const scope&) = delete;
  scope& operator=(const scope&) = delete;

  /// Runs a task inside; it begins at the next turn of the run loop.
  void spawn(task<> inside) { begin(std::move(inside), node_); }
  /// Calls `function(arguments…)` inside. Both are kept by value until the task ends; hand over a reference with std::ref.
  template <class F, class... Arguments>
    requires std::same_as<std::invoke_result_t<std::decay_t<F>&, std::decay_t<Arguments>...>, task<>>
  void spawn(F&& function, Arguments&&... arguments) {
    spawn(
        hold<std::decay_t<F>, std::decay_t<Arguments>...>(std::forward<F>(function), std::forward<Arguments>(arguments)...));
  }
  /// The same into a task queue of the executor, where what the task calls and spawns runs too. A scope's first spawn into a
  /// queue allocates.
  void spawn_into(task_queue& queue, task<> inside) { begin(std::move(inside), node_in(queue)); }
  template <class F, class... Arguments>
    requires std::same_as<std::invoke_result_t<std::decay_t<F>&, std::decay_t<Arguments>...>, task<>>
  void spawn_into(task_queue& queue, F&& function, Arguments&&... arguments) {
    spawn_into(queue, hold<std::decay_t<F>, std::decay_t<Arguments>...>(std::forward<F>(function),
                                                                        std::forward<Arguments>(arguments)...));
  }
  /// The same for a task<T> that somebody waits for by name: join_handle.hpp. Its exception goes to the handle.
  template <class T>
  join_handle<T> spawn_joinable(task<T> inside) {
    return spawn_joinable_into(node_.queue(), std::move(inside));
  }
  template <class F, class... Arguments>
    requires std::invocable<std::decay_t<F>&, std::decay_t<Arguments>...>
  auto spawn_joinable(F&& function, Arguments&&... arguments) {
    return spawn_joinable_into(node_.queue(), std::forward<F>(function), std::forward<Arguments>(arguments)...);
  }
  template <class T>
  join_handle<T> spawn_joinable_into(task_queue& queue, task<T> inside) {
    detail::join_part<T> mine(new detail::join_state_of<T>(*this, node_.home()));  // from the frame cache
    detail::join_part<T> handles(mine.get());
    joinable_.push_back(*mine);
    spawn_into(queue, run_joinable(std::move(mine), std::move(inside)));
    return join_handle<T>(std::move(handles));
  }
  template <class F, class... Arguments>
    requires std::invocable<std::decay_t<F>&, std::decay_t<Arguments>...>
  auto spawn_joinable_into(task_queue& queue, F&& function, Arguments&&... arguments) {
    return spawn_joinable_into(queue, hold<std::decay_t<F>, std::decay_t<Arguments>...>(
                                          std::forward<F>(function), std::forward<Arguments>(arguments)...));
  }

  /// Asks everything inside to end. Idempotent; returns at once.
  void cancel() noexcept { node_.request(); }
  [[nodiscard]] bool cancelled() const noexcept { return node_.requested(); }
  /// Tasks inside that have not ended.
  [[nodiscard]] std::size_t size() const noexcept { return count_; }

  /// co_await scope.join(): until every task inside has ended; then rethrows the first exception among them. One joiner at a
  /// time. A request to cancel reaches the tasks, not the join, which always waits for the last.
  [[nodiscard]] auto join() noexcept { return joiner(*this, true); }

  [[nodiscard]] cancel_node& node() noexcept { return node_; }

 private:
  template <class F>
  friend auto with_scope(F body) -> std::invoke_result_t<F&, scope&>;
  friend class detail::promise_base;
  friend class detail::join_state;
  friend class executor;

  class joiner {
   public:
    joiner(scope& of, bool rethrow) noexcept : scope_(of), rethrow_(rethrow) {}
    bool await_ready() const noexcept { return scope_.count_ == 0; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> self) noexcept {
      scope_.joining_ = self;
      scope_.joining_in_ = &self.promise().node().queue();
    }
    void await_resume() const {
      if (rethrow_ && scope_.error_) std::rethrow_exception(std::exchange(scope_.error_, {}));
    }

   private:
    scope& scope_;
    bool rethrow_;
  };

  template <class F, class... Arguments>
  static auto hold(F function, Arguments... arguments) -> std::invoke_result_t<F&, Arguments...> {
    co_return co_await std::invoke(function, std::move(arguments)...);
  }
  template <class T>
  static task<> run_joinable(detail::join_part<T> state, task<T> inside) {
    try {
      if constexpr (std::is_void_v<T>) {
        co_await std::move(inside);
        state->value.emplace();
      } else {
        state->value.emplace(co_await std::move(inside));
      }
    } catch (...) {
      state->error = std::current_exception();
    }
    state->end();
  }
  void begin(task<> inside, cancel_node& below) {
    auto frame = inside.release();
    frame.promise().set_node(below);
    frame.promise().belong_to(*this);
    ++count_;
    task_queue& queue = below.queue();
    ++queue.tasks_;
    ++queue.spawned_;
    queue.schedule(frame);
  }
  /// The last one lets the joiner go on: in its place, like a caller, or in the joiner's queue.
  std::coroutine_handle<> ended(task_queue& queue) noexcept {
    --queue.tasks_;
    if (--count_ != 0 || !joining_) return std::noop_coroutine();
    const auto next = std::exchange(joining_, {});
    if (detail::tail_calls && joining_in_ == &queue) return next;
    joining_in_->schedule(next);
    return std::noop_coroutine();
  }
  /// The place of this scope's tasks in another queue.
  struct other_queue {
    other_queue(task_queue& queue, cancel_node& parent, std::unique_ptr<other_queue> before) noexcept
        : node(queue, &parent), next(std::move(before)) {}
    cancel_node node;
    std::unique_ptr<other_queue> next;
  };
  cancel_node& node_in(task_queue& queue) {
    if (&queue == &node_.queue()) return node_;
    for (other_queue* at = others_.get(); at != nullptr; at = at->next.get()) {
      if (&at->node.queue() == &queue) return at->node;
    }
    others_ = std::make_unique<other_queue>(queue, node_, std::move(others_));
    return others_->node;
  }

  /// The first error is kept and cancels the rest; in the root scope with a sink, errors go there.
  void fail(std::exception_ptr error) noexcept;

  cancel_node node_;
  std::size_t count_ = 0;
  std::coroutine_handle<> joining_;
  task_queue* joining_in_ = nullptr;
  std::exception_ptr error_;
  intrusive_list<detail::join_state> joinable_;  // those whose handle or task has not gone
  std::unique_ptr<other_queue> others_;
};

/// Runs `body(scope&)` with a new scope below the caller's, then cancels and joins what is left in it.
template <class F>
auto with_scope(F body) -> std::invoke_result_t<F&, scope&> {
  using value = typename std::invoke_result_t<F&, scope&>::value_type;
  detail::promise_base& self = co_await detail::this_promise{};
  scope inside(self.node());
  std::conditional_t<std::is_void_v<value>, std::optional<bool>, std::optional<value>> given;
  try {
    if constexpr (std::is_void_v<value>) {
      co_await body(inside).under(inside.node());
    } else {
      given.emplace(co_await body(inside).under(inside.node()));
    }
  } catch (...) {
    if (!inside.error_) inside.error_ = std::current_exception();  // the first of them all comes out
  }
  inside.cancel();
  co_await scope::joiner(inside, false);
  if (inside.error_) std::rethrow_exception(std::move(inside.error_));
  if constexpr (!std::is_void_v<value>) co_return std::move(*given);
}

template <class F, class... Arguments>
void executor::detach(F&& function, Arguments&&... arguments) {
  root_->spawn(std::forward<F>(function), std::forward<Arguments>(arguments)...);
}

template <class F>
auto executor::run(F main) {
  using value = typename std::invoke_result_t<F&, scope&>::value_type;
  bool done = false;
  std::exception_ptr error;
  if constexpr (std::is_void_v<value>) {
    auto whole = [](F body, bool& ended, std::exception_ptr& failed) -> task<> {
      try {
        co_await with_scope(std::move(body));
      } catch (...) {
        failed = std::current_exception();
      }
      ended = true;
    };
    run_main(whole(std::move(main), done, error), done);
    if (error) std::rethrow_exception(error);
  } else {
    std::optional<value> given;
    auto whole = [](F body, bool& ended, std::exception_ptr& failed, std::optional<value>& out) -> task<> {
      try {
        out.emplace(co_await with_scope(std::move(body)));
      } catch (...) {
        failed = std::current_exception();
      }
      ended = true;
    };
    run_main(whole(std::move(main), done, error, given), done);
    if (error) std::rethrow_exception(error);
    return std::move(*given);
  }
}

namespace detail {

/// A task on its way to its executor, with everything that it needs.
template <class F, class... Arguments>
class spawn_entry final : public mailbox_entry {
 public:
  template <class... Given>
  explicit spawn_entry(Given&&... given) : held_(std::forward<Given>(given)...) {}

 private:
  void run() override {
    const std::unique_ptr<spawn_entry> whole(this);
    executor::current()->root().spawn(std::apply(
        [](F& function, Arguments&... arguments) { return hold(std::move(function), std::move(arguments)...); }, held_));
  }
  void dropped() noexcept override { delete this; }
  static task<> hold(F function, Arguments... arguments) { co_await std::invoke(function, std::move(arguments)...); }
  std::tuple<F, Arguments...> held_;
};

}  // namespace detail

template <class F, class... Arguments>
bool executor_handle::spawn(F&& function, Arguments&&... arguments) const {
  using entry = detail::spawn_entry<std::decay_t<F>, std::decay_t<Arguments>...>;
  auto made = std::make_unique<entry>(std::forward<F>(function), std::forward<Arguments>(arguments)...);
  if (!post(*made)) return false;
  static_cast<void>(made.release());  // runs or drops itself
  return true;
}

}  // namespace tide
