// The receiving half of a stream: one receive that stays with the kernel and brings bytes as they arrive, a pooled buffer at
// a time. A request and a poll are spared for each message; an awaiting coroutine only looks here.
//
//   if (!receiver.ready()) receiver.wait(reader, executor);   // calls reader.received() once it is
//   tide::result<tide::chunk> next = receiver.take();
//
// Bytes that nobody waits for are kept, a few buffers of them, then the kernel is asked to pause: the rest waits in the
// socket and the peer feels it. They never hold up others: when the pool runs dry they move out of its buffers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <tide/base/bytes.hpp>
#include <tide/base/result.hpp>
#include <tide/io/buffer_pool.hpp>
#include <tide/ring/completion.hpp>

namespace tide::net::detail {

/// Somebody who waits for a receiver.
class reader {
 public:
  /// Something can be taken, or the kernel has paused as was asked. May resume a coroutine and may end the receiver.
  virtual void received() noexcept = 0;
  /// The same from where nothing may be resumed.
  virtual void received_later() noexcept = 0;

 protected:
  ~reader() = default;
};

/// Of one stream, on one executor, for one reader at a time. Made by new; goes by abandon().
class receiver final : public ring::operation, private starved, private hoarder {
 public:
  explicit receiver(int fd) noexcept : fd_(fd) {}

  /// True if take() gives something: bytes, the end of the stream, an error.
  [[nodiscard]] bool ready() const noexcept { return unread() != 0 || outcome_.has_value(); }
  /// True if bytes come or have come this way, so that a plain receive would take others out of their order.
  [[nodiscard]] bool active() const noexcept { return ready() || in_flight() || starved::linked(); }
  /// True if another executor than `here` has it under way. An assertion that fails, where assertions are on.
  [[nodiscard]] bool elsewhere(const executor& here) const noexcept;
  /// Only if ready(). An empty chunk is the end of the stream.
  result<chunk> take() noexcept;
  /// The same into memory, as recv(2) gives it: bytes, 0 or -errno. What does not fit stays.
  std::int32_t take_into(bytes_span memory) noexcept;

  /// Only if not ready(): tells `who` once it is. Errors: what the executor's buffer_pool could not be made for.
  result<> wait(reader& who, executor& home);
  /// Only if not ready(), for one who will receive without this: tells `who` once the kernel has paused, or something can be
  /// taken after all. False if the kernel has nothing of this under way.
  [[nodiscard]] bool pause(reader& who);
  /// The reader waits no more. What arrives is kept for the next one.
  void leave() noexcept;
  /// The stream is about to cancel all that is under way on its descriptor.
  void close() noexcept;
  /// Frees this, now or when the kernel has let go of it.
  void abandon() noexcept;

 private:
  static constexpr std::size_t most_unread = 4;  // buffers; the kernel may bring a few more before it pauses

  void complete(ring::completion said) noexcept override;
  void buffers_returned() noexcept override { arm(); }
  void give_up_buffers() noexcept override;

  void arm() noexcept;
  void ask_to_pause() noexcept;
  void keep(chunk bytes);
  void drop_first() noexcept;
  void hand_over() noexcept { std::exchange(reader_, nullptr)->received(); }
  [[nodiscard]] std::size_t unread() const noexcept { return kept_.size() - taken_; }

  int fd_;
  bool pausing_ = false;       // the kernel was asked to pause
  bool plain_reader_ = false;  // reader_ wants the pause, not the bytes
  bool abandoned_ = false;
  std::optional<std::int32_t> outcome_;  // what comes after the bytes: 0 or -errno
  executor* home_ = nullptr;
  buffer_pool* pool_ = nullptr;  // lives as long as anything is in flight
  reader* reader_ = nullptr;
  std::vector<chunk> kept_;  // those before taken_ have gone
  std::size_t taken_ = 0;
};

struct abandon_receiver {
  void operator()(receiver* ended) const noexcept { ended->abandon(); }
};
using receiver_ptr = std::unique_ptr<receiver, abandon_receiver>;

}  // namespace tide::net::detail
