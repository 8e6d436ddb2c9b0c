// Many parts of a file, with neighbours read together:
//
//   tide::fs::read_many reading(file, ranges, {.most_gap = 4096});
//   for (auto part = co_await reading.next(); part && *part; part = co_await reading.next()) {
//     use(part->index, part->bytes);                      // ranges[index]
//   }
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <tide/base/result.hpp>
#include <tide/fs/aligned.hpp>
#include <tide/fs/file.hpp>
#include <tide/runtime/task.hpp>

namespace tide::fs {

struct read_range {
  std::uint64_t offset = 0;
  std::size_t size = 0;
};

struct read_many_options {
  std::size_t most_merged = 131'072;  ///< ranges are put together up to so many bytes; one that is larger is read alone
  std::size_t most_gap = 0;  ///< bytes between two ranges that may be read although nobody asked; 0: only what touches
  unsigned at_once = 32;     ///< reads under way
  std::size_t memory = std::size_t{4} << 20U;  ///< bytes of reads under way or not yet given out; one read always goes
};

struct read_part {
  static constexpr std::size_t none = static_cast<std::size_t>(-1);
  std::size_t index = none;  ///< of the range
  slice bytes;               ///< as file::read: less where the file ends
  /// False behind the last one.
  [[nodiscard]] explicit operator bool() const noexcept { return index != none; }
};

/// Move-only; belongs to the file's executor; the file stays open as long as it. When it goes, reads under way are cancelled
/// and nobody waits for them. Gives the ranges in the order of their offsets.
class read_many {
 public:
  read_many(const file& from, std::span<const read_range> ranges, const read_many_options& wanted = {});
  read_many(read_many&&) noexcept;
  read_many& operator=(read_many&&) noexcept;
  ~read_many();

  /// The next one. After an error the ranges behind it can still be asked for; errc::canceled loses nothing. One call at a
  /// time.
  task<result<read_part>> next();

 private:
  struct state;
  std::unique_ptr<state> state_;
};

namespace detail {

/// One read for the ranges order[first], order[first + 1], … order[last - 1].
struct planned_read {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::size_t first = 0;
  std::size_t last = 0;
};

struct read_plan {
  std::vector<std::size_t> order;  ///< indices of the ranges by their offsets
  std::vector<planned_read> reads;
};

[[nodiscard]] read_plan plan_reads(std::span<const read_range> ranges, std::size_t alignment,
                                   const read_many_options& wanted);

}  // namespace detail

}  // namespace tide::fs
