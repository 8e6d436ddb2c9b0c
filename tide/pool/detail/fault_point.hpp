// Places at which a test kills its process, or lets another one act. In the library they are nothing; a test program
// compiles the pool's sources with TIDE_POOL_FAULT_POINTS and defines reach() itself.
#pragma once

#include <cstdint>

namespace tide::pool_detail {

enum class fault_point : std::uint8_t {
  create_sized,         // the file has its size, no header
  create_first_header,  // one header slot written
  create_linked,        // the file has its name, nobody has it open yet
  open_locked,          // membership lock held, nothing read
  open_marked_unclean,  // header says unclean, recovery not begun
  recover_block,        // between two blocks of the scan
  recover_run_raised,   // all blocks scanned, run raised
  lease_half,           // lease written but for its token
  lease_written,        // lease valid
  reclaim_block,        // between two blocks of a dead process
  header_half,          // half of a header slot written
  claim_looked,         // a candidate's word is free, not yet claimed
  claim_staged,         // state word says staged
  claim_filled,         // record and payload filled, not yet published
  claim_published,      // in use, nobody was told yet
  drop_begun,           // the process's last reference is being given up, shared word untouched
  drop_done,            // shared word freed or detached
  attach_looked,        // the block's word fits the handle, nothing done yet
  attach_begun,         // local word busy
  attach_done,          // holder bit set
  free_looked,          // the block is detached, not yet freed
  free_done,            // detached block freed
  grow_locked,          // growth lock held
  grow_metadata,        // records allocated in the file
  grow_payload,         // payloads allocated in the file, count unchanged
  grow_counted,         // count raised, lock held
  sync_data,            // data on the disk, header not yet
  close_marked_clean,   // header says clean, lease not yet given up
  count_of_points,
};

#ifdef TIDE_POOL_FAULT_POINTS
void reach(fault_point point) noexcept;
#else
inline constexpr void reach(fault_point) noexcept {}
#endif

}  // namespace tide::pool_detail
