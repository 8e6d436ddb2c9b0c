// The pool of one process: the mapping, its lease, its candidates for allocation, and the transitions of blocks.
//
// Order of locks: membership (file lock) before mutex_ before growth_lock. Hot operations take none of them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include <tide/base/descriptor.hpp>
#include <tide/base/result.hpp>
#include <tide/pool/detail/format.hpp>
#include <tide/pool/detail/free_index.hpp>
#include <tide/pool/detail/header.hpp>
#include <tide/pool/detail/lease.hpp>
#include <tide/pool/detail/memory.hpp>
#include <tide/pool/options.hpp>

namespace tide::pool_detail {

/// A block that this process holds.
struct held_block {
  std::uint32_t number = 0;
  std::uint64_t generation = 0;
  std::byte* data = nullptr;
};

/// What becomes of a block when its last reference is given up.
enum class fate : std::uint8_t { freed, kept, by_kind };

class core {
 public:
  struct closer {
    void operator()(core* self) const noexcept { self->close(); }
  };
  using handle = std::unique_ptr<core, closer>;

  [[nodiscard]] static result<handle> open(const std::filesystem::path& path, const pool_options& options);
  [[nodiscard]] static result<handle> open(int fd, const pool_options& options);
  core(const core&) = delete;
  core& operator=(const core&) = delete;

  // Transitions. Any thread; each is decided by one compare-and-swap of the state word.

  /// Takes a free block for filling; nobody else sees it before publish().
  [[nodiscard]] result<held_block> claim(std::size_t bytes, std::uint64_t type, bool zeroed);
  void publish(const held_block& claimed, block_state kind) noexcept;
  [[nodiscard]] result<held_block> attach(std::uint32_t number, std::uint64_t generation);
  /// Another reference to a block that the caller holds.
  [[nodiscard]] result<> share(std::uint32_t number);
  void give_up(std::uint32_t number, std::uint64_t generation, fate wanted) noexcept;
  /// Frees a block that nobody holds.
  [[nodiscard]] result<> free_detached(std::uint32_t number, std::uint64_t generation);

  // Looking.

  /// The first block from `from` on that recovery found in use and nobody has taken since; maximum_blocks if there is none.
  [[nodiscard]] std::uint32_t next_recovered(std::uint32_t from, std::uint64_t type) const noexcept;
  [[nodiscard]] state_word load(std::uint32_t number) const noexcept;
  [[nodiscard]] block_metadata& metadata(std::uint32_t number) const noexcept { return metadata_[number]; }
  [[nodiscard]] std::byte* payload(std::uint32_t number) const noexcept { return payload_ + number * header_.stride; }
  [[nodiscard]] std::size_t length_of(std::uint32_t number) const noexcept;
  void set_length(std::uint32_t number, std::size_t bytes) noexcept;
  [[nodiscard]] std::uint64_t type_in(std::uint32_t number) const noexcept;
  [[nodiscard]] const header_slot& header() const noexcept { return header_; }
  [[nodiscard]] const pool_report& report() const noexcept { return report_; }
  // SAFETY: whoever raises the count has mapped the blocks it covers before; its release store pairs with this acquire.
  [[nodiscard]] std::uint32_t blocks() const noexcept { return known_blocks_.load(std::memory_order_acquire); }
  [[nodiscard]] pool_audit audit();

  // The whole pool.

  [[nodiscard]] result<> sync();
  [[nodiscard]] result<> sync_block(std::uint32_t number);
  [[nodiscard]] result<std::uint32_t> reclaim();

 private:
  core() = default;
  ~core() = default;

  // open.cpp
  enum class creation : std::uint8_t { never, when_empty, done };
  [[nodiscard]] static result<handle> open_description(descriptor file, const pool_options& options, creation creating);
  [[nodiscard]] result<> map(const header_found& found);
  [[nodiscard]] result<> enter(const pool_options& options);

  // recover.cpp
  [[nodiscard]] result<std::uint32_t> blocks_in_file() const;
  [[nodiscard]] result<> recover();
  [[nodiscard]] result<> join(std::uint16_t living);
  [[nodiscard]] std::uint64_t recover_group(std::uint32_t begin, std::uint32_t end) noexcept;
  [[nodiscard]] std::uint32_t reclaim_dead(std::uint16_t living) noexcept;
  [[nodiscard]] result<> secure_space(std::uint32_t blocks);

  // whole.cpp
  [[nodiscard]] result<> write_header(bool clean);
  void close() noexcept;
  void leave() noexcept;

  // supply.cpp
  [[nodiscard]] magazine& mine() {
    magazine* last = last_magazine(instance_);
    return last != nullptr ? *last : adopt_magazine();
  }
  [[nodiscard]] magazine& adopt_magazine();
  void put_back(magazine& stack, std::uint32_t number) noexcept;
  [[nodiscard]] result<> refill(magazine& stack);
  [[nodiscard]] result<> grow();
  void learn_blocks(std::uint32_t count);
  [[nodiscard]] bool refresh_blocks();
  [[nodiscard]] bool refresh_locked();
  std::uint32_t rescan() noexcept;
  [[nodiscard]] std::uint32_t growth_step() const noexcept;
  [[nodiscard]] std::uint64_t outstanding() const noexcept;

  // transitions.cpp
  [[nodiscard]] bool try_claim(std::uint32_t number, state_word& won) noexcept;
  [[nodiscard]] state_word clear_holder(std::uint32_t number, fate wanted) noexcept;
  [[nodiscard]] bool forked() const noexcept { return *alive_ == 0; }

  // Read often, written never while the pool is open.
  block_metadata* metadata_ = nullptr;
  std::byte* payload_ = nullptr;
  std::uint64_t* local_ = nullptr;        // local_word of every block
  const std::uint64_t* alive_ = nullptr;  // 1 in the process that opened, 0 in a child of fork()
  control_page* control_ = nullptr;
  std::uint64_t instance_ = 0;  // random; also the token of the lease
  std::uint64_t run_ = 0;
  std::uint16_t own_bit_ = 0;
  std::atomic<bool> closing_{false};
  std::atomic<std::uint32_t> known_blocks_{0};  // checked against the file, so all of them may be touched
  header_slot header_{};
  std::uint32_t recovered_limit_ = 0;  // blocks before this one may be left over from the run before
  pool_report report_;
  unsigned lease_ = lease_slots;

  descriptor file_;
  memory shared_;
  memory local_memory_;
  memory alive_memory_;
  lease_table leases_;

  std::mutex mutex_;  // guards what follows
  free_index free_;
  std::vector<std::shared_ptr<magazine>> magazines_;
};

}  // namespace tide::pool_detail
