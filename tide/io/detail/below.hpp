// Awaits an operation as if the coroutine were below another node of cancellation, without a frame of its own:
//
//   auto size = co_await below(flow.reads, stream.read_some(buffer));      // a request to flow.reads reaches it
#pragma once

#include <coroutine>
#include <type_traits>
#include <utility>

#include <tide/runtime/cancellation.hpp>
#include <tide/runtime/task.hpp>

namespace tide::detail {

template <class Awaiter>
class [[nodiscard]] below_operation {
 public:
  template <class Operation>
  below_operation(cancel_node& node, Operation&& operation) : awaiter_(std::forward<Operation>(operation)), node_(node) {}
  below_operation(const below_operation&) = delete;
  below_operation& operator=(const below_operation&) = delete;

  bool await_ready() { return awaiter_.await_ready(); }
  template <class Promise>
  auto await_suspend(std::coroutine_handle<Promise> caller) {
    self_ = &caller.promise();
    before_ = &self_->node();
    self_->set_node(node_);
    return awaiter_.await_suspend(caller);
  }
  auto await_resume() {
    if (self_ != nullptr) self_->set_node(*before_);
    return awaiter_.await_resume();
  }

 private:
  Awaiter awaiter_;
  cancel_node& node_;
  promise_base* self_ = nullptr;
  cancel_node* before_ = nullptr;
};

template <class Operation>
auto below(cancel_node& node, Operation operation) {
  if constexpr (requires { std::move(operation).operator co_await(); }) {
    using awaiter = decltype(std::move(operation).operator co_await());
    return below_operation<awaiter>(node, std::move(operation).operator co_await());
  } else {
    return below_operation<Operation>(node, std::move(operation));
  }
}

}  // namespace tide::detail
