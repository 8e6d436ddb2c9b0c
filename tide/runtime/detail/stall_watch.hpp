// The thread that watches one executor for stalls, for the time of a run.
#pragma once

#include <memory>

#include <tide/runtime/stall.hpp>

namespace tide {
class executor;
}

namespace tide::detail {

class stall_watch {
 public:
  /// On the executor's thread, as the destructor. Throws std::system_error if there is no thread or no such signal.
  stall_watch(executor& of, const stall_options& wanted);
  stall_watch(const stall_watch&) = delete;
  stall_watch& operator=(const stall_watch&) = delete;
  ~stall_watch();

 private:
  class watcher;
  std::unique_ptr<watcher> watcher_;  // none if nobody shall watch
};

}  // namespace tide::detail
