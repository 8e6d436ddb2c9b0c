// The relay's stream: events with the relay's own sequence numbers, in memory that survives the process.
//
//   auto log = event_log::open({.path = "data/events.pool"}, note_host_cursor).value();
//   auto seq = log.append(host_id, frame);                 // committed when this returns: it survives kill -9
//   event_log::reader reader = log.read_from(cursor + 1);
//   auto pieces = reader.gather(vector_of_iovec, 65536);   // WebSocket frames, sent from where they lie
//
// The log is a window: a pool of equal segments, each filled from front to back, the oldest freed for the newest. An event
// exists once the segment's count of committed bytes, one atomic word, covers it. docs/relay.md describes the format.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include <apps/relay/wire/frame.hpp>
#include <tide/base/result.hpp>
#include <tide/pool/pool.hpp>
#include <tide/sync/local.hpp>

namespace tide::relay {

struct event_log_options {
  std::filesystem::path path;
  std::size_t segment_bytes = 8 * 1024 * 1024;  ///< holds the largest frame; a new log only
  std::uint32_t segments = 32;                  ///< the window; a new log only
  std::uint32_t spare_segments = 4;             ///< for consumers that are just being cut off; a new log only
};

struct event_log_recovery {
  std::uint64_t events = 0;  ///< found in the window
  std::uint32_t segments = 0;
  std::uint32_t damaged = 0;  ///< segments cut short or dropped because their bytes do not add up
};

class event_log {
  struct segment;

 public:
  /// Opens or creates the log, alone. `seen(host, sequence)` is called for each event found. Errors: pool_errc::busy when
  /// another relay uses it, other pool_errc, those of the kernel.
  static result<event_log> open(const event_log_options& wanted,
                                const std::function<void(std::uint32_t, std::int64_t)>& seen);

  /// Gives the frame (with a seq) the next number and commits it. Errors: errc::limit_exceeded if the frame is larger than a
  /// segment, pool_errc::full while consumers hold all spare segments: wait for room(), then try again.
  result<std::int64_t> append(std::uint32_t host, const wire::frame& frame);

  [[nodiscard]] std::int64_t last_seq() const noexcept { return next_seq_ - 1; }
  /// The oldest event of the window; last_seq() + 1 if there is none.
  [[nodiscard]] std::int64_t oldest_seq() const noexcept;
  [[nodiscard]] std::uint64_t bytes() const noexcept;  ///< of the events in the window
  [[nodiscard]] const event_log_recovery& recovery() const noexcept { return recovery_; }

  [[nodiscard]] local::condition& appended() noexcept { return *appended_; }
  [[nodiscard]] local::condition& room() noexcept { return *room_; }
  /// Called after a segment has left the window: readers in it have fallen behind.
  void on_retire(std::function<void()> call) { retired_ = std::move(call); }

  /// A place in the log. Holds its segment, so what it gathered stays where it is until the reader moves on.
  class reader {
   public:
    /// Fills `pieces` with WebSocket frames (server side, binary) that come next, the rest of a frame partly consumed first;
    /// at most about `most_bytes`. None: the reader is at the end of the log.
    std::span<iovec> gather(std::span<iovec> pieces, std::size_t most_bytes);
    /// So many bytes of what was gathered are sent.
    void consume(std::size_t bytes) noexcept;
    [[nodiscard]] bool at_border() const noexcept { return partial_ == 0; }
    /// What is left of a frame that was partly sent.
    [[nodiscard]] bytes_view rest_of_frame() const noexcept;
    /// The event that comes next, partly sent perhaps.
    [[nodiscard]] std::int64_t next_seq() const noexcept { return next_seq_; }
    /// The window has moved past the reader.
    [[nodiscard]] bool behind() const noexcept;
    /// Holds no segment any more, so that the log may use it again. The reader is of no use after this.
    void release() noexcept {
      segment_.reset();
      partial_ = 0;
    }

   private:
    friend class event_log;
    explicit reader(event_log& of) noexcept : log_(&of) {}
    bool settle();
    event_log* log_;
    std::shared_ptr<segment> segment_;
    std::size_t offset_ = 0;   // of the next record in the segment
    std::size_t partial_ = 0;  // bytes of its frame that are sent
    std::int64_t next_seq_ = 0;
  };
  /// From event `seq`, which lies in the window or is last_seq() + 1.
  [[nodiscard]] reader read_from(std::int64_t seq);

 private:
  explicit event_log(pool events, std::uint32_t segments) noexcept;
  void recover(const std::function<void(std::uint32_t, std::int64_t)>& seen);
  result<> begin_segment();
  [[nodiscard]] std::shared_ptr<segment> segment_of(std::int64_t seq) const;

  // The pool and what readers call back into stay where they are when the log moves.
  std::unique_ptr<pool> pool_;
  std::unique_ptr<local::condition> appended_;
  std::unique_ptr<local::condition> room_;
  std::deque<std::shared_ptr<segment>> segments_;
  std::uint32_t most_segments_;
  std::int64_t next_seq_ = 1;
  event_log_recovery recovery_;
  std::function<void()> retired_;
};

}  // namespace tide::relay
