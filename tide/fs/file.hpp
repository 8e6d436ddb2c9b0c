// Files on the ring, through the page cache or past it.
//
//   auto file = co_await tide::fs::file::open("data", {.access = tide::fs::access::read_write, .create = true});
//   co_await file->write_all_at(0, tide::bytes_of("hello"));
//   co_await file->sync_data();
//   auto word = co_await file->read(1, 3);            // result<slice>: any offset and size, direct files too
//   co_await file->close();
//
// Every operation may be cancelled through its scope or a timeout and then gives errc::canceled or errc::timed_out; the
// kernel cannot always stop what a device has begun, and then the operation ends when that does.
#pragma once

#include <sys/uio.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include <tide/base/bytes.hpp>
#include <tide/base/descriptor.hpp>
#include <tide/base/result.hpp>
#include <tide/fs/aligned.hpp>
#include <tide/fs/lock.hpp>
#include <tide/fs/operations.hpp>
#include <tide/fs/options.hpp>
#include <tide/io/buffer.hpp>
#include <tide/runtime/task.hpp>

namespace tide::fs {

/// What statx(2) says.
struct metadata {
  std::uint64_t size = 0;       ///< bytes
  std::uint64_t allocated = 0;  ///< bytes on the device
  std::uint64_t inode = 0;
  std::uint64_t device = 0;  ///< major << 32 | minor
  std::uint32_t links = 0;
  std::uint32_t owner = 0;
  std::uint32_t group = 0;
  mode_t mode = 0;  ///< with the type: S_ISDIR(mode)
  std::chrono::sys_time<std::chrono::nanoseconds> modified{};
  std::chrono::sys_time<std::chrono::nanoseconds> changed{};
  std::chrono::sys_time<std::chrono::nanoseconds> accessed{};
  std::chrono::sys_time<std::chrono::nanoseconds> born{};  ///< the epoch where the file system does not know
};

/// What a program is going to do with a part of a file; see posix_fadvise(2).
enum class advice : std::uint8_t { normal, random, sequential, will_need, dont_need, no_reuse };

/// A file that belongs to no executor, to be sent to another thread: file::duplicate there, file::adopt here.
struct detached_file {
  descriptor fd;
  detail::handle how;
};

/// An open file. Move-only; belongs to the executor that opened it. When it goes the descriptor is closed through the ring,
/// at once and without waiting, and nothing may be pending then. Any number of operations may be under way. A
/// std::shared_ptr<file> is a handle for several tasks, and its weak_ptr one that does not keep the file open.
class file {
 public:
  file() noexcept = default;
  file(file&& other) noexcept : on_(std::exchange(other.on_, {})) {}
  file& operator=(file&& other) noexcept {
    std::swap(on_, other.on_);
    return *this;
  }
  ~file();

  /// Errors of openat2(2). Two requests where a direct file is opened, one else; no other system call.
  static task<result<file>> open(place where, open_options wanted = {});
  /// Takes over what another executor duplicated.
  static file adopt(detached_file&& from) noexcept;
  /// Takes over a descriptor, which is not opened for direct transfers.
  static file adopt(descriptor&& fd) noexcept;
  /// The same open file (offsets of its own aside, everything is shared, locks too) for another executor.
  [[nodiscard]] result<detached_file> duplicate() const noexcept;

  /// As much as there is, up to the size of `into`: it may be less. 0: the end of the file. Of a direct file offset, size
  /// and address must fit alignment() and memory_alignment(): std::errc::invalid_argument else. The caller lends the memory.
  [[nodiscard]] transfer_operation read_at(std::uint64_t offset, bytes_span into) const noexcept {
    return transfer_operation(transfer_of(detail::way::read, detail::extent::some, offset, into));
  }
  /// The same into a buffer that the caller gives and gets back: auto [size, buffer] = co_await read_at(0,
  /// std::move(buffer)).
  template <class B>
    requires io_buffer<B> && (!std::is_lvalue_reference_v<B>) && (!std::is_const_v<B>)
  [[nodiscard]] given_operation<B> read_at(std::uint64_t offset, B&& buffer) const {
    return {transfer_of(detail::way::read, detail::extent::some, offset, {}), std::forward<B>(buffer)};
  }
  /// All of `into`; errc::end_of_stream if the file ends before. What a direct file wants of read_at it wants here.
  [[nodiscard]] transfer_operation read_exactly_at(std::uint64_t offset, bytes_span into) const noexcept {
    return transfer_operation(transfer_of(detail::way::read, detail::extent::exact, offset, into));
  }
  template <class B>
    requires io_buffer<B> && (!std::is_lvalue_reference_v<B>) && (!std::is_const_v<B>)
  [[nodiscard]] given_operation<B> read_exactly_at(std::uint64_t offset, B&& buffer) const {
    return {transfer_of(detail::way::read, detail::extent::exact, offset, {}), std::forward<B>(buffer)};
  }
  /// Any offset and size: less than asked for only where the file ends, empty behind that. Of a direct file the blocks
  /// around are read too; the slice shows what was asked for.
  [[nodiscard]] slice_operation read(std::uint64_t offset, std::size_t size) const { return {on_, offset, size}; }
  /// preadv(2): as much as there is into several pieces, at most IOV_MAX (1024). The caller keeps pieces and memory alive.
  [[nodiscard]] size_operation read_vectored(std::uint64_t offset, std::span<const iovec> pieces) const noexcept;

  /// May write less than `bytes`. The caller lends; a direct file wants what read_at says.
  [[nodiscard]] transfer_operation write_at(std::uint64_t offset, bytes_view bytes) const noexcept {
    return transfer_operation(transfer_of(detail::way::write, detail::extent::some, offset, writable(bytes)));
  }
  template <class B>
    requires io_buffer<B> && (!std::is_lvalue_reference_v<B>) && (!std::is_const_v<B>)
  [[nodiscard]] given_operation<B> write_at(std::uint64_t offset, B&& buffer) const {
    return {transfer_of(detail::way::write, detail::extent::some, offset, {}), std::forward<B>(buffer)};
  }
  /// Writes everything. On error or cancel a part may have been written.
  [[nodiscard]] transfer_operation write_all_at(std::uint64_t offset, bytes_view bytes) const noexcept {
    return transfer_operation(transfer_of(detail::way::write, detail::extent::exact, offset, writable(bytes)));
  }
  [[nodiscard]] transfer_operation write_all_at(std::uint64_t offset, std::string_view text) const noexcept {
    return write_all_at(offset, bytes_of(text));
  }
  template <class B>
    requires io_buffer<B> && (!std::is_lvalue_reference_v<B>) && (!std::is_const_v<B>)
  [[nodiscard]] given_operation<B> write_all_at(std::uint64_t offset, B&& buffer) const {
    return {transfer_of(detail::way::write, detail::extent::exact, offset, {}), std::forward<B>(buffer)};
  }
  [[nodiscard]] size_operation write_vectored(std::uint64_t offset, std::span<const iovec> pieces) const noexcept;

  /// fsync(2): what was written, and the metadata, is on the device.
  [[nodiscard]] status_operation sync() const noexcept;
  /// fdatasync(2): what was written, and the metadata that is needed to read it again, the size too.
  [[nodiscard]] status_operation sync_data() const noexcept;
  /// sync_file_range(2) with its flags: starts or awaits writing the pages of a part; no promise after a power failure.
  [[nodiscard]] status_operation sync_range(std::uint64_t offset, std::uint64_t size, int flags) const noexcept;

  /// Space for a part of the file, and the size with it unless `keep_size`. Errors of fallocate(2).
  [[nodiscard]] status_operation allocate(std::uint64_t offset, std::uint64_t size, bool keep_size = false) const noexcept;
  /// Gives the space back; the part reads as zeros, the size stays.
  [[nodiscard]] status_operation punch_hole(std::uint64_t offset, std::uint64_t size) const noexcept;
  /// ftruncate(2): through the ring on Linux 6.9, on a thread of the blocking pool before.
  task<result<>> truncate(std::uint64_t size) const;
  task<result<metadata>> status() const;
  task<result<std::uint64_t>> size() const;

  [[nodiscard]] status_operation advise(std::uint64_t offset, std::uint64_t size, advice about) const noexcept;
  /// How much XFS and ext4 set aside at a time when the file grows; std::errc::not_supported and the like elsewhere. Blocks
  /// a thread of the pool.
  task<result<>> hint_extent_size(std::uint32_t bytes) const;

  /// An advisory lock on a part (size 0: up to the end, however far that moves), held by this open file and its duplicates
  /// until the guard goes. std::errc::resource_unavailable_try_again: somebody else has it. See lock.hpp.
  [[nodiscard]] result<file_lock> try_lock(lock_kind kind, std::uint64_t offset = 0, std::uint64_t size = 0) const noexcept {
    return file_lock::attempt(on_.fd, kind, offset, size);
  }
  /// The same, waiting for it.
  [[nodiscard]] task<result<file_lock>> lock(lock_kind kind, std::uint64_t offset = 0, std::uint64_t size = 0) const {
    return file_lock::take(on_.fd, kind, offset, size);
  }

  /// Frees the descriptor, also if the scope is cancelled, and says what the file system kept to itself until now. Nothing
  /// may be pending.
  [[nodiscard]] close_operation close() noexcept;

  [[nodiscard]] explicit operator bool() const noexcept { return on_.fd >= 0; }
  /// True if transfers go past the page cache: false where it was asked for and the file system does not (some network
  /// and memory file systems).
  [[nodiscard]] bool direct() const noexcept { return on_.direct; }
  [[nodiscard]] bool polled() const noexcept { return on_.polled; }
  /// Of offsets and sizes of a direct file, in bytes (STATX_DIOALIGN; where the kernel does not say: 4096); 1 for others.
  [[nodiscard]] std::size_t alignment() const noexcept { return on_.alignment; }
  /// The same of addresses.
  [[nodiscard]] std::size_t memory_alignment() const noexcept { return on_.memory_alignment; }
  [[nodiscard]] int native_handle() const noexcept { return on_.fd; }
  /// For what stands beside the file in this room.
  [[nodiscard]] const detail::handle& internals() const noexcept { return on_; }

 private:
  explicit file(const detail::handle& on) noexcept : on_(on) {}
  static bytes_span writable(bytes_view bytes) noexcept {
    return {const_cast<std::byte*>(bytes.data()), bytes.size()};  // a transfer has one kind of pointer; a write only reads
  }
  [[nodiscard]] detail::transfer transfer_of(detail::way which, detail::extent until, std::uint64_t offset,
                                             bytes_span bytes) const noexcept {
    return {on_, which, until, offset, bytes.data(), bytes.size()};
  }
  task<result<>> learn_alignment();
  task<> try_polling();
  void count_closed() noexcept;

  detail::handle on_;
};

/// Moves bytes between two descriptors one of which is a pipe, without copying them; an offset of -1: the descriptor's own
/// position. Gives how many; 0: the end. See splice(2) for the flags.
[[nodiscard]] size_operation splice(int from, std::int64_t from_offset, int to, std::int64_t to_offset, std::size_t size,
                                    unsigned flags = 0) noexcept;

/// Copies a part of a file into another, or to another place in it, inside the kernel, which may share the blocks instead:
/// copy_file_range(2) on a thread of the blocking pool. Gives how many bytes; fewer than `size` where `from` ends.
task<result<std::uint64_t>> copy(const file& from, std::uint64_t from_offset, const file& to, std::uint64_t to_offset,
                                 std::uint64_t size);

}  // namespace tide::fs
