// How a coroutine and a thread wait in a wait_line. A policy says what is taken and what the caller gets for it:
//
//   struct lock_policy { bool take(std::uint32_t& value) noexcept; result<guard> give() noexcept; };
//   line_operation<across_threads, lock_policy> lock() { return {line_, lock_policy(*this)}; }      // co_await m.lock()
//   return take_blocking(line_, lock_policy(*this), deadline);
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include <tide/sync/detail/wait_line.hpp>
#include <tide/sync/detail/waiting.hpp>

namespace tide::detail {

template <class Policy>
class policy_request final : public line_request {
 public:
  policy_request(Policy& policy, parker& how) noexcept : line_request(how), policy_(policy) {}
  bool take(std::uint32_t& value) noexcept override { return policy_.take(value); }

 private:
  Policy& policy_;
};

/// A coroutine in a cancelled scope still gets what it need not wait for.
template <class Domain, class Policy, wait_kind Kind = wait_kind::cancellable>
class [[nodiscard]] line_operation final : public coroutine_wait<Domain, line_operation<Domain, Policy, Kind>, Kind> {
 public:
  using line = wait_line<typename Domain::word>;
  line_operation(line& in, const Policy& policy) noexcept : line_(&in), policy_(policy) {}
  line_operation(line_operation&& other) noexcept
      : coroutine_wait<Domain, line_operation, Kind>(), line_(other.line_), policy_(other.policy_) {}

  bool await_ready() noexcept { return line_->try_take(policy_); }
  auto await_resume() noexcept -> decltype(std::declval<Policy&>().give()) {
    if (this->ended_by_cancel()) return fail(errc::canceled);
    return policy_.give();
  }

 private:
  friend coroutine_wait<Domain, line_operation, Kind>;
  bool join(parker& how) noexcept {
    request_.emplace(policy_, how);
    return line_->join(*request_);
  }
  bool leave() noexcept { return line_->leave(*request_); }

  line* line_;
  Policy policy_;
  std::optional<policy_request<Policy>> request_;
};

/// errc::timed_out at the deadline. Calls `once_in_line` before it sleeps.
template <class Policy, class Then>
auto take_blocking(wait_line<control_word>& line, Policy policy, clock::time_point deadline, Then once_in_line) noexcept
    -> decltype(policy.give()) {
  if (line.try_take(policy)) return policy.give();
  std::optional<policy_request<Policy>> request;
  const auto join = [&](parker& how) noexcept {
    request.emplace(policy, how);
    if (!line.join(*request)) return false;
    once_in_line();
    return true;
  };
  if (!wait_in_thread(join, [&] { return line.leave(*request); }, deadline)) return fail(errc::timed_out);
  return policy.give();
}
template <class Policy>
auto take_blocking(wait_line<control_word>& line, const Policy& policy, clock::time_point deadline) noexcept {
  return take_blocking(line, policy, deadline, [] {});
}

}  // namespace tide::detail
