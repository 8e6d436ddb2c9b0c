// A file that nobody changes any more: tasks that want the same bytes at the same time share one read.
//
//   auto table = co_await tide::fs::sealed_file::open("table", {.direct = true});
//   auto block = co_await table->read(40'960, 4096);        // result<slice>
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include <tide/base/result.hpp>
#include <tide/fs/aligned.hpp>
#include <tide/fs/file.hpp>
#include <tide/runtime/task.hpp>

namespace tide::fs {

/// Copies name the same open file; all of them on its executor. The promise that nobody writes is the caller's.
class sealed_file {
 public:
  explicit sealed_file(file from);
  static task<result<sealed_file>> open(place where, open_options wanted = {});

  /// As file::read. One that lies within another that is under way gets its bytes from that; who is cancelled takes nothing
  /// from the others. Allocates for each read that is really made.
  task<result<slice>> read(std::uint64_t offset, std::size_t size) const;
  [[nodiscard]] const file& underlying() const noexcept;

 private:
  struct state;
  struct flight;
  std::shared_ptr<state> state_;
};

}  // namespace tide::fs
