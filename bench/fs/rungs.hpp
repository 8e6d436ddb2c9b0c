// What files are measured by: the same reads and writes by hand on a ring, by fio and by dd.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>

#include "harness/paired.hpp"

namespace bench {

/// A file with data in it.
struct data_file {
  std::string path;
  std::uint64_t size;
};

constexpr std::size_t block_bytes = 4096;
constexpr std::size_t piece_bytes = std::size_t{1} << 20U;  // of streams
constexpr unsigned stream_depth = 4;

/// Where random reads go: the same sequence for each side.
class random_blocks {
 public:
  explicit random_blocks(std::uint64_t size) : blocks_(size / block_bytes) {}
  std::uint64_t next() { return random_() % blocks_ * block_bytes; }

 private:
  std::minstd_rand random_{1};
  std::uint64_t blocks_;
};

/// By hand, with `depth` reads under way. `fixed`: memory that is registered with the ring.
[[nodiscard]] side raw_random_reads(const data_file& from, unsigned depth, bool fixed);
/// Pieces in order, round and round. Windows count bytes.
[[nodiscard]] side raw_stream(const data_file& file, bool write);

// By other programs, each window a run of its own; of 1 s at least, for what they do before they begin.
[[nodiscard]] bool have_program(const std::string& name);
[[nodiscard]] side fio_random_reads(const data_file& from, unsigned depth);
[[nodiscard]] side fio_stream(const data_file& file, bool write);
/// From one end to the other, however long that takes.
[[nodiscard]] side dd_stream(const data_file& file, bool write);

}  // namespace bench
