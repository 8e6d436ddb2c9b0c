// One direction of a duplex whose two ends live on one executor: a ring of bytes, and a place for each side to wait at. No
// atomics; a side that waits is served by the other one's step, so it sleeps once however often the ring fills.
//
//   pipe.push(bytes);  pipe.end({});            // the writing side
//   pipe.pull(into);   pipe.refuse(why);        // the reading side
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstring>
#include <new>
#include <optional>
#include <system_error>
#include <utility>

#include <tide/base/bytes.hpp>
#include <tide/io/detail/pipe_side.hpp>
#include <tide/io/pieces.hpp>
#include <tide/runtime/executor.hpp>

namespace tide::detail {

/// Told when a writer has to wait for room.
class pipe_listener {
 public:
  virtual void writer_waits() noexcept = 0;

 protected:
  ~pipe_listener() = default;
};

class local_pipe {
 public:
  static constexpr bool across_threads = false;
  /// Who waits at a side.
  class hook {
   public:
    /// Something has changed: end, or wait again.
    virtual void advance() noexcept = 0;
    bytes_span landing;      ///< of a read: where bytes may be put without the ring
    std::size_t landed = 0;  ///< how many were
    std::size_t wants = 0;   ///< of a write: bytes that are left
    /// Of a copy that waits for bytes to pass on: they may land where that pipe's reader waits, and are counted here.
    local_pipe* through = nullptr;
    virtual void passed(std::size_t) noexcept {}

   protected:
    hook() noexcept = default;
    ~hook() = default;
    void park(task_queue&) noexcept {}
  };

  local_pipe(std::size_t capacity, std::size_t resume_at, local_pipe& back)
      : ring_(capacity), resume_room_(capacity - resume_at), back_(back) {}
  local_pipe(const local_pipe&) = delete;
  local_pipe& operator=(const local_pipe&) = delete;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return ring_.capacity(); }
  template <bool Reads>
  [[nodiscard]] pipe_side& side() noexcept {
    return Reads ? reads_ : writes_;
  }

  // The writing side.
  /// Why nothing is read any more.
  [[nodiscard]] const std::optional<std::error_code>& refused() const noexcept { return refused_; }
  std::size_t push(bytes_view bytes) noexcept {
    if (const bytes_span place = landing(); !place.empty()) return hand_over(place, bytes);
    const std::size_t count = std::min(bytes.size(), capacity() - size_);
    if (count == 0) return 0;
    ring_.put(ring_.after(head_, size_), bytes.first(count));
    commit(count);
    return count;
  }
  [[nodiscard]] byte_pieces room() noexcept {
    reserved_ = true;
    return ring_.pieces(ring_.after(head_, size_), capacity() - size_);
  }
  void commit(std::size_t count) noexcept {
    assert(count <= capacity() - size_);
    reserved_ = false;
    if (count == 0) return;
    size_ += count;
    writes_.moved(count);
    writes_.saw(size_);
    wake(reader_);
  }
  /// Once; then the reader gets what is inside and after it `why`, or the end of the stream.
  void end(std::error_code why) noexcept {
    if (ended_) return;
    ended_ = why;
    wake(reader_);
  }

  // The reading side.
  /// What comes after the last byte, once it is known: an error, or the end of the stream (no error).
  [[nodiscard]] const std::optional<std::error_code>& ended() const noexcept { return ended_; }
  std::size_t pull(bytes_span into) noexcept {
    const std::size_t count = std::min(into.size(), size_);
    if (count == 0) return 0;
    ring_.get(head_, into.first(count));
    consume(count);
    return count;
  }
  [[nodiscard]] const_byte_pieces content() noexcept {
    peeked_ = size_ > 0;
    const auto all = ring_.pieces(head_, size_);
    return {all.first, all.second};
  }
  void consume(std::size_t count) noexcept {
    assert(count <= size_);
    peeked_ = false;
    if (back_.writer_ != nullptr) back_.split_ = true;
    if (count == 0) return;
    reads_.saw(size_);
    size_ -= count;
    head_ = size_ == 0 && !reserved_ ? 0 : ring_.after(head_, count);
    reads_.moved(count);
    if (capacity() - size_ >= resume_room_) wake(writer_);
  }
  /// Nothing is read any more: pending and later writes fail with `why`.
  void refuse(std::error_code why) noexcept {
    if (refused_) return;
    refused_ = why;
    wake(writer_);
  }

  // Either side.
  template <bool Reads>
  [[nodiscard]] bool join(hook& waiting) noexcept {
    assert((Reads ? reader_ : writer_) == nullptr && "one reader and one writer at a time");
    if constexpr (Reads) {
      reader_ = &waiting;
      if (back_.writer_ != nullptr) back_.split_ = true;
    } else {
      writer_ = &waiting;
      if (back_.reader_ != nullptr) split_ = true;
      if (listener_ != nullptr) listener_->writer_waits();
    }
    return true;
  }
  template <bool Reads>
  [[nodiscard]] bool leave(hook&) noexcept {
    (Reads ? reader_ : writer_) = nullptr;
    return true;
  }
  /// The side has closed itself: whoever waits there ends.
  template <bool Reads>
  void close_side() noexcept {
    side<Reads>().closed = true;
    wake(Reads ? reader_ : writer_);
  }

  // For copies between two duplexes of one executor.
  void listen(pipe_listener* who) noexcept { listener_ = who; }
  /// Its writer waits in a full ring, and has never read while it wrote.
  [[nodiscard]] bool writer_is_stuck() const noexcept {
    return writer_ != nullptr && !split_ && size_ == capacity() && !refused_;
  }
  [[nodiscard]] std::size_t writer_wants() const noexcept { return writer_ == nullptr ? 0 : writer_->wants; }
  [[nodiscard]] bool full_and_unread() const noexcept { return size_ == capacity() && reader_ == nullptr; }
  /// As much of what is in here as `to` has room for.
  std::size_t move_to(local_pipe& to) noexcept {
    if (const std::size_t count = swap_into(to); count > 0) return count;
    const auto all = ring_.pieces(head_, size_);
    std::size_t count = to.push(all.first);
    if (count == all.first.size()) count += to.push(all.second);
    if (count > 0) consume(count);
    return count;
  }
  /// Changes rings with `to` if all that is in here can go at once and nobody looks into either: the bytes move, none is
  /// copied.
  std::size_t swap_into(local_pipe& to) noexcept {
    if (to.size_ != 0 || to.capacity() != capacity() || !to.landing().empty() || busy() || to.busy()) return 0;
    const std::size_t count = size_;
    std::swap(ring_, to.ring_);
    to.head_ = std::exchange(head_, 0);
    size_ = count;  // until they are counted as consumed
    to.commit(count);
    consume(count);
    return count;
  }
  /// A larger ring; false while somebody looks into this one, or if there is no memory for it.
  [[nodiscard]] bool grow(std::size_t capacity) noexcept;

 private:
  /// Where bytes may be put without the ring: before a reader that waits for them, here or behind copies that wait, too.
  [[nodiscard]] bytes_span landing() const noexcept {
    if (size_ != 0 || reader_ == nullptr) return {};
    return reader_->through == nullptr ? reader_->landing : reader_->through->landing();
  }
  std::size_t hand_over(bytes_span place, bytes_view bytes) noexcept {
    const std::size_t count = std::min(bytes.size(), place.size());
    if (count == 0) return 0;
    std::memcpy(place.data(), bytes.data(), count);
    land(count);
    return count;
  }
  void land(std::size_t count) noexcept {
    writes_.moved(count);
    reads_.moved(count);
    if (reader_->through != nullptr) {  // the copy waits on
      reader_->passed(count);
      return reader_->through->land(count);
    }
    reader_->landed = count;
    wake(reader_);
  }
  static void wake(hook*& waiting) noexcept {
    if (hook* const woken = std::exchange(waiting, nullptr)) woken->advance();
  }
  [[nodiscard]] bool busy() const noexcept { return peeked_ || reserved_; }

  byte_ring ring_;
  std::size_t head_ = 0;
  std::size_t size_ = 0;
  const std::size_t resume_room_;  // for a writer that has waited
  bool peeked_ = false;            // somebody holds pieces of what is inside
  bool reserved_ = false;          // or of the room
  bool split_ = false;             // the writer's end is read while it writes: two tasks
  hook* reader_ = nullptr;
  hook* writer_ = nullptr;
  pipe_listener* listener_ = nullptr;
  std::optional<std::error_code> ended_;
  std::optional<std::error_code> refused_;
  pipe_side reads_;
  pipe_side writes_;
  local_pipe& back_;  // the other direction
};

inline bool local_pipe::grow(std::size_t capacity) noexcept {
  if (busy() || capacity <= this->capacity()) return false;
  try {
    byte_ring larger(capacity);
    ring_.get(head_, larger.pieces(0, size_).first);
    std::swap(ring_, larger);
  } catch (const std::bad_alloc&) {
    return false;
  }
  head_ = 0;
  wake(writer_);
  return true;
}

}  // namespace tide::detail
