// Several executors, each on a thread of its own: one shard of a service each.
//
//   auto pool = tide::start_pool({.where = tide::placement::max_spread(4)}, [](tide::scope& scope, std::size_t index) ->
//   tide::task<int> {
//     … co_return 0;
//   });
//   if (!pool) …                                  // not one of them has run
//   pool->handle(0).post([] { … });
//   for (auto& each : pool->join()) …             // expected<int, exception_ptr>, one for each executor
#pragma once

#include <cstddef>
#include <exception>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <tide/base/result.hpp>
#include <tide/runtime/executor.hpp>
#include <tide/runtime/placement.hpp>
#include <tide/runtime/scope.hpp>

namespace tide {

struct pool_options {
  placement where = placement::unbound(1);
  /// Of each executor. The names get "-0", "-1", …; the CPUs are those of `where`.
  executor::options each{};
};

namespace detail {

class pool_threads {
 public:
  using body = std::function<void(executor&, std::size_t)>;
  static result<std::unique_ptr<pool_threads>> start(const pool_options& wanted, const std::vector<cpu_set>& places,
                                                     body run);
  static result<std::vector<cpu_set>> places(const placement& where);
  pool_threads(const pool_threads&) = delete;
  pool_threads& operator=(const pool_threads&) = delete;
  ~pool_threads();  // joins

  void join();
  [[nodiscard]] const std::vector<executor_handle>& handles() const noexcept { return handles_; }

 private:
  struct start_line;
  pool_threads();
  void work(std::size_t index, const executor::options& wanted);
  std::vector<executor_handle> handles_;
  body run_;
  std::unique_ptr<start_line> line_;
};

}  // namespace detail

/// T is what each executor gives. Any thread that owns it. Destroying it asks all executors to end and waits for them.
template <class T>
class executor_pool {
 public:
  using outcome = std::expected<T, std::exception_ptr>;

  executor_pool(executor_pool&&) noexcept = default;
  executor_pool& operator=(executor_pool&&) = delete;
  ~executor_pool() {
    if (threads_) cancel();
  }

  [[nodiscard]] std::size_t size() const noexcept { return outcomes_->size(); }
  [[nodiscard]] const executor_handle& handle(std::size_t index) const { return threads_->handles().at(index); }
  /// Asks every executor to end: cancels what runs on it. Any thread.
  void cancel() const {
    for (const executor_handle& each : threads_->handles()) each.post([] { executor::current()->root().cancel(); });
  }
  /// Waits for all of them, blocking the thread, and gives what each gave or threw, in their order. Once.
  std::vector<outcome> join() {
    threads_->join();
    std::vector<outcome> all;
    for (std::optional<outcome>& each : *outcomes_) all.push_back(std::move(*each));
    return all;
  }

 private:
  template <class F>
  friend auto start_pool(const pool_options& wanted, F main);
  executor_pool() = default;

  std::unique_ptr<std::vector<std::optional<outcome>>> outcomes_;
  std::unique_ptr<detail::pool_threads> threads_;  // goes first
};

/// Makes one executor for each place in `wanted.where` and runs `main(scope&, index)`, a task<T>, on each, copied for each.
/// All of them run or none: result<executor_pool<T>>. Blocks until it is decided. Errors: those of placement::on and
/// executor::create, and of starting a thread.
template <class F>
auto start_pool(const pool_options& wanted, F main) {
  using value = typename std::invoke_result_t<F&, scope&, std::size_t>::value_type;
  using pool = executor_pool<value>;
  using outcome = typename pool::outcome;
  pool made;
  const auto places = detail::pool_threads::places(wanted.where);
  if (!places) return result<pool>(fail(places.error()));
  made.outcomes_ = std::make_unique<std::vector<std::optional<outcome>>>(places->size());
  auto threads = detail::pool_threads::start(
      wanted, *places, [main, outcomes = made.outcomes_.get()](executor& here, std::size_t index) {
        std::optional<outcome>& mine = (*outcomes)[index];
        F body = main;
        try {
          if constexpr (std::is_void_v<value>) {
            here.run([&](scope& inside) { return body(inside, index); });
            mine.emplace();
          } else {
            mine.emplace(here.run([&](scope& inside) { return body(inside, index); }));
          }
        } catch (...) {
          mine.emplace(std::unexpected(std::current_exception()));
        }
      });
  if (!threads) return result<pool>(fail(threads.error()));
  made.threads_ = std::move(*threads);
  return result<pool>(std::move(made));
}

}  // namespace tide
