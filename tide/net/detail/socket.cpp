#include <tide/net/detail/socket.hpp>

#include <unistd.h>

#include <tide/ring/request.hpp>
#include <tide/runtime/executor.hpp>

namespace tide::net::detail {

void close_descriptor(int fd) noexcept {
  if (fd < 0) return;
  if (executor* here = executor::current()) {
    here->ring().start_detached(ring::request::close(fd));
  } else {
    ::close(fd);
  }
}

}  // namespace tide::net::detail
