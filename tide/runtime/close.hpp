// Closing a descriptor without waiting for it, from anywhere: through the ring of the thread's executor, else at once.
//
//   tide::close_descriptor(fd);      // in the destructor of what owns it
#pragma once

#include <unistd.h>

#include <tide/runtime/executor.hpp>

namespace tide {

/// Nothing may be under way on it. A negative `fd` is none. Errors go unheard.
inline void close_descriptor(int fd) noexcept {
  if (fd < 0) return;
  if (executor* here = executor::current()) {
    here->ring().start_detached(ring::request::close(fd));
  } else {
    ::close(fd);
  }
}

}  // namespace tide
