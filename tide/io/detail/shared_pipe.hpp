// The same direction of a duplex as local_pipe.hpp, with its two sides on any two executors. Bytes move without a lock: each
// side counts for itself how far it is and publishes the count.
//
// Both counts go on for ever, so only their difference is used. The counts, the ends and the places to wait at are
// sequentially consistent: a side publishes and then looks for somebody who waits; who waits is in its place and then looks
// again. At least one sees the other, so no wake is lost. A wake without a reason may come, and only makes its waiter look.
#pragma once

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <system_error>

#include <tide/base/bytes.hpp>
#include <tide/io/detail/pipe_side.hpp>
#include <tide/io/pieces.hpp>
#include <tide/runtime/executor.hpp>

namespace tide::detail {

class shared_pipe {
 public:
  static constexpr bool across_threads = true;
  /// Who waits at a side. Its executor cannot end before it goes on.
  class hook : private mailbox_entry {
   public:
    /// Something may have changed: end, or wait again. On the thread of the one who waits.
    virtual void advance() noexcept = 0;
    /// Any thread, once for each time that it was taken from its place.
    void wake() noexcept {
      if (executor::current() == home_) return advance();
      const executor_handle there = home_->handle();  // once posted, the waiter may be gone before the wake is done
      there.post(*this);
    }
    bytes_span landing;      ///< not used between threads
    std::size_t landed = 0;  ///< always 0
    std::size_t wants = 0;   ///< not used either

   protected:
    hook() noexcept = default;
    ~hook() = default;
    void park(task_queue& queue) noexcept { home_ = &queue.home(); }

   private:
    void run() override { advance(); }
    void dropped() noexcept override {}
    executor* home_ = nullptr;
  };

  shared_pipe(std::size_t capacity, std::size_t resume_at, shared_pipe&) : ring_(capacity), resume_at_(resume_at) {}
  shared_pipe(const shared_pipe&) = delete;
  shared_pipe& operator=(const shared_pipe&) = delete;

  /// At some moment of the call.
  [[nodiscard]] std::size_t size() const noexcept {
    const std::uint64_t taken = taken_;
    return static_cast<std::size_t>(put_ - taken);
  }
  [[nodiscard]] std::size_t capacity() const noexcept { return ring_.capacity(); }
  template <bool Reads>
  [[nodiscard]] pipe_side& side() noexcept {
    return Reads ? reads_ : writes_;
  }

  // The writing side.
  [[nodiscard]] std::optional<std::error_code> refused() const noexcept {
    return refused_ ? std::optional(refused_by_) : std::nullopt;
  }
  std::size_t push(bytes_view bytes) noexcept {
    const std::size_t count = std::min(bytes.size(), free_room(bytes.size()));
    if (count == 0) return 0;
    ring_.put(put_at_, bytes.first(count));
    commit(count);
    return count;
  }
  [[nodiscard]] byte_pieces room() noexcept { return ring_.pieces(put_at_, free_room(capacity())); }
  void commit(std::size_t count) noexcept {
    if (count == 0) return;
    put_at_ = ring_.after(put_at_, count);
    put_here_ += count;
    writes_.moved(count);
    writes_.saw(static_cast<std::size_t>(put_here_ - seen_taken_));
    put_ = put_here_;
    wake(reader_);
  }
  void end(std::error_code why) noexcept {
    if (ended_) return;
    ended_by_ = why;
    ended_ = true;
    wake(reader_);
  }

  // The reading side.
  [[nodiscard]] std::optional<std::error_code> ended() const noexcept {
    return ended_ ? std::optional(ended_by_) : std::nullopt;
  }
  std::size_t pull(bytes_span into) noexcept {
    const std::size_t count = std::min(into.size(), inside(into.size()));
    if (count == 0) return 0;
    ring_.get(taken_at_, into.first(count));
    consume(count);
    return count;
  }
  [[nodiscard]] const_byte_pieces content() noexcept {
    const auto all = ring_.pieces(taken_at_, inside(capacity()));
    return {all.first, all.second};
  }
  void consume(std::size_t count) noexcept {
    if (count == 0) return;
    taken_at_ = ring_.after(taken_at_, count);
    taken_here_ += count;
    reads_.moved(count);
    taken_ = taken_here_;
    if (writer_.load() != nullptr && drained()) wake(writer_);
  }
  void refuse(std::error_code why) noexcept {
    if (refused_) return;
    refused_by_ = why;
    refused_ = true;
    wake(writer_);
  }

  // Each side for itself.
  /// True if it waits now; false if there is something to look at.
  template <bool Reads>
  [[nodiscard]] bool join(hook& waiting) noexcept {
    std::atomic<hook*>& place = Reads ? reader_ : writer_;
    assert(place.load() == nullptr && "one reader and one writer at a time");
    place = &waiting;
    const bool something = Reads ? put_ != taken_here_ || ended_ : drained() || refused_;
    return !something || !leave<Reads>(waiting);
  }
  /// False if it was taken from its place: its advance() is on its way.
  template <bool Reads>
  [[nodiscard]] bool leave(hook& waiting) noexcept {
    hook* there = &waiting;
    return (Reads ? reader_ : writer_).compare_exchange_strong(there, nullptr);
  }
  template <bool Reads>
  void close_side() noexcept {
    side<Reads>().closed = true;
    wake(Reads ? reader_ : writer_);
  }

 private:
  [[nodiscard]] bool drained() const noexcept { return put_ - taken_ <= resume_at_; }
  [[nodiscard]] std::size_t free_room(std::size_t wanted) noexcept {
    const auto known = capacity() - static_cast<std::size_t>(put_here_ - seen_taken_);
    if (known >= wanted) return known;
    seen_taken_ = taken_;
    return capacity() - static_cast<std::size_t>(put_here_ - seen_taken_);
  }
  [[nodiscard]] std::size_t inside(std::size_t wanted) noexcept {
    if (seen_put_ - taken_here_ < wanted) seen_put_ = put_;
    const auto size = static_cast<std::size_t>(seen_put_ - taken_here_);
    reads_.saw(size);
    return size;
  }
  static void wake(std::atomic<hook*>& place) noexcept {
    if (place.load() == nullptr) return;
    if (hook* const woken = place.exchange(nullptr)) woken->wake();
  }

  static constexpr std::size_t apart = 128;  // bytes: processors fetch cache lines in pairs
  const byte_ring ring_;
  const std::size_t resume_at_;
  std::error_code ended_by_;    // written before the flag of its name, read after it
  std::error_code refused_by_;  // the same
  std::atomic<bool> ended_{false};
  std::atomic<bool> refused_{false};
  std::atomic<hook*> reader_{nullptr};
  std::atomic<hook*> writer_{nullptr};
  alignas(apart) std::atomic<std::uint64_t> put_{0};
  std::uint64_t put_here_ = 0;  // from here on the writer's
  std::uint64_t seen_taken_ = 0;
  std::size_t put_at_ = 0;
  pipe_side writes_;
  alignas(apart) std::atomic<std::uint64_t> taken_{0};
  std::uint64_t taken_here_ = 0;  // from here on the reader's
  std::uint64_t seen_put_ = 0;
  std::size_t taken_at_ = 0;
  pipe_side reads_;
};

}  // namespace tide::detail
