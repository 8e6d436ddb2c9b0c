// The awaitables behind tide/fs/file.hpp and paths.hpp. Users meet them as the values of their calls:
//
//   auto operation = file.read_at(0, memory);            // nothing happens yet
//   auto size = co_await std::move(operation);           // or: co_await tide::timeout(5s, file.read_at(0, memory))
#pragma once

#include <sys/stat.h>
#include <sys/uio.h>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include <tide/base/bytes.hpp>
#include <tide/base/descriptor.hpp>
#include <tide/base/result.hpp>
#include <tide/fs/aligned.hpp>
#include <tide/fs/statistics.hpp>
#include <tide/io/buffer.hpp>
#include <tide/runtime/io_operation.hpp>

struct open_how;

namespace tide::fs {

namespace detail {

/// What operations know of their file. Copied into each.
struct handle {
  int fd = -1;
  bool direct = false;
  bool polled = false;
  std::uint32_t alignment = 1;         ///< of offsets and sizes; a power of two
  std::uint32_t memory_alignment = 1;  ///< the same of addresses
};

enum class way : bool { read, write };
/// some: one request, whose result may be short. full: goes on until all is moved or the file ends. exact: its end is an
/// error.
enum class extent : std::uint8_t { some, full, exact };

/// What may go to the kernel as one request, and how a transfer goes on after a short result. For operations and for reads
/// and writes that nobody awaits.
class transfer {
 public:
  transfer(const handle& on, way which, extent until, std::uint64_t offset, std::byte* data, std::size_t size) noexcept
      : on_(on), offset_(offset), data_(data), size_(size), which_(which), until_(until) {}

  void set_bytes(std::byte* data, std::size_t size) noexcept {
    data_ = data;
    size_ = size;
  }
  /// On a ring of `home`. Memory that is registered there (registered_memory) is named by its number.
  [[nodiscard]] ring::request next(executor& home) const noexcept;
  /// Takes a result that is not -EINTR; true if there is more to do: next().
  [[nodiscard]] bool goes_on(std::int32_t result) noexcept;
  /// The last result is what counts; 0 or less where nothing was moved at all.
  [[nodiscard]] result<std::size_t> outcome(std::int32_t last) const noexcept;
  void count(std::int32_t last, fs::counters& into) const noexcept;
  [[nodiscard]] ring::ring& ring_of(executor& home) const noexcept { return on_.polled ? *home.polled_ring() : home.ring(); }
  [[nodiscard]] std::size_t done() const noexcept { return done_; }
  [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  handle on_;
  std::uint64_t offset_;
  std::byte* data_;
  std::size_t size_;
  std::size_t done_ = 0;
  way which_;
  extent until_;
};

}  // namespace detail

/// Reads or writes memory that the caller lends. Gives how much.
class transfer_operation : public io_operation {
 public:
  explicit transfer_operation(const detail::transfer& what) noexcept : io_operation(ring::request::nop()), what_(what) {}
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> caller) {
    return begin(caller, caller.promise().node());
  }
  [[nodiscard]] result<std::size_t> await_resume() const noexcept { return what_.outcome(result_code()); }

 protected:
  bool begin(std::coroutine_handle<> caller, cancel_node& node);
  detail::transfer what_;

 private:
  void complete(ring::completion said) noexcept override;
  void on_cancel() noexcept override { what_.ring_of(home()).cancel(*this); }
};

/// The same with memory that the operation owns and gives back.
template <io_buffer B>
class given_operation : public transfer_operation {
 public:
  given_operation(const detail::transfer& what, B buffer) : transfer_operation(what), buffer_(std::move(buffer)) {}
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> caller) {
    // Where it is now it stays. What is only written is only read: a transfer has one kind of pointer.
    const bytes_view bytes = readable_bytes(buffer_);
    what_.set_bytes(const_cast<std::byte*>(bytes.data()), bytes.size());
    return begin(caller, caller.promise().node());
  }
  [[nodiscard]] given<B> await_resume() { return {transfer_operation::await_resume(), std::move(buffer_)}; }

 private:
  B buffer_;
};

/// Reads into memory of the pool, aligned as the file wants it.
class slice_operation : public transfer_operation {
 public:
  slice_operation(const detail::handle& on, std::uint64_t offset, std::size_t size);
  [[nodiscard]] bool await_ready() const noexcept { return !memory_ || memory_->empty(); }
  [[nodiscard]] result<slice> await_resume() noexcept;

 private:
  result<aligned_buffer> memory_;
  std::size_t before_;  // bytes that are read although nobody asked, for the alignment
  std::size_t size_;
};

/// Gives whether it worked.
class status_operation : public io_operation {
 public:
  using io_operation::io_operation;
  [[nodiscard]] result<> await_resume() const noexcept {
    if (auto failed = error()) return fail(*failed);
    return {};
  }
};

/// Gives a number of bytes.
class size_operation : public io_operation {
 public:
  using io_operation::io_operation;
  [[nodiscard]] result<std::size_t> await_resume() const noexcept {
    if (auto failed = error()) return fail(*failed);
    return static_cast<std::size_t>(result_code());
  }
};

/// Closes. A request to cancel does not reach it: the descriptor is free in every case.
class close_operation : private ring::operation {
 public:
  explicit close_operation(int fd) noexcept : fd_(fd) {}
  close_operation(close_operation&& other) noexcept : operation(), fd_(std::exchange(other.fd_, -1)) {}
  ~close_operation();
  [[nodiscard]] bool await_ready() const noexcept { return fd_ < 0; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> caller) {
    begin(caller, caller.promise().node().queue());
  }
  /// What the file system had kept to itself: EIO, ENOSPC, EDQUOT of earlier writes on some.
  [[nodiscard]] result<> await_resume() const noexcept;

 private:
  void begin(std::coroutine_handle<> caller, task_queue& queue);
  void complete(ring::completion said) noexcept override;
  int fd_;
  std::int32_t said_ = 0;
  std::coroutine_handle<> caller_;
  task_queue* queue_ = nullptr;
};

namespace detail {

/// Paths and what goes with them, kept until the operation ends.
struct path_arguments {
  int at = -1;
  std::string path;
  int to_at = -1;
  std::string to;
  unsigned flags = 0;
  mode_t mode = 0;
};

class open_operation final : public io_operation {
 public:
  open_operation(int at, const std::string& path, open_how& how) noexcept;
  [[nodiscard]] result<descriptor> await_resume() const noexcept {
    if (auto failed = error()) return fail(*failed);
    return descriptor(result_code());
  }
};

class statx_operation final : public io_operation {
 public:
  statx_operation(int at, const char* path, int flags, struct statx& into) noexcept;
  [[nodiscard]] result<> await_resume() const noexcept {
    if (auto failed = error()) return fail(*failed);
    return {};
  }
};

}  // namespace detail

/// Something with paths, which it owns.
class path_operation : public status_operation {
 public:
  using build = ring::request (*)(const detail::path_arguments&) noexcept;
  path_operation(build make, detail::path_arguments with) noexcept
      : status_operation(ring::request::nop()), make_(make), with_(std::move(with)) {}
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> caller) {
    return start(caller, caller.promise().node());
  }

 private:
  bool start(std::coroutine_handle<> caller, cancel_node& node);
  build make_;
  detail::path_arguments with_;
};

}  // namespace tide::fs
