// Reading a stream by lines or by size, and writing to it in small pieces, with few operations on the stream itself.
//
//   tide::buffered_reader reader(stream);
//   while (auto line = co_await reader.line()) { if (!*line) break; use((*line)->text); }
//
//   tide::buffered_writer writer(stream);
//   co_await writer.write_all("status: ");  co_await writer.write_all("fine\n");  co_await writer.flush();
//
// Both borrow the stream. What one gives stays valid until its next call.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string_view>
#include <system_error>

#include <tide/base/bytes.hpp>
#include <tide/base/result.hpp>
#include <tide/io/gathered.hpp>
#include <tide/io/stream.hpp>
#include <tide/runtime/task.hpp>

namespace tide {

struct text_line {
  std::string_view text;  ///< without the newline; of any bytes, a carriage return too
  bool ended = true;      ///< false for a last line without a newline
};

/// One reading task. Memory grows with the longest line, up to the limit. A cancelled call has lost nothing: the next one
/// goes on.
template <readable_stream S>
class buffered_reader {
 public:
  static constexpr std::size_t default_limit = std::size_t{1024} * 1024;
  /// Asks the stream for at least `piece` bytes at a time.
  explicit buffered_reader(S& from, std::size_t piece = std::size_t{16} * 1024) noexcept : from_(&from), piece_(piece) {}

  /// co_await: the next line, nothing at the end of the stream. errc::limit_exceeded for a line of more than `limit` bytes:
  /// it can be read on by other means, or passed over with skip_line().
  task<result<std::optional<text_line>>> line(std::size_t limit = default_limit) {
    auto piece = co_await until(std::byte{'\n'}, limit);
    if (!piece) co_return fail(piece.error());
    if (!*piece) co_return std::nullopt;
    co_return text_line{text_of((*piece)->bytes), (*piece)->whole > (*piece)->bytes.size()};
  }
  /// The same up to any byte. `whole` is one more than the size if the delimiter came.
  task<result<std::optional<found>>> until(std::byte delimiter, std::size_t limit = default_limit) {
    forget();
    for (std::size_t seen = 0;;) {
      const auto piece = find_delimited(pending_.bytes(), delimiter, limit, seen);
      if (!piece) co_return fail(piece.error());
      if (*piece) co_return give(**piece);
      seen = pending_.size();
      const auto more = co_await fill();
      if (!more) co_return fail(more.error());
      if (*more > 0) continue;
      if (pending_.size() == 0) co_return std::nullopt;
      co_return give({pending_.bytes(), pending_.size()});
    }
  }
  /// Passes over the rest of a line. errc::end_of_stream if there is no more newline.
  task<result<>> skip_line() {
    forget();
    while (true) {
      const auto piece = find_delimited(pending_.bytes(), std::byte{'\n'}, pending_.size());
      const bool ended = piece && *piece;
      pending_.take(ended ? (*piece)->whole : pending_.size());
      if (ended) co_return result<>{};
      const auto more = co_await fill();
      if (!more) co_return fail(more.error());
      if (*more == 0) co_return fail(errc::end_of_stream);
    }
  }
  /// Exactly so many bytes. errc::end_of_stream if there are fewer; nothing is taken then.
  task<result<bytes_view>> exactly(std::size_t size) {
    forget();
    while (pending_.size() < size) {
      const auto more = co_await fill(size - pending_.size());
      if (!more) co_return fail(more.error());
      if (*more == 0) co_return fail(errc::end_of_stream);
    }
    co_return give({pending_.bytes().first(size), size}).bytes;
  }
  /// As of a stream: what is here already, then the stream itself.
  task<result<std::size_t>> read_some(bytes_span into) {
    forget();
    if (pending_.size() == 0) co_return co_await from_->read_some(into);
    const std::size_t count = std::min(into.size(), pending_.size());
    std::memcpy(into.data(), pending_.bytes().data(), count);
    pending_.take(count);
    co_return count;
  }
  /// For parsers of their own: what is here, one more read, and how much of it is done with.
  [[nodiscard]] bytes_view pending() noexcept {
    forget();
    return pending_.bytes();
  }
  task<result<std::size_t>> fill(std::size_t least = 1) {
    const auto room = pending_.room(std::max(least, piece_));
    auto count = co_await from_->read_some(room);
    if (count) pending_.added(*count);
    co_return count;
  }
  void consume(std::size_t count) noexcept { given_ += count; }

 private:
  /// What was given out is done with.
  void forget() noexcept {
    pending_.take(given_);
    given_ = 0;
  }
  found give(found piece) noexcept {
    given_ = piece.whole;
    return piece;
  }
  S* from_;
  std::size_t piece_;
  gathered pending_;
  std::size_t given_ = 0;
};

/// One writing task. A stream itself as far as writing goes; a copy into it flushes before it waits for more.
template <writable_stream S>
class buffered_writer {
 public:
  explicit buffered_writer(S& to, std::size_t capacity = std::size_t{16} * 1024) noexcept : to_(&to), capacity_(capacity) {}

  /// What fits goes into the buffer; what is larger than it goes to the stream behind what is in it.
  task<result<>> write_all(bytes_view bytes) {
    if (bytes.size() > capacity_ - pending_.size()) {
      if (auto flushed = co_await flush(); !flushed) co_return flushed;
    }
    if (bytes.size() >= capacity_) co_return co_await to_->write_all(bytes);
    keep(bytes);
    co_return result<>{};
  }
  task<result<>> write_all(std::string_view text) { return write_all(bytes_of(text)); }
  task<result<std::size_t>> write_some(bytes_view bytes) {
    auto written = co_await write_all(bytes);
    if (!written) co_return fail(written.error());
    co_return bytes.size();
  }
  /// Everything goes to the stream. After an error or a cancel what the stream has not taken is still here.
  task<result<>> flush() {
    while (pending_.size() > 0) {
      const auto count = co_await to_->write_some(pending_.bytes());
      if (!count) co_return fail(count.error());
      pending_.take(*count);
    }
    co_return result<>{};
  }
  task<result<>> shutdown()
    requires half_closable_stream<S>
  {
    if (auto flushed = co_await flush(); !flushed) co_return flushed;
    co_return co_await to_->shutdown();
  }
  [[nodiscard]] std::size_t unflushed() const noexcept { return pending_.size(); }

 private:
  void keep(bytes_view bytes) {
    std::ranges::copy(bytes, pending_.room(bytes.size()).begin());
    pending_.added(bytes.size());
  }
  S* to_;
  std::size_t capacity_;
  gathered pending_;
};

}  // namespace tide
