// A program that the benchmark starts with arguments of its own and reads lines from.
//
//   bench::process relay({"bin/tide-relay", "--data", directory, …}, bench::process::output::standard_error);
//   std::string first = relay.line();
//   double used = relay.cpu_ns();
#pragma once

#include <ctime>
#include <string>
#include <vector>

#include "harness/child.hpp"

namespace bench {

/// Ended and reaped when it goes. Failures throw std::system_error or std::runtime_error.
class process {
 public:
  enum class output { standard_output, standard_error };
  process(const std::vector<std::string>& command, output read);

  /// The next line, without its end; waits for it at most ten seconds.
  std::string line();
  /// User and system time of all its threads so far.
  [[nodiscard]] double cpu_ns() const;

 private:
  std::string name_;
  owned_process process_;
  tide::descriptor output_;
  std::string pending_;
  clockid_t clock_{};
};

}  // namespace bench
