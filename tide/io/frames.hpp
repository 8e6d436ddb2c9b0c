// Messages of any bytes on a stream: each is its size in 4 bytes, the highest first, and then itself. No byte is special.
//
//   tide::frame_writer out(stream, {.limit = 1 << 20});
//   co_await out.write(payload);  co_await out.flush();
//
//   tide::frame_reader in(stream, {.limit = 1 << 20});
//   while (auto frame = co_await in.next()) { if (!*frame) break; use(**frame); }
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <tide/base/bytes.hpp>
#include <tide/base/result.hpp>
#include <tide/io/buffered.hpp>
#include <tide/io/gathered.hpp>
#include <tide/io/stream.hpp>
#include <tide/runtime/task.hpp>

namespace tide {

struct frame_options {
  std::size_t limit = std::size_t{1024} * 1024;  ///< bytes of a frame, without its size; 2^32 - 1 at most
};

template <readable_stream S>
class frame_reader {
 public:
  explicit frame_reader(S& from, frame_options wanted = {}) noexcept : reader_(from), limit_(wanted.limit) {}

  /// co_await: the next frame, until the next call; nothing at the end of the stream. errc::end_of_stream if that is inside
  /// a frame. errc::limit_exceeded for a frame above the limit, before any memory is made for it: skip() passes over it. A
  /// cancelled call has lost nothing.
  task<result<std::optional<bytes_view>>> next() {
    while (true) {
      const auto frame = find_frame(reader_.pending(), limit_);
      if (!frame) co_return fail(frame.error());
      if (*frame) {
        reader_.consume((*frame)->whole);
        co_return (*frame)->bytes;
      }
      const auto more = co_await reader_.fill(missing());
      if (!more) co_return fail(more.error());
      if (*more > 0) continue;
      if (reader_.pending().empty()) co_return std::nullopt;
      co_return fail(errc::end_of_stream);
    }
  }
  /// After errc::limit_exceeded: reads the frame and forgets it.
  task<result<>> skip() {
    std::size_t left = frame_header + frame_size(reader_.pending());
    while (left > reader_.pending().size()) {
      left -= reader_.pending().size();
      reader_.consume(reader_.pending().size());
      const auto more = co_await reader_.fill();
      if (!more) co_return fail(more.error());
      if (*more == 0) co_return fail(errc::end_of_stream);
    }
    reader_.consume(left);
    co_return result<>{};
  }

 private:
  /// Bytes of the frame that is not whole; its size is within the limit.
  [[nodiscard]] std::size_t missing() noexcept {
    const bytes_view here = reader_.pending();
    return here.size() < frame_header ? frame_header - here.size() : frame_header + frame_size(here) - here.size();
  }
  buffered_reader<S> reader_;
  std::size_t limit_;
};

template <writable_stream S>
class frame_writer {
 public:
  explicit frame_writer(S& to, frame_options wanted = {}) noexcept : writer_(to), limit_(wanted.limit) {}

  /// Into the buffer, and further when that is full. errc::limit_exceeded, with nothing written, for one above the limit.
  /// After any other error the stream may hold a part of a frame.
  task<result<>> write(bytes_view payload) {
    if (payload.size() > limit_ || payload.size() > UINT32_MAX) co_return fail(errc::limit_exceeded);
    std::array<std::byte, frame_header> header;
    put_frame_size(header, static_cast<std::uint32_t>(payload.size()));
    if (auto written = co_await writer_.write_all(bytes_view(header)); !written) co_return written;
    co_return co_await writer_.write_all(payload);
  }
  task<result<>> flush() { return writer_.flush(); }

 private:
  buffered_writer<S> writer_;
  std::size_t limit_;
};

}  // namespace tide
