// Memory that outlives the process: a file of equal blocks, mapped once, that any number of threads and up to 16 processes
// allocate from, and whose blocks come back after a crash.
//
//   struct session_state { std::uint64_t id; std::uint64_t bytes; };
//   auto pool = tide::pool::open("sessions.pool", {.type = tide::pool::type_of<session_state>()}).value();
//   for (auto& state : pool.recovered<session_state>()) resume(state);   // what the last process left
//   auto state = pool.make<session_state>(42u, 0u).value();              // outlives this process
//
// What a death leaves behind is settled by the next open; docs/pool-format.md says which promise holds under which death.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string_view>
#include <utility>

#include <tide/pool/block.hpp>
#include <tide/pool/options.hpp>
#include <tide/pool/recovered.hpp>

namespace tide {

/// Move-only. All members but open(), the move and the destructor may be called from any thread at any time. Addresses of
/// blocks never change while the pool is open, whatever grows.
class pool {
 public:
  /// The type description that options and blocks carry.
  template <pool_storable T>
  [[nodiscard]] static consteval pool_type type_of() {
    return pool_detail::type_of<T>();
  }

  /// Opens or creates a pool and settles what dead processes left: when no living process has it open, recoverable blocks
  /// become detached and all others are freed; otherwise this process joins and only the references of the dead are
  /// reclaimed. A file that is not recognised is never written to. Blocks for the time of a scan of 64 bytes a block, and up
  /// to options.patience while another process opens. Errors: pool_errc, those of the kernel.
  [[nodiscard]] static result<pool> open(const std::filesystem::path& path, const pool_options& options = {});
  /// The same for a descriptor (a memfd, an inherited one): empty files become pools when the mode allows it. The descriptor
  /// stays the caller's and is not used after the call. Needs /proc.
  [[nodiscard]] static result<pool> open(int fd, const pool_options& options = {});

  /// A block with `bytes` zeroed bytes in use, the whole block by default. Grows the pool when no block is free. Errors:
  /// too_large, full, those of the kernel when the disk is full.
  [[nodiscard]] result<block> allocate(block_kind kind = block_kind::recoverable) { return allocate(kind, block_size()); }
  [[nodiscard]] result<block> allocate(block_kind kind, std::size_t bytes) { return allocate(kind, bytes, true); }
  /// The same without zeroing: the bytes are what an earlier user left there.
  [[nodiscard]] result<block> allocate_for_overwrite(block_kind kind, std::size_t bytes) {
    return allocate(kind, bytes, false);
  }
  /// A recoverable block that holds T{arguments…}. It becomes visible to others, and to recovery, with its value whole.
  template <pool_storable T, class... Arguments>
  [[nodiscard]] result<holder<T>> make(Arguments&&... arguments) {
    const T value{std::forward<Arguments>(arguments)...};
    auto made = make_from(std::as_bytes(std::span(&value, 1)), type_of<T>());
    if (!made) return fail(made.error());
    return holder<T>(std::move(*made));
  }

  /// A reference to a block in use, held by anybody or nobody. Error: stale.
  [[nodiscard]] result<block> attach(block_handle handle);
  /// The same for a block that make<T> made. Errors: stale, wrong_type.
  template <pool_storable T>
  [[nodiscard]] result<holder<T>> attach(block_handle handle) {
    auto found = attach(handle);
    if (!found) return fail(found.error());
    if (found->type_id() != type_of<T>().id || found->size() != sizeof(T)) return fail(pool_errc::wrong_type);
    return holder<T>(std::move(*found));
  }
  /// Deletes a block that nobody holds. Errors: stale, held.
  [[nodiscard]] result<> free(block_handle handle) { return core_->free_detached(handle.number, handle.generation); }

  /// What the processes before left and nobody holds: see recovered.hpp.
  [[nodiscard]] recovered_blocks recovered() { return {*core_, 0}; }
  template <pool_storable T>
  [[nodiscard]] recovered_objects<T> recovered() {
    return recovered_objects<T>({*core_, type_of<T>().id});
  }

  /// Waits until everything written so far is on the disk: payloads and records first, then a header that says so. What a
  /// process crash needs is there without it; this is for crashes of the machine.
  [[nodiscard]] result<> sync() { return core_->sync(); }
  /// Takes back what processes that died meanwhile held; open() does it too. Returns how many blocks became free.
  [[nodiscard]] result<std::uint32_t> reclaim() { return core_->reclaim(); }
  /// Counts every block; reads all state words.
  [[nodiscard]] pool_audit audit() const { return core_->audit(); }
  /// What open() found.
  [[nodiscard]] const pool_report& report() const noexcept { return core_->report(); }

  [[nodiscard]] std::string_view name() const noexcept { return {core_->header().name, core_->header().name_length}; }
  [[nodiscard]] std::span<const std::byte, 16> uuid() const noexcept {
    return std::as_bytes(std::span<const std::uint8_t, 16>(core_->header().uuid));
  }
  [[nodiscard]] std::size_t block_size() const noexcept { return core_->header().block_size; }
  /// Blocks that exist now, as far as this process has seen.
  [[nodiscard]] std::uint32_t blocks() const noexcept { return core_->blocks(); }
  [[nodiscard]] std::uint32_t maximum_blocks() const noexcept { return core_->header().maximum_blocks; }

 private:
  explicit pool(pool_detail::core::handle core) noexcept : core_(std::move(core)) {}
  [[nodiscard]] result<block> allocate(block_kind kind, std::size_t bytes, bool zeroed);
  [[nodiscard]] result<block> make_from(std::span<const std::byte> value, pool_type type);

  pool_detail::core::handle core_;
};

}  // namespace tide
