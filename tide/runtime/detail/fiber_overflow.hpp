// Names the fiber that ran over its stack before the process ends of it: a handler of SIGSEGV that knows the guards.
#pragma once

#include <cstddef>
#include <memory>

namespace tide::detail {

/// While it lives, its thread can handle signals with no stack left: it has an alternate one. The first of the process also
/// puts the handler in front of whatever handled SIGSEGV until then; that one is called afterwards, for every SIGSEGV.
class overflow_watch {
 public:
  overflow_watch();
  overflow_watch(const overflow_watch&) = delete;
  overflow_watch& operator=(const overflow_watch&) = delete;
  ~overflow_watch();  ///< on the same thread

 private:
  std::unique_ptr<std::byte[]> alternate_;  // none if the thread had a stack for signals already
};

}  // namespace tide::detail
