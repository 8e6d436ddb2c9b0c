// A file written from one end to the other, behind the back of who writes.
//
//   tide::fs::stream_writer writing(std::move(file));             // up to 4 writes of 128 KiB under way
//   co_await writing.write("line\n");                             // copies; waits only while all buffers are under way
//   co_await writing.close();                                     // all is in the file, and on the device
//
// A write that fails, or that the file system takes only a part of, is heard of at the next write, flush, sync or close, and
// at each from then on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include <tide/base/bytes.hpp>
#include <tide/base/result.hpp>
#include <tide/fs/file.hpp>
#include <tide/fs/sealed_file.hpp>
#include <tide/runtime/task.hpp>

namespace tide::fs {

struct write_stream_options {
  std::uint64_t offset = 0;      ///< of the first byte; of a direct file a multiple of its alignment
  std::size_t buffer = 131'072;  ///< bytes of one write; rounded up to what the file wants
  unsigned behind = 4;           ///< writes under way; at least one
  bool sync_on_close = true;     ///< close() does as sync() before
};

/// Move-only; belongs to the file's executor. One call at a time. The file ends where the stream ends: what was behind is
/// cut off by sync and close (and by flush, where a direct file was filled up to a block). One that goes without close()
/// leaves what it has begun to write, and loses what is in its buffer; nothing waits for that.
class stream_writer {
 public:
  explicit stream_writer(file to, const write_stream_options& wanted = {});
  stream_writer(stream_writer&&) noexcept;
  stream_writer& operator=(stream_writer&&) noexcept;
  ~stream_writer();

  /// Takes all of `bytes`, or fails. After a cancel position() says how much was taken.
  task<result<>> write(bytes_view bytes);
  task<result<>> write(std::string_view text) { return write(bytes_of(text)); }
  /// The same without copying, where it is of whole blocks of the file and begins where a buffer would: fill those of
  /// aligned_buffer::make and hand them over.
  task<result<>> write(aligned_buffer&& bytes) { return write_given(std::move(bytes)); }
  /// Everything that was written is in the file, for every reader of it.
  task<result<>> flush();
  /// And, with the size, on the device (fdatasync(2)).
  task<result<>> sync();
  /// Flushes, cuts the file off, syncs if so wanted, and frees the descriptor: that in every case. The first error there
  /// was.
  task<result<>> close();
  /// The same without freeing the descriptor: what was written can be read, and nobody writes to it any more. Write-only
  /// files make sealed files that cannot be read.
  task<result<sealed_file>> seal();

  /// Of the next byte.
  [[nodiscard]] std::uint64_t position() const noexcept;

 private:
  struct state;
  task<result<>> write_given(aligned_buffer bytes);
  task<result<>> finish(bool sync);
  std::unique_ptr<state> state_;
};

}  // namespace tide::fs
