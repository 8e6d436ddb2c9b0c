// Tasks that keep an executor's thread to themselves for too long, found and named: a watch beside each executor.
//
//   tide::executor::options wanted;
//   wanted.stalls = {.threshold = 100ms, .sink = [](const tide::stall_report& found) { alert(found.text()); }};
//
// A thread looks at the executor's turns. When they stand still for the threshold it sends the executor's thread a signal,
// whose handler copies the top of the stack; what was called, and its names, are found out away from there. Costs the
// executor a relaxed store a turn.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace tide {

struct stall_frame {
  const void* address = nullptr;  ///< where the thread was (the first), or where a call returns to
  std::string text;               ///< function, if its symbol is there (link with -rdynamic), else object and offset
};

struct stall_report {
  std::string queue;                   ///< the task queue whose task runs
  std::chrono::nanoseconds lasted{0};  ///< at least, when the stack was noted
  /// Innermost first. Read off a copy of the stack without unwinding it, so between the calls that have not returned there
  /// can be some that have.
  std::vector<stall_frame> stack;

  /// All of it, a line a frame.
  [[nodiscard]] std::string text() const;
};

struct stall_options {
  std::chrono::nanoseconds threshold{0};  ///< 0: nobody watches
  /// Called on the watching thread, once a stall. Without one, a line goes to the log.
  std::function<void(const stall_report&)> sink = {};
  /// The signal, which is then for nothing else in this process; 0: SIGRTMIN + 5.
  int signal = 0;
};

}  // namespace tide
