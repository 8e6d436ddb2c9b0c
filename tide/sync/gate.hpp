// Lets work in until it is closed, and waits for what is inside: gate.
//
//   tide::gate requests;
//   auto inside = requests.enter();        // result<gate::pass>; errc::closed once somebody closes it
//   co_await requests.close();             // nobody comes in any more; goes on when the last pass has gone
#pragma once

#include <cstdint>
#include <utility>

#include <tide/sync/detail/line_operation.hpp>

namespace tide {

/// tide::gate: any thread. tide::local::gate: one executor. Nobody is inside or waits when it goes.
template <class Domain>
class basic_gate {
  struct empty_policy {
    static bool take(std::uint32_t& value) noexcept { return value == closed_bit; }
    static result<> give() noexcept { return {}; }
  };

 public:
  using close_operation = detail::line_operation<Domain, empty_policy>;

  /// Its owner is inside until it goes. Moves; an empty one is inside nothing.
  class [[nodiscard]] pass {
   public:
    pass() noexcept = default;
    pass(pass&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    pass& operator=(pass&& other) noexcept {
      if (this != &other) {
        leave();
        of_ = std::exchange(other.of_, nullptr);
      }
      return *this;
    }
    ~pass() { leave(); }
    void leave() noexcept {
      if (basic_gate* of = std::exchange(of_, nullptr)) of->one_left();
    }

   private:
    friend basic_gate;
    explicit pass(basic_gate& of) noexcept : of_(&of) {}
    basic_gate* of_ = nullptr;
  };

  basic_gate() noexcept : line_(0) {}

  /// errc::closed.
  result<pass> enter() noexcept {
    bool open = true;
    line_.change([&](std::uint32_t value) noexcept {
      open = (value & closed_bit) == 0;
      return open ? value + 1 : value;
    });
    if (!open) return fail(errc::closed);
    return pass(*this);
  }
  /// Closes it at once; co_await: result<> when nobody is inside, errc::canceled (it stays closed). Any number may wait.
  [[nodiscard]] close_operation close() noexcept {
    shut();
    return close_operation(line_, {});
  }
  /// The same for a thread. errc::timed_out.
  result<> close_blocking(clock::time_point deadline = clock::time_point::max()) noexcept
    requires detail::for_threads<Domain>
  {
    shut();
    return detail::take_blocking(line_, empty_policy{}, deadline);
  }
  [[nodiscard]] bool closed() const noexcept { return (line_.value() & closed_bit) != 0; }
  /// Passes that are out.
  [[nodiscard]] std::uint32_t inside() const noexcept { return line_.value() & ~closed_bit; }

 private:
  static constexpr std::uint32_t closed_bit = 0x8000'0000;
  void shut() noexcept {
    line_.change([](std::uint32_t value) noexcept { return value | closed_bit; });
  }
  void one_left() noexcept {
    line_.change([](std::uint32_t value) noexcept { return value - 1; });
  }
  detail::wait_line<typename Domain::word> line_;
};

using gate = basic_gate<detail::across_threads>;
namespace local {
using gate = basic_gate<detail::one_executor>;
}

}  // namespace tide
