// What an executor asks of the thread that runs it: a name, and to stay on certain CPUs.
#pragma once

#include <string>

#include <tide/base/cpu_set.hpp>
#include <tide/base/result.hpp>

namespace tide::detail {

/// Keeps the calling thread on exactly these CPUs. cpu_refused, and the mask as it was, if one of them is not to be had;
/// std::errc::invalid_argument for an empty set.
result<> keep_on(const cpu_set& cpus);

/// Tries that and puts the mask back.
result<> can_keep_on(const cpu_set& cpus);

/// Names the calling thread, and keeps it on some CPUs, until the end of the object's life. Empty: as it is.
class thread_setup {
 public:
  /// Throws std::system_error, with everything as it was, if a CPU is not to be had.
  thread_setup(const std::string& name, const cpu_set& cpus);
  thread_setup(const thread_setup&) = delete;
  thread_setup& operator=(const thread_setup&) = delete;
  ~thread_setup();

 private:
  std::string name_before_;
  cpu_set cpus_before_;
};

}  // namespace tide::detail
