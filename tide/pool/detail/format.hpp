// The pool's format, byte by byte; docs/pool-format.md says the same in words. Little-endian, fixed widths, every offset
// asserted: a pool written by one compiler is read by another.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <tide/pool/detail/state_word.hpp>

namespace tide::pool_detail {

static_assert(std::endian::native == std::endian::little, "the format is little-endian and is mapped, not decoded");

inline constexpr char format_magic[8] = {'T', 'I', 'D', 'E', 'P', 'O', 'O', 'L'};
inline constexpr std::uint32_t format_version = 1;
inline constexpr std::uint32_t known_features = 0;  ///< required feature bits that this build understands
inline constexpr std::size_t name_limit = 63;

/// Everything about a pool that does not change while it is open, but for the clean mark. Two slots; the whole one with the
/// higher sequence number counts, and only the other one is ever written.
struct header_slot {
  char magic[8];
  std::uint32_t version;
  std::uint32_t slot_bytes;         // 512
  std::uint64_t sequence;           // of this write of the header
  std::uint32_t required_features;  // a reader that does not know one of these must refuse
  std::uint32_t optional_features;
  std::uint8_t uuid[16];
  std::uint64_t type;        // schema id, 0: any
  std::uint64_t block_size;  // payload bytes that a block offers
  std::uint64_t stride;      // bytes from payload to payload
  std::uint32_t alignment;   // of every payload, bytes
  std::uint32_t maximum_blocks;
  std::uint64_t metadata_offset;
  std::uint64_t payload_offset;
  std::uint32_t metadata_bytes;  // 64 a block
  std::uint32_t lease_slots;     // 16
  std::uint64_t created;         // nanoseconds since 1970
  std::uint32_t clean;           // 1: the last process closed in good order
  std::uint32_t name_length;
  char name[64];                // UTF-8 or any bytes, zero-padded
  std::uint32_t growth_blocks;  // blocks a growth step adds at least, 0: an eighth of the pool
  std::uint8_t reserved[508 - 188];
  std::uint32_t checksum;  // CRC32C of the 508 bytes before
};

/// What all processes share while the pool is open. Derivable or meaningless after everybody died, so it carries no
/// checksum.
struct control_page {
  std::uint64_t lock;  // token of the lease that grows the pool or writes the header; 0: nobody
  std::uint8_t pad_lock[56];
  std::uint32_t blocks;  // how many blocks exist; their space in the file is allocated
  std::uint32_t joins;   // openers since the last recovery
  std::uint64_t run;     // random, drawn by every recovery
  std::uint8_t pad_blocks[48];
};

/// A process that has the pool open. It lives if its byte of the file is locked and its process runs.
struct lease_slot {
  std::uint64_t token;  // random, 0: the slot is free; written last
  std::uint32_t pid;
  std::uint32_t flags;          // bit 0: wants the pool alone
  std::uint64_t start_time;     // of the process, clock ticks since boot
  std::uint64_t pid_namespace;  // inode of /proc/self/ns/pid
  std::uint8_t boot[16];        // boot id of the kernel
  std::uint8_t reserved[128 - 48];
};

inline constexpr std::uint32_t lease_wants_pool_alone = 1;

/// The record of one block. Only `state` is authoritative about ownership; the rest belongs to whoever holds the block.
struct block_metadata {
  std::uint64_t state;  // state_word
  std::uint64_t version;
  std::uint8_t id[16];
  std::uint64_t type;      // schema id, 0: bytes
  std::uint64_t length;    // payload bytes in use
  std::uint64_t checksum;  // bit 32: present; bits 0…31: CRC32C of the payload in use
  std::uint64_t run;       // the run of the pool in which the block was allocated
};

inline constexpr std::uint64_t checksum_present = std::uint64_t{1} << 32U;

inline constexpr std::uint64_t page = 4096;
inline constexpr std::uint64_t header_offsets[2] = {0, page};
inline constexpr std::uint64_t control_offset = 2 * page;
inline constexpr std::uint64_t leases_offset = 3 * page;
inline constexpr std::uint64_t metadata_offset = 4 * page;
inline constexpr std::uint32_t lease_slots = holder_bits;
inline constexpr std::uint64_t largest_file = std::uint64_t{1} << 46U;  ///< half of what x86-64 can address
inline constexpr std::uint64_t membership_lock_byte = control_offset;   ///< file lock: opening, closing

static_assert(sizeof(header_slot) == 512 && sizeof(control_page) == 128 && sizeof(lease_slot) == 128);
static_assert(sizeof(block_metadata) == 64);
static_assert(std::is_trivially_copyable_v<header_slot> && std::is_standard_layout_v<header_slot>);
static_assert(std::is_trivially_copyable_v<block_metadata> && std::is_standard_layout_v<block_metadata>);

static_assert(offsetof(header_slot, magic) == 0);
static_assert(offsetof(header_slot, version) == 8);
static_assert(offsetof(header_slot, slot_bytes) == 12);
static_assert(offsetof(header_slot, sequence) == 16);
static_assert(offsetof(header_slot, required_features) == 24);
static_assert(offsetof(header_slot, optional_features) == 28);
static_assert(offsetof(header_slot, uuid) == 32);
static_assert(offsetof(header_slot, type) == 48);
static_assert(offsetof(header_slot, block_size) == 56);
static_assert(offsetof(header_slot, stride) == 64);
static_assert(offsetof(header_slot, alignment) == 72);
static_assert(offsetof(header_slot, maximum_blocks) == 76);
static_assert(offsetof(header_slot, metadata_offset) == 80);
static_assert(offsetof(header_slot, payload_offset) == 88);
static_assert(offsetof(header_slot, metadata_bytes) == 96);
static_assert(offsetof(header_slot, lease_slots) == 100);
static_assert(offsetof(header_slot, created) == 104);
static_assert(offsetof(header_slot, clean) == 112);
static_assert(offsetof(header_slot, name_length) == 116);
static_assert(offsetof(header_slot, name) == 120);
static_assert(offsetof(header_slot, growth_blocks) == 184);
static_assert(offsetof(header_slot, reserved) == 188);
static_assert(offsetof(header_slot, checksum) == 508);

static_assert(offsetof(control_page, lock) == 0);
static_assert(offsetof(control_page, blocks) == 64);
static_assert(offsetof(control_page, joins) == 68);
static_assert(offsetof(control_page, run) == 72);

static_assert(offsetof(lease_slot, token) == 0);
static_assert(offsetof(lease_slot, pid) == 8);
static_assert(offsetof(lease_slot, flags) == 12);
static_assert(offsetof(lease_slot, start_time) == 16);
static_assert(offsetof(lease_slot, pid_namespace) == 24);
static_assert(offsetof(lease_slot, boot) == 32);

static_assert(offsetof(block_metadata, state) == 0);
static_assert(offsetof(block_metadata, version) == 8);
static_assert(offsetof(block_metadata, id) == 16);
static_assert(offsetof(block_metadata, type) == 32);
static_assert(offsetof(block_metadata, length) == 40);
static_assert(offsetof(block_metadata, checksum) == 48);
static_assert(offsetof(block_metadata, run) == 56);

/// Where the payloads begin: behind the records of all blocks there may ever be, so that nothing moves when the pool grows.
[[nodiscard]] constexpr std::uint64_t payload_offset_for(std::uint32_t maximum_blocks) noexcept {
  const std::uint64_t end = metadata_offset + std::uint64_t{maximum_blocks} * sizeof(block_metadata);
  return (end + page - 1) / page * page;
}

}  // namespace tide::pool_detail
