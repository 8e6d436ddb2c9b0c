// One copy: what it is allowed, how far each direction is, and who is told to stop and why. The directions themselves are
// in copy_pump.hpp.
//
// Work and drain have nodes of their own: a stop cancels reads and lets writes go on; a limit that runs out cancels both.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <system_error>

#include <tide/io/copy_options.hpp>
#include <tide/io/detail/countdown.hpp>
#include <tide/io/detail/local_pipe.hpp>
#include <tide/runtime/cancellation.hpp>
#include <tide/runtime/task.hpp>
#include <tide/runtime/timer.hpp>
#include <tide/sync/local.hpp>

namespace tide::detail {

/// One direction. Counts are the pump's to keep.
class copy_flow {
 public:
  explicit copy_flow(cancel_node& outer) noexcept : reads(outer), writes(outer) {}

  cancel_node reads;
  cancel_node writes;
  std::uint64_t read = 0;
  std::uint64_t written = 0;
  bool holds = false;  ///< waits for its sink to take something

  [[nodiscard]] bool over() const noexcept { return over_; }
  [[nodiscard]] copied result() const noexcept { return {written, read - written, cause_, error_}; }

 private:
  friend class copy_session;
  std::error_code told_;  // the reason of a request to stop
  bool stopped_ = false;
  bool over_ = false;
  copy_end cause_ = copy_end::canceled;
  std::error_code error_ = make_error_code(errc::canceled);
};

/// Lives in the copy's frame, on one executor.
class copy_session final : private timer, private pipe_listener {
 public:
  copy_session(cancel_node& outer, const copy_options& wanted, std::size_t directions);
  copy_session(const copy_session&) = delete;
  copy_session& operator=(const copy_session&) = delete;
  ~copy_session();

  [[nodiscard]] const copy_options& options() const noexcept { return wanted_; }
  [[nodiscard]] copy_flow& flow(std::size_t which) noexcept { return flows_[which]; }
  [[nodiscard]] executor& home() const noexcept { return home_; }
  [[nodiscard]] cancel_node& outer() const noexcept { return outer_; }

  // For pumps. A direction that is over has said so by one of the first three.
  /// Nothing more comes, and everything is delivered.
  void drained(copy_flow& of) noexcept { ended(of, of.stopped_ ? copy_end::stopped : copy_end::end_of_stream, {}); }
  /// True if the read has failed because of a stop: then it is not over before everything is delivered.
  [[nodiscard]] bool stopped_reading(copy_flow& of, std::error_code why) noexcept;
  void write_failed(copy_flow& of, std::error_code why) noexcept { failed(of, copy_end::write_failed, why); }
  /// There is something for the sink, or it has taken it.
  void waits_for_sink(copy_flow& of, bool waits) noexcept {
    of.holds = waits;
    if (waits && watched_) writer_waits();
  }

  void stop() noexcept;
  [[nodiscard]] std::error_code first_error() const noexcept { return first_error_; }
  [[nodiscard]] bool closes_streams() const noexcept { return first_error_ && !outer_.requested(); }
  [[nodiscard]] const std::optional<mutual_stall>& stall() const noexcept { return stall_; }

  // Stalls of both sides, where both are in this process.
  void watch(local_pipe& from_a, local_pipe& to_a, local_pipe& from_b, local_pipe& to_b) noexcept;
  void stop_watching() noexcept;
  /// Ends when its scope is cancelled.
  task<> look_for_stalls();

 private:
  void ended(copy_flow& of, copy_end cause, std::error_code why) noexcept;
  void failed(copy_flow& of, copy_end cause, std::error_code why) noexcept;
  void tell_all(std::error_code why) noexcept;
  [[nodiscard]] std::uint64_t moved() const noexcept;
  [[nodiscard]] std::optional<copy_errc> run_out(clock::time_point now) noexcept;
  /// Ends what has run out, and sees to it that it is called again in time.
  void look() noexcept;
  void expired() noexcept override { look(); }
  void writer_waits() noexcept override;
  [[nodiscard]] bool all_stuck() const noexcept;
  [[nodiscard]] bool grow() noexcept;

  cancel_node& outer_;
  executor& home_;
  const copy_options wanted_;
  std::array<copy_flow, 2> flows_;
  const std::size_t directions_;
  countdown idle_;
  countdown half_close_;
  std::array<countdown, 2> stalls_;
  countdown deadline_;
  countdown linger_;
  countdown drain_;
  bool one_ended_ = false;
  bool one_failed_ = false;
  bool stopping_ = false;
  std::error_code first_error_;
  std::optional<mutual_stall> stall_;
  bool watched_ = false;
  std::array<local_pipe*, 4> rings_{};  // from a, to b, from b, to a
  local::event hint_;
};

/// While it lives, the sink is waited for.
class sink_wait {
 public:
  sink_wait(copy_session& session, copy_flow& flow) noexcept : session_(session), flow_(flow) {
    session_.waits_for_sink(flow_, true);
  }
  sink_wait(const sink_wait&) = delete;
  sink_wait& operator=(const sink_wait&) = delete;
  ~sink_wait() { session_.waits_for_sink(flow_, false); }

 private:
  copy_session& session_;
  copy_flow& flow_;
};

}  // namespace tide::detail
