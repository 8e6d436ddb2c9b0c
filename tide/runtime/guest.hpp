// An executor inside of somebody else's loop: libuv's, GLib's, Asio's, one's own epoll.
//
//   auto guest = tide::guest::start([](tide::scope& scope) -> tide::task<> { … }).value();
//   // in the host's loop: watch guest->descriptor() for reading, set a timer to guest->next_deadline(), and on either
//   if (!guest->run_ready()) … ended: stop watching, guest->rethrow() …
//
// run_ready() never waits; examples/guests has a bridge to each of those loops. Everything on the thread that called start.
#pragma once

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include <tide/base/descriptor.hpp>
#include <tide/runtime/executor.hpp>
#include <tide/runtime/scope.hpp>
#include <tide/runtime/task.hpp>

namespace tide {

class guest {
 public:
  /// Makes an executor and gives it `main`, a callable that takes scope& and returns task<>, which begins at the first
  /// run_ready(). The thread is the host's: its name and CPUs stay as they are, and nobody spins. Errors: those of
  /// executor::create; EMFILE.
  template <class F>
  static result<std::unique_ptr<guest>> start(F main, const executor::options& wanted = {}) {
    auto home = executor::create(wanted);
    if (!home) return fail(home.error());
    std::unique_ptr<guest> made(new guest(std::move(*home)));
    if (auto begun = made->begin(whole(std::move(main), *made)); !begun) return fail(begun.error());
    return made;
  }
  guest(const guest&) = delete;
  guest& operator=(const guest&) = delete;
  /// Cancels what is left and waits for its end: call cancel() and run_ready() until it is false to let the host go on.
  ~guest();

  /// Readable (level triggered) when run_ready() has something to do. Stays the same; the executor's, not to be closed or
  /// read from.
  [[nodiscard]] int descriptor() const noexcept;
  /// Does what there is to do, a bounded part of it if there is much, and returns without waiting. False once all has ended;
  /// the call that ends it waits for blocking calls that have begun, and for nothing else.
  bool run_ready();
  /// When to call run_ready() next at the latest; in the past if more is to be done. None: when the descriptor is readable.
  /// Changes with each run_ready().
  [[nodiscard]] std::optional<clock::time_point> next_deadline() const noexcept;
  /// The same as poll(2) and its kin want it: milliseconds rounded up, -1 for none.
  [[nodiscard]] int timeout_ms() const noexcept;

  /// Runs it concurrently with main, from the host's code: as scope::spawn in the root scope. Ignored once main has ended.
  template <class F, class... Arguments>
  void spawn(F&& function, Arguments&&... arguments) {
    if (scope* const root = root_scope()) root->spawn(std::forward<F>(function), std::forward<Arguments>(arguments)...);
    wake();
  }
  /// Asks everything to end; run_ready() goes on to be called until it is false.
  void cancel() noexcept;
  /// What main threw, if it did; after the end.
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }
  [[nodiscard]] executor& home() noexcept { return *home_; }

 private:
  explicit guest(std::unique_ptr<executor> home) noexcept : home_(std::move(home)) {}
  template <class F>
  static task<> whole(F main, guest& self) {
    try {
      co_await with_scope(std::move(main));
    } catch (...) {
      self.error_ = std::current_exception();
    }
    self.done_ = true;
  }
  [[nodiscard]] result<> begin(task<> main);
  void work();
  [[nodiscard]] bool park();
  void end() noexcept;
  [[nodiscard]] scope* root_scope() noexcept;
  void wake() noexcept;

  std::unique_ptr<executor> home_;
  std::exception_ptr error_;
  tide::descriptor visits_;  // an eventfd that the kernel counts up when a visit would pay
  bool parked_ = false;      // nothing to do until it does, or a timer is due
  bool done_ = false;        // main has ended
  bool ended_ = false;       // everything has
};

}  // namespace tide
