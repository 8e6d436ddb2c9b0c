// What the process holds of the system, read from /proc: to see that a test leaves nothing behind.
//
//   const auto before = support::open_descriptors();  …  EXPECT_EQ(support::open_descriptors(), before);
#pragma once

#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace support {

inline std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all))) - 1;  // one is the listing itself
}

/// Bytes of memory that are in RAM.
inline std::size_t resident_bytes() {
  std::size_t whole = 0;
  std::size_t resident = 0;
  std::ifstream("/proc/self/statm") >> whole >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace support
