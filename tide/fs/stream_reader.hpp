// A file from one end to the other, read ahead of who asks.
//
//   tide::fs::stream_reader reading(file);                        // 4 reads of 128 KiB under way
//   while (true) {
//     auto piece = co_await reading.next();                       // result<slice>: no copy
//     if (!piece || piece->empty()) break;                        // an error, or the end
//     use(piece->bytes());
//   }
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>

#include <tide/base/bytes.hpp>
#include <tide/base/result.hpp>
#include <tide/fs/aligned.hpp>
#include <tide/fs/file.hpp>
#include <tide/runtime/task.hpp>

namespace tide::fs {

struct read_stream_options {
  std::uint64_t offset = 0;                                        ///< of the first byte
  std::uint64_t size = std::numeric_limits<std::uint64_t>::max();  ///< at most so many bytes
  std::size_t buffer = 131'072;                                    ///< bytes of one read; rounded up to what the file wants
  unsigned ahead = 4;                                              ///< reads under way or not yet taken; at least one
};

/// Move-only; belongs to the file's executor. The file stays open as long as it. One call at a time. When it goes, reads
/// under way are cancelled and nobody waits for them.
class stream_reader {
 public:
  explicit stream_reader(const file& from, const read_stream_options& wanted = {});
  stream_reader(stream_reader&&) noexcept;
  stream_reader& operator=(stream_reader&&) noexcept;
  ~stream_reader();

  /// The next bytes, as many as one read brought. Empty: the end of the file, or of `size`; what is added to the file after
  /// the end was seen is not read. After an error every call gives it again; errc::canceled is none and loses nothing.
  task<result<slice>> next();
  /// Copies: fills `into`, or less at the end. 0: the end.
  task<result<std::size_t>> read(bytes_span into);
  /// Leaves out `count` bytes, without reading what has not been read yet.
  void skip(std::uint64_t count);
  /// Of the next byte.
  [[nodiscard]] std::uint64_t position() const noexcept;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace tide::fs
