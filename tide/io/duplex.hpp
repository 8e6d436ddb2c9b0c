// Two streams joined in memory: what one end writes the other reads, both ways, through a ring of fixed size each.
//
//   auto [client, server] = tide::duplex(64 * 1024);       // the two ends may live on two executors
//   auto [here, there] = tide::local::duplex(64 * 1024);   // both on one: no atomics, and faster
//   co_await here.write_all("question"); co_await here.shutdown();
//   auto size = co_await there.read_some(buffer);
//
// Bytes can be looked at and written where they lie, too:
//
//   auto room = co_await here.reserve();   …fill room->first…   here.commit(n);
//   auto data = co_await there.peek();     …use data->first…    there.consume(n);
//
// A write of any size goes on as the other end reads. Nothing is allocated after the two ends were made. An end that never
// has to wait still lets others run after 64 operations or 256 KiB.
#pragma once

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

#include <tide/base/bytes.hpp>
#include <tide/base/result.hpp>
#include <tide/io/detail/local_pipe.hpp>
#include <tide/io/detail/pipe_operations.hpp>
#include <tide/io/detail/shared_pipe.hpp>
#include <tide/io/stream.hpp>

namespace tide {

namespace detail {
struct pipe_access;
}

struct duplex_options {
  std::size_t capacity = std::size_t{64} * 1024;  ///< bytes from the first end to the second, 1 at least
  std::size_t capacity_back = 0;                  ///< the other way; 0: the same
  /// A writer that had to wait goes on once at most so many bytes are inside; less than both capacities. The default: as
  /// soon as there is room for a byte.
  std::size_t resume_at = static_cast<std::size_t>(-1);
};

/// One end. Move-only; one reader and one writer at a time, which may be two tasks of the end's executor. An end that goes
/// without close() tells the other one: its reads get what was written and then std::errc::broken_pipe, its writes fail.
template <class Pipe>
class basic_duplex_end {
 public:
  /// An empty one: everything fails with errc::closed.
  basic_duplex_end() noexcept = default;
  basic_duplex_end(basic_duplex_end&& other) noexcept
      : whole_(std::move(other.whole_)), in_(std::exchange(other.in_, nullptr)), out_(std::exchange(other.out_, nullptr)) {}
  basic_duplex_end& operator=(basic_duplex_end&& other) noexcept {
    std::swap(whole_, other.whole_);
    std::swap(in_, other.in_);
    std::swap(out_, other.out_);
    return *this;
  }
  ~basic_duplex_end() { finish(std::make_error_code(std::errc::broken_pipe)); }

  /// co_await: result<size_t>, 0 at the end of the stream. A cancelled read has taken nothing.
  [[nodiscard]] detail::pipe_read<Pipe> read_some(bytes_span into) noexcept { return {in_, into}; }
  /// co_await: result<size_t>; as much as there is room for, 1 byte at least.
  [[nodiscard]] detail::pipe_write<Pipe, false> write_some(bytes_view bytes) noexcept { return {out_, bytes}; }
  /// co_await: result<>. After an error or a cancel, sent().bytes tells exactly how much was taken.
  [[nodiscard]] detail::pipe_write<Pipe, true> write_all(bytes_view bytes) noexcept { return {out_, bytes}; }
  [[nodiscard]] detail::pipe_write<Pipe, true> write_all(std::string_view text) noexcept { return {out_, bytes_of(text)}; }

  /// co_await: result<const_byte_pieces>; everything that can be read now, 1 byte at least; empty at the end of the stream.
  /// The pieces stay until consume() or the next read.
  [[nodiscard]] detail::pipe_peek<Pipe> peek() noexcept { return detail::pipe_peek<Pipe>(in_); }
  /// Takes the first `count` bytes of what peek() gave.
  void consume(std::size_t count) noexcept { in_->consume(count); }
  /// co_await: result<byte_pieces>; the room that there is, 1 byte at least, until commit() or the next write.
  [[nodiscard]] detail::pipe_room<Pipe, byte_pieces> reserve() noexcept {
    return detail::pipe_room<Pipe, byte_pieces>(out_);
  }
  /// The first `count` bytes of what reserve() gave are written. 0 gives it back.
  void commit(std::size_t count) noexcept { out_->commit(count); }

  /// The other end reads what was written and then the end of the stream, or `why`. Later writes fail with errc::closed.
  ready_operation<result<>> shutdown(std::error_code why = {}) noexcept {
    if (out_ == nullptr) return ready_operation<result<>>(fail(errc::closed));
    out_->end(why);
    return ready_operation<result<>>(result<>{});
  }
  /// Reads no more: the other end's pending and later writes fail with `why`; bytes inside stay unread.
  void refuse(std::error_code why = std::make_error_code(std::errc::broken_pipe)) noexcept {
    if (in_ == nullptr) return;
    in_->refuse(why);
    in_->template close_side<true>();
  }
  /// Both, at once; what waits at this end gets errc::canceled. Without `why` the other end reads a clean end of the stream
  /// and its writes fail with std::errc::broken_pipe; with one, it gets that error from both.
  ready_operation<void> close(std::error_code why = {}) noexcept {
    finish(why);
    return {};
  }

  [[nodiscard]] explicit operator bool() const noexcept { return whole_ != nullptr; }
  /// What this end has written and read. Peak: the most bytes that it has seen in the ring.
  [[nodiscard]] const flow_statistics& sent() const noexcept { return out_->template side<false>().flow(); }
  [[nodiscard]] const flow_statistics& received() const noexcept { return in_->template side<true>().flow(); }
  /// Bytes written and not yet read by the other end, and the reverse, at some moment of the call.
  [[nodiscard]] std::size_t unsent() const noexcept { return out_->size(); }
  [[nodiscard]] std::size_t unread() const noexcept { return in_->size(); }

  struct pair {
    basic_duplex_end first;
    basic_duplex_end second;
  };
  /// Throws std::invalid_argument for a capacity of 0 and a resume_at that is not below the capacities.
  [[nodiscard]] static pair make(const duplex_options& wanted) {
    const std::size_t back = wanted.capacity_back == 0 ? wanted.capacity : wanted.capacity_back;
    const std::size_t least = wanted.capacity < back ? wanted.capacity : back;
    const bool any_room = wanted.resume_at == duplex_options{}.resume_at;
    if (least == 0) throw std::invalid_argument("duplex: no capacity");
    if (!any_room && wanted.resume_at >= least) throw std::invalid_argument("duplex: resume_at is not below the capacity");
    auto whole = std::make_shared<both_ways>(wanted.capacity, any_room ? wanted.capacity - 1 : wanted.resume_at, back,
                                             any_room ? back - 1 : wanted.resume_at);
    basic_duplex_end first(whole, whole->back, whole->there);
    return {.first = std::move(first), .second = basic_duplex_end(whole, whole->there, whole->back)};
  }

 private:
  friend detail::pipe_access;
  struct both_ways {
    both_ways(std::size_t capacity, std::size_t resume_at, std::size_t capacity_back, std::size_t resume_back_at)
        : there(capacity, resume_at, back), back(capacity_back, resume_back_at, there) {}
    Pipe there;
    Pipe back;
  };
  basic_duplex_end(std::shared_ptr<both_ways> whole, Pipe& in, Pipe& out) noexcept
      : whole_(std::move(whole)), in_(&in), out_(&out) {}
  void finish(std::error_code why) noexcept {
    if (out_ == nullptr) return;
    out_->end(why);
    in_->refuse(why ? why : std::make_error_code(std::errc::broken_pipe));
    out_->template close_side<false>();
    in_->template close_side<true>();
  }

  std::shared_ptr<both_ways> whole_;
  Pipe* in_ = nullptr;
  Pipe* out_ = nullptr;
};

/// An end for any executor: each of the two belongs to the executor of the tasks that use it.
using duplex_end = basic_duplex_end<detail::shared_pipe>;
[[nodiscard]] inline duplex_end::pair duplex(const duplex_options& wanted) { return duplex_end::make(wanted); }
/// `capacity` bytes each way.
[[nodiscard]] inline duplex_end::pair duplex(std::size_t capacity) { return duplex_end::make({.capacity = capacity}); }

namespace local {

/// Both ends belong to one executor.
using duplex_end = basic_duplex_end<detail::local_pipe>;
[[nodiscard]] inline duplex_end::pair duplex(const duplex_options& wanted) { return duplex_end::make(wanted); }
[[nodiscard]] inline duplex_end::pair duplex(std::size_t capacity) { return duplex_end::make({.capacity = capacity}); }

}  // namespace local

namespace detail {

/// For copies, which move bytes from ring to ring.
struct pipe_access {
  template <class Pipe>
  [[nodiscard]] static Pipe& in(basic_duplex_end<Pipe>& end) noexcept {
    return *end.in_;
  }
  template <class Pipe>
  [[nodiscard]] static Pipe& out(basic_duplex_end<Pipe>& end) noexcept {
    return *end.out_;
  }
};

}  // namespace detail
}  // namespace tide
