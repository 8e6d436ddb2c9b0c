// What a person sees: a hint of what to try, a line that lives, a summary at the end.
//
//   status_line line(relay, practice);
//   scope.spawn(&status_line::run, std::ref(line));
//   … line.summary();
#pragma once

#include <string>

#include <apps/relay/relay.hpp>
#include <tide/runtime/task.hpp>

namespace tide::relay {

/// Writes to standard output; the line is redrawn in place on a terminal and left out elsewhere.
class status_line {
 public:
  explicit status_line(const relay& of);
  task<> run();
  void hint() const;
  void summary() const;

 private:
  const relay& relay_;
  clock::time_point began_ = clock::now();
  snapshot first_;
  bool terminal_;
};

}  // namespace tide::relay
