// Several operations at once, as one: all, any, race; and one that a request to cancel does not reach: shield.
//
//   auto [head, body] = co_await tide::all(read_head(file), read_body(file));          // each one's own value
//   auto [first, given] = co_await tide::race(stream.receive(), tide::sleep(5s));      // given: std::tuple, first: an index
//   auto [found, answers] = co_await tide::any(std::move(queries));                    // a std::vector of tasks
//   co_await tide::shield(save(state));                                                // goes on to its end
//
// An operation is a task or another awaitable. They run concurrently below the caller's scope, and all have ended when the
// result is there: losers are cancelled and joined. Every outcome is delivered: of a loser that is mostly errc::canceled,
// but a value that was faster than the request is in its place. The first exception cancels the others and comes out.
#pragma once

#include <coroutine>
#include <cstddef>
#include <limits>
#include <optional>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <tide/runtime/detail/awaited.hpp>
#include <tide/runtime/scope.hpp>
#include <tide/runtime/task.hpp>

namespace tide {

inline constexpr std::size_t none = std::numeric_limits<std::size_t>::max();

/// What race and any give: whose outcome decided (none: nobody's), and everybody's outcome.
template <class Outcomes>
struct raced {
  std::size_t first = none;
  Outcomes given;
};

namespace detail {

enum class contest { all, any, race };

/// Operations that run together, and when the others are told to stop.
class together {
 public:
  explicit together(contest kind, promise_base& caller) noexcept : inside_(caller.node()), kind_(kind) {}

  template <class Operation>
  void begin(Operation& operation, std::optional<kept<Operation>>& into) {
    inside_.spawn(run(std::move(operation), into, *this, count_++));
  }
  /// Until all have ended; rethrows the first exception.
  [[nodiscard]] auto join() noexcept { return inside_.join(); }
  [[nodiscard]] std::size_t first() const noexcept { return first_; }

 private:
  template <class Operation>
  static task<> run(Operation operation, std::optional<kept<Operation>>& into, together& with, std::size_t number) {
    if constexpr (std::is_void_v<typename awaited<Operation>::type>) {
      co_await std::move(operation);
      into.emplace();
    } else {
      into.emplace(co_await std::move(operation));
    }
    with.ended(number, succeeded(*into));
  }
  void ended(std::size_t number, bool well) noexcept {
    const bool decides = kind_ == contest::race || (kind_ == contest::any) == well;
    if (!decides || first_ != none) return;
    first_ = number;
    inside_.cancel();
  }

  scope inside_;
  contest kind_;
  std::size_t count_ = 0;
  std::size_t first_ = none;
};

/// True for something to take operations from.
template <class T>
concept operations = std::ranges::input_range<T>;

template <class... Operations>
auto contend(contest kind, Operations... each) -> task<raced<std::tuple<kept<Operations>...>>> {
  std::tuple<std::optional<kept<Operations>>...> places;
  together run(kind, co_await this_promise{});
  std::apply([&](auto&... place) { (run.begin(each, place), ...); }, places);
  co_await run.join();
  co_return std::apply(
      [&](auto&... place) { return raced<std::tuple<kept<Operations>...>>{run.first(), {std::move(*place)...}}; }, places);
}

template <operations Range>
auto contend_range(contest kind, Range each) -> task<raced<std::vector<kept<std::ranges::range_value_t<Range>>>>> {
  using value = kept<std::ranges::range_value_t<Range>>;
  const auto count = static_cast<std::size_t>(std::ranges::distance(each));
  std::vector<std::optional<value>> places(count);
  together run(kind, co_await this_promise{});
  std::size_t at = 0;
  for (auto& operation : each) run.begin(operation, places[at++]);
  co_await run.join();
  raced<std::vector<value>> whole{run.first(), {}};
  whole.given.reserve(count);
  for (auto& place : places) whole.given.push_back(std::move(*place));
  co_return whole;
}

template <class Outcomes>
task<Outcomes> only_outcomes(task<raced<Outcomes>> whole) {
  auto ended = co_await std::move(whole);
  co_return std::move(ended.given);
}

}  // namespace detail

/// Every operation to its end: a tuple of their values (std::monostate for void). The first that fails, by an error as its
/// result or by an exception, cancels the others.
template <class... Operations>
  requires(sizeof...(Operations) > 0 && (!detail::operations<Operations> && ...))
auto all(Operations... each) -> task<std::tuple<detail::kept<Operations>...>> {
  return detail::only_outcomes(detail::contend(detail::contest::all, std::move(each)...));
}
/// The same for a range of operations: a vector of their values. Of an empty one, at once.
template <detail::operations Range>
auto all(Range each) -> task<std::vector<detail::kept<std::ranges::range_value_t<Range>>>> {
  return detail::only_outcomes(detail::contend_range(detail::contest::all, std::move(each)));
}

/// The first that succeeds; errors before that do not count. `first` is none if nobody succeeded.
template <class... Operations>
  requires(sizeof...(Operations) > 0 && (!detail::operations<Operations> && ...))
auto any(Operations... each) -> task<raced<std::tuple<detail::kept<Operations>...>>> {
  return detail::contend(detail::contest::any, std::move(each)...);
}
template <detail::operations Range>
auto any(Range each) -> task<raced<std::vector<detail::kept<std::ranges::range_value_t<Range>>>>> {
  return detail::contend_range(detail::contest::any, std::move(each));
}

/// The first that ends, well or not.
template <class... Operations>
  requires(sizeof...(Operations) > 0 && (!detail::operations<Operations> && ...))
auto race(Operations... each) -> task<raced<std::tuple<detail::kept<Operations>...>>> {
  return detail::contend(detail::contest::race, std::move(each)...);
}
template <detail::operations Range>
auto race(Range each) -> task<raced<std::vector<detail::kept<std::ranges::range_value_t<Range>>>>> {
  return detail::contend_range(detail::contest::race, std::move(each));
}

/// Awaits `operation` where no request to cancel reaches it, not even the executor's at its end: who cancels waits. Put a
/// timeout inside for what may take for ever.
template <class Operation>
auto shield(Operation operation) -> task<typename detail::awaited<Operation>::type> {
  detail::promise_base& self = co_await detail::this_promise{};
  cancel_node apart(self.node().queue(), nullptr);
  const detail::node_change away(self, apart);
  co_return co_await std::move(operation);
}

}  // namespace tide
