// How a coroutine and a thread wait in a wait_line. A policy says what is taken and what the caller gets for it:
//
//   struct lock_policy { bool take(std::uint32_t& value) noexcept; result<guard> give() noexcept; };
//   line_operation<across_threads, lock_policy> lock() { return {line_, lock_policy(*this)}; }      // co_await m.lock()
//   return take_blocking(line_, lock_policy(*this), deadline);
#pragma once

#include <cstdint>
#include <utility>

#include <tide/sync/detail/wait_line.hpp>
#include <tide/sync/detail/waiting.hpp>

namespace tide::detail {

template <class Policy>
class policy_request final : public line_request {
 public:
  explicit policy_request(const Policy& policy) noexcept : policy_(policy) {}
  bool take(std::uint32_t& value) noexcept override { return policy_.take(value); }
  [[nodiscard]] Policy& policy() noexcept { return policy_; }

 private:
  Policy policy_;
};

/// A coroutine in a cancelled scope still gets what it need not wait for.
template <class Domain, class Policy, wait_kind Kind = wait_kind::cancellable>
class [[nodiscard]] line_operation final : public coroutine_wait<Domain, line_operation<Domain, Policy, Kind>, Kind> {
 public:
  using line = wait_line<typename Domain::word>;
  line_operation(line& in, const Policy& policy) noexcept : line_(&in), request_(policy) {}
  line_operation(line_operation&& other) noexcept
      : coroutine_wait<Domain, line_operation, Kind>(), line_(other.line_), request_(other.request_.policy()) {}

  bool await_ready() noexcept { return line_->try_take(request_); }
  auto await_resume() noexcept -> decltype(std::declval<Policy&>().give()) {
    if (this->ended_by_cancel()) return fail(errc::canceled);
    return request_.policy().give();
  }

 private:
  friend coroutine_wait<Domain, line_operation, Kind>;
  bool join(parker& how) noexcept {
    request_.wake_by(how);
    return line_->join(request_);
  }
  bool leave() noexcept { return line_->leave(request_); }

  line* line_;
  policy_request<Policy> request_;
};

/// errc::timed_out at the deadline. Calls `once_in_line` before it sleeps.
template <class Policy, class Then>
auto take_blocking(wait_line<control_word>& line, const Policy& policy, clock::time_point deadline,
                   Then once_in_line) noexcept -> decltype(std::declval<Policy&>().give()) {
  policy_request<Policy> request(policy);
  if (line.try_take(request)) return request.policy().give();
  const auto join = [&](parker& how) noexcept {
    request.wake_by(how);
    if (!line.join(request)) return false;
    once_in_line();
    return true;
  };
  if (!wait_in_thread(join, [&] { return line.leave(request); }, deadline)) return fail(errc::timed_out);
  return request.policy().give();
}
template <class Policy>
auto take_blocking(wait_line<control_word>& line, const Policy& policy, clock::time_point deadline) noexcept {
  return take_blocking(line, policy, deadline, [] {});
}

}  // namespace tide::detail
