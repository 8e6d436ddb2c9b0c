// So many at a time, in the order they came: semaphore.
//
//   tide::semaphore connections(100);
//   auto permit = co_await connections.acquire();       // result<semaphore::permit>, given back when it goes
//   auto many = connections.acquire_blocking(10);       // the same in a thread
//   connections.release(5);                             // five more for all
//
// Nobody overtakes: who wants few waits behind who wants many.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <utility>

#include <tide/sync/detail/line_operation.hpp>

namespace tide {

/// tide::semaphore: any thread. tide::local::semaphore: one executor. Nobody holds or waits when it goes.
template <class Domain>
class basic_semaphore {
  struct acquire_policy;

 public:
  using acquire_operation = detail::line_operation<Domain, acquire_policy>;
  static constexpr std::uint32_t most = 0x7fff'ffff;  ///< permits

  /// Gives back what it holds when it goes. Moves; an empty one holds nothing.
  class [[nodiscard]] permit {
   public:
    permit() noexcept = default;
    permit(permit&& other) noexcept : of_(std::exchange(other.of_, nullptr)), count_(std::exchange(other.count_, 0)) {}
    permit& operator=(permit&& other) noexcept {
      if (this != &other) {
        release();
        of_ = std::exchange(other.of_, nullptr);
        count_ = std::exchange(other.count_, 0);
      }
      return *this;
    }
    ~permit() { release(); }
    void release() noexcept {
      if (basic_semaphore* of = std::exchange(of_, nullptr)) of->add(std::exchange(count_, 0));
    }
    /// The permits are used up: nobody gives them back.
    void consume() noexcept {
      of_ = nullptr;
      count_ = 0;
    }
    [[nodiscard]] std::uint32_t count() const noexcept { return count_; }

   private:
    friend basic_semaphore;
    permit(basic_semaphore& of, std::uint32_t count) noexcept : of_(&of), count_(count) {}
    basic_semaphore* of_ = nullptr;
    std::uint32_t count_ = 0;
  };

  /// Throws std::length_error above `most`.
  explicit basic_semaphore(std::uint32_t permits) : line_(checked(permits)) {}

  /// co_await: result<permit>; errc::canceled, errc::closed.
  [[nodiscard]] acquire_operation acquire(std::uint32_t count = 1) noexcept {
    return acquire_operation(line_, {this, count});
  }
  /// Blocks the thread. errc::timed_out, errc::closed.
  result<permit> acquire_blocking(std::uint32_t count = 1, clock::time_point deadline = clock::time_point::max()) noexcept
    requires detail::for_threads<Domain>
  {
    return detail::take_blocking(line_, acquire_policy{this, count}, deadline);
  }
  [[nodiscard]] std::optional<permit> try_acquire(std::uint32_t count = 1) noexcept {
    acquire_policy policy{this, count};
    if (!line_.take_now(policy)) return std::nullopt;
    if (auto given = policy.give()) return std::move(*given);
    return std::nullopt;
  }
  /// Adds permits. Throws std::length_error, with nothing changed, if there would be more than `most`.
  void release(std::uint32_t count = 1) {
    if (!add(count)) throw std::length_error("semaphore: too many permits");
  }
  /// Whoever waits or comes is told errc::closed. Permits that are out may come back.
  void close() noexcept {
    line_.change([](std::uint32_t value) noexcept { return value | closed; });
  }
  /// Permits that nobody holds, at some moment of the call.
  [[nodiscard]] std::uint32_t available() const noexcept { return line_.value() & most; }

 private:
  static constexpr std::uint32_t closed = 0x8000'0000;
  struct acquire_policy {
    basic_semaphore* of;
    std::uint32_t count;
    bool was_closed = false;
    bool take(std::uint32_t& value) noexcept {
      was_closed = (value & closed) != 0;
      if (was_closed) return true;
      if (value < count) return false;
      value -= count;
      return true;
    }
    result<permit> give() noexcept {
      if (was_closed) return fail(errc::closed);
      return permit(*of, count);
    }
  };
  static std::uint32_t checked(std::uint32_t permits) {
    if (permits > most) throw std::length_error("semaphore: too many permits");
    return permits;
  }
  bool add(std::uint32_t count) noexcept {
    bool fits = true;
    line_.change([&](std::uint32_t value) noexcept {
      fits = count <= most - (value & most);
      return fits ? value + count : value;
    });
    return fits;
  }
  detail::wait_line<typename Domain::word> line_;
};

using semaphore = basic_semaphore<detail::across_threads>;
namespace local {
using semaphore = basic_semaphore<detail::one_executor>;
}

}  // namespace tide
