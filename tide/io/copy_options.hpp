// What a copy is allowed, and what it says when it has ended.
//
//   tide::copy_control control;                                        // stop it, or look how far it is
//   auto done = co_await tide::copy(file, socket, {.deadline = 1h, .control = &control});
//   if (done.error == tide::copy_errc::write_stalled) …
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <type_traits>

#include <tide/base/error.hpp>
#include <tide/sync/semaphore.hpp>

namespace tide {

/// Why a copy ended what its streams did not end themselves.
enum class copy_errc {
  idle = 1,            ///< no byte moved in any direction for copy_options::idle
  half_closed,         ///< one side had ended, and the other moved nothing for copy_options::half_close
  write_stalled,       ///< a sink took nothing for copy_options::write_stall while there was something for it
  mutual_write_stall,  ///< both sides write and neither reads: with bounded buffers this lasts for ever
  deadline,            ///< copy_options::deadline
  other_failed,        ///< the other direction failed, and copy_options::error_linger has passed
  drain_deadline,      ///< after a stop, what had been read could not be delivered in copy_options::drain
};
[[nodiscard]] const std::error_category& copy_category() noexcept;
[[nodiscard]] std::error_code make_error_code(copy_errc code) noexcept;

/// What ended a direction.
enum class copy_end : std::uint8_t {
  end_of_stream,  ///< the source ended, and everything before that was delivered
  read_failed,    ///< with the source's error
  write_failed,   ///< with the sink's error
  limit,          ///< with a copy_errc
  stopped,        ///< by copy_control::stop, with everything delivered that had been read
  canceled,       ///< with errc::canceled
};

/// How one direction ended.
struct copied {
  std::uint64_t bytes = 0;        ///< that the sink took
  std::uint64_t undelivered = 0;  ///< read from the source, and lost
  copy_end cause = copy_end::end_of_stream;
  std::error_code error;  ///< none for end_of_stream and stopped

  [[nodiscard]] explicit operator bool() const noexcept { return !error; }
};

/// Both sides wait in a write, and what is between them is full.
struct mutual_stall {
  std::size_t a_wants = 0;  ///< bytes that the task behind `a` still wants to write
  std::size_t b_wants = 0;
  std::size_t a_to_b_full = 0;  ///< bytes that wait between them
  std::size_t b_to_a_full = 0;
};

namespace detail {
class copy_session;
}

/// A running copy, seen from outside: one at a time, on its executor's thread. Outlives the copy.
class copy_control {
 public:
  struct progress {
    std::uint64_t read = 0;     ///< bytes
    std::uint64_t written = 0;  ///< bytes
  };
  /// Nothing more is read. What was read is delivered within copy_options::drain, then sinks are half-closed. Idempotent;
  /// before the copy begins, too.
  void stop() noexcept;
  [[nodiscard]] progress a_to_b() const noexcept;
  [[nodiscard]] progress b_to_a() const noexcept;

 private:
  friend detail::copy_session;
  detail::copy_session* running_ = nullptr;
  bool stopped_ = false;
};

/// Limits look at counts now and then: nothing is paid for a byte. One that runs out is noticed at most a sixteenth late.
struct copy_options {
  using duration = std::chrono::nanoseconds;
  static constexpr duration never = duration::max();

  std::size_t buffer = std::size_t{64} * 1024;  ///< bytes a direction, while it moves bytes between streams that need one
  duration idle = never;                        ///< no byte moved, neither way
  duration half_close = never;                  ///< the same once one side has ended
  duration write_stall = never;                 ///< a sink takes nothing of what is there for it
  duration deadline = never;                    ///< for all of it
  duration error_linger = std::chrono::seconds(1);  ///< for the other direction, after an error
  duration drain = std::chrono::seconds(1);         ///< for what has been read, after a stop
  bool abort = false;                               ///< after an error nothing is delivered any more
  /// With both streams ends of local duplexes: the rings between the two sides may grow to so many bytes, all four
  /// together, before a mutual write stall is an error.
  std::size_t grow_to = 0;
  /// False for sides whose reading task may begin only after its writing task is stuck: then such a stall is no error here.
  bool report_mutual_stall = true;
  /// Shared by copies of any executors: `buffer` permits are held while a direction has a buffer.
  semaphore* memory = nullptr;
  copy_control* control = nullptr;
};

}  // namespace tide

template <>
struct std::is_error_code_enum<tide::copy_errc> : std::true_type {};
