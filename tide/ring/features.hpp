// What the running kernel lets a ring do: found by doing, once, when the ring is made.
//
//   auto ring = tide::ring::ring::create({}).value();
//   if (!ring->features().futex) …   // below Linux 6.7
#pragma once

namespace tide::ring {

/// Everything beyond the floor of Linux 6.1. Each can be switched off in ring::options to test the way without it.
struct features {
  bool defer_taskrun = false;  ///< IORING_SETUP_DEFER_TASKRUN with SINGLE_ISSUER (6.1): work runs when the loop asks for it
  bool no_sqarray = false;     ///< IORING_SETUP_NO_SQARRAY (6.6): one indirection less a submission
  bool registered_ring = false;    ///< the ring's own descriptor is registered: cheaper io_uring_enter
  bool msg_ring = false;           ///< IORING_OP_MSG_RING: executors wake each other through their rings
  bool futex = false;              ///< IORING_OP_FUTEX_WAIT (6.7): other threads wake the ring without a descriptor
  bool truncate = false;           ///< IORING_OP_FTRUNCATE (6.9)
  bool bind_listen = false;        ///< IORING_OP_BIND and IORING_OP_LISTEN (6.11)
  bool registered_memory = false;  ///< IORING_REGISTER_BUFFERS: memory that is pinned once, and not for each transfer
};

}  // namespace tide::ring
