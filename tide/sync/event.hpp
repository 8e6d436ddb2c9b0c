// Something that happens once, or is so for a while: event.
//
//   tide::event ready;
//   co_await ready.wait();           // any number of coroutines, of any executors
//   ready.wait_blocking();           // and threads
//   ready.set();                     // lets all of them go, and all who come before reset()
#pragma once

#include <cstdint>

#include <tide/sync/detail/line_operation.hpp>

namespace tide {

/// tide::event: any thread. tide::local::event: one executor. Nobody waits when it goes; whoever was let go may destroy it.
template <class Domain>
class basic_event {
  struct set_policy {
    static bool take(std::uint32_t& value) noexcept { return value != 0; }
    static result<> give() noexcept { return {}; }
  };

 public:
  using wait_operation = detail::line_operation<Domain, set_policy>;

  explicit basic_event(bool set = false) noexcept : line_(set ? 1 : 0) {}

  /// co_await: result<>; errc::canceled.
  [[nodiscard]] wait_operation wait() noexcept { return wait_operation(line_, {}); }
  /// Blocks the thread. errc::timed_out.
  result<> wait_blocking(clock::time_point deadline = clock::time_point::max()) noexcept
    requires detail::for_threads<Domain>
  {
    return detail::take_blocking(line_, set_policy{}, deadline);
  }
  void set() noexcept {
    line_.change([](std::uint32_t) noexcept { return 1U; });
  }
  void reset() noexcept {
    line_.change([](std::uint32_t) noexcept { return 0U; });
  }
  [[nodiscard]] bool is_set() const noexcept { return line_.value() != 0; }

 private:
  detail::wait_line<typename Domain::word> line_;
};

using event = basic_event<detail::across_threads>;
namespace local {
using event = basic_event<detail::one_executor>;
}

}  // namespace tide
