#include <tide/base/error.hpp>

#include <string>

namespace tide {
namespace {

class category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "tide"; }
  std::string message(int value) const override {
    switch (static_cast<errc>(value)) {
      case errc::canceled: return "cancelled";
      case errc::timed_out: return "timed out";
      case errc::end_of_stream: return "end of stream";
      case errc::closed: return "closed";
      case errc::limit_exceeded: return "limit exceeded";
      case errc::malformed: return "malformed input";
      case errc::not_supported: return "not supported here";
      case errc::io_uring_denied:
        return "the kernel refuses io_uring to this process: see sysctl kernel.io_uring_disabled and the seccomp filter "
               "of the container";
      case errc::no_memory_locked:
        return "the limit on locked memory is too low for a ring or its registered memory: raise RLIMIT_MEMLOCK (ulimit -l)";
      case errc::no_io_uring: return "the kernel has no io_uring, or one older than Linux 6.1";
      case errc::wrong_executor: return "used on another executor than the one it belongs to";
      case errc::other_process: return "belongs to the process that forked this one: make a new one after fork";
    }
    return "unknown tide error";
  }
};

}  // namespace

const std::error_category& error_category() noexcept {
  static const category instance;
  return instance;
}

std::error_code make_error_code(errc code) noexcept { return {static_cast<int>(code), error_category()}; }

}  // namespace tide
