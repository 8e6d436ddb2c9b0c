// A held block of a pool: plain bytes that outlive the process, and the reference that keeps them from being reused.
//
//   tide::block entry = pool.allocate(tide::block_kind::recoverable, 4096).value();
//   std::memcpy(entry.data(), record.data(), record.size());
//   tide::block_handle where = entry.handle();   // number and generation: small, copyable, may be stored in other blocks
//   entry.persist();                             // the block stays; pool.attach(where) finds it again
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include <tide/base/bytes.hpp>
#include <tide/pool/detail/core.hpp>
#include <tide/pool/error.hpp>
#include <tide/pool/type.hpp>

namespace tide {

class pool;
template <pool_storable T>
class holder;

/// What names a block for ever: a number is used again, a number and its generation never are.
struct block_handle {
  static constexpr std::uint32_t no_number = 0xffffffff;

  std::uint32_t number = no_number;
  std::uint32_t reserved = 0;  ///< makes the handle 16 bytes without holes, so that it may be stored in blocks
  std::uint64_t generation = 0;

  [[nodiscard]] explicit operator bool() const noexcept { return number != no_number; }
  friend bool operator==(const block_handle&, const block_handle&) = default;
};

enum class block_kind : std::uint8_t {
  recoverable,      ///< survives the death of its holders and comes back in pool::recovered()
  non_recoverable,  ///< freed when its holders have died
};

/// One reference to a block, move-only. The destructor detaches: a recoverable block stays in the pool, a non-recoverable
/// one is freed when this was the last reference. Deleting a recoverable block is always explicit.
///
/// The bytes have one address for as long as the process has the pool open. A block may outlive its pool object: the pool
/// then closes when its last block goes. Different threads may use different blocks and references freely; the bytes are
/// plain memory whose sharing is the user's, and one reference object belongs to one thread at a time. After fork() the
/// child may only destroy what it inherited.
class block {
 public:
  block() noexcept = default;
  block(block&& other) noexcept : core_(std::exchange(other.core_, nullptr)), held_(other.held_) {}
  block& operator=(block&& other) noexcept {
    if (this != &other) {
      give_up(pool_detail::fate::by_kind);
      core_ = std::exchange(other.core_, nullptr);
      held_ = other.held_;
    }
    return *this;
  }
  ~block() { give_up(pool_detail::fate::by_kind); }

  /// Whether this object holds a block; everything below but the assignments needs it to.
  [[nodiscard]] explicit operator bool() const noexcept { return core_ != nullptr; }

  [[nodiscard]] std::byte* data() const noexcept { return held_.data; }
  /// Bytes in use, at most capacity().
  [[nodiscard]] std::size_t size() const noexcept { return core_->length_of(held_.number); }
  [[nodiscard]] std::size_t capacity() const noexcept { return core_->header().block_size; }
  [[nodiscard]] bytes_span bytes() const noexcept { return {data(), size()}; }
  /// Sets the bytes in use without touching them. Error: too_large.
  [[nodiscard]] result<> resize(std::size_t bytes) noexcept;

  [[nodiscard]] block_handle handle() const noexcept { return {.number = held_.number, .generation = held_.generation}; }
  [[nodiscard]] block_kind kind() const noexcept;
  [[nodiscard]] std::uint64_t type_id() const noexcept { return core_->type_in(held_.number); }
  /// A name of the user's choice that stays with the block, zero until it is set.
  [[nodiscard]] std::array<std::byte, 16> id() const noexcept;
  void set_id(const std::array<std::byte, 16>& id) noexcept;

  /// Another reference. Error: too_many_references.
  [[nodiscard]] result<block> share() const;
  /// Gives the reference up; the last one, of any process, frees the block whatever its kind.
  void release() noexcept { give_up(pool_detail::fate::freed); }
  /// Gives the reference up; the block stays in the pool whatever its kind (a non-recoverable one until nobody lives).
  void persist() noexcept { give_up(pool_detail::fate::kept); }

  /// Records the CRC32C of the bytes in use and raises the version. Writing to the bytes later does not update it.
  void seal() noexcept;
  /// Whether a checksum was recorded, and if so, whether the bytes in use still give it.
  [[nodiscard]] bool sealed() const noexcept;
  [[nodiscard]] bool intact() const noexcept;
  /// How often the block was sealed since it was allocated.
  [[nodiscard]] std::uint64_t version() const noexcept;
  /// Waits until the bytes in use, then the record of the block are on the disk: what survives a crash of the machine.
  [[nodiscard]] result<> sync() const { return core_->sync_block(held_.number); }

 private:
  friend class pool;
  friend class recovered_blocks;
  template <pool_storable T>
  friend class holder;
  block(pool_detail::core& core, const pool_detail::held_block& held) noexcept : core_(&core), held_(held) {}

  void give_up(pool_detail::fate wanted) noexcept {
    if (pool_detail::core* core = std::exchange(core_, nullptr)) core->give_up(held_.number, held_.generation, wanted);
  }

  pool_detail::core* core_ = nullptr;
  pool_detail::held_block held_;
};

/// A block that holds one T. Used like a pointer; otherwise as block.
template <pool_storable T>
class holder {
 public:
  holder() noexcept = default;

  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(block_); }
  [[nodiscard]] T& operator*() const noexcept { return *get(); }
  [[nodiscard]] T* operator->() const noexcept { return get(); }
  [[nodiscard]] T* get() const noexcept { return pool_detail::object_at<T>(block_.data()); }
  [[nodiscard]] block_handle handle() const noexcept { return block_.handle(); }
  [[nodiscard]] result<holder> share() const {
    auto other = block_.share();
    if (!other) return fail(other.error());
    return holder(std::move(*other));
  }
  void release() noexcept { block_.release(); }
  void persist() noexcept { block_.persist(); }
  /// The untyped block, for everything else a block can do.
  [[nodiscard]] block& untyped() noexcept { return block_; }

 private:
  friend class pool;
  template <pool_storable U>
  friend class recovered_objects;
  explicit holder(block held) noexcept : block_(std::move(held)) {}

  block block_;
};

}  // namespace tide
