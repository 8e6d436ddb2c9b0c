#include <tide/fs/stream_writer.hpp>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include <tide/fs/detail/background.hpp>

namespace tide::fs {

struct stream_writer::state {
  file to;
  std::size_t buffer = 0;
  std::size_t behind = 0;
  bool sync_on_close = true;
  aligned_buffer current;    // what is being filled
  std::uint64_t offset = 0;  // where it belongs
  std::size_t filled = 0;    // of it
  std::size_t written = 0;   // of that: in the file already, by a flush
  bool padded = false;       // the file is longer than what was written to it
  std::vector<detail::background_ptr> under_way;
  std::vector<detail::background_ptr> idle;
  std::optional<std::error_code> failed;
  local::condition changed;

  [[nodiscard]] std::uint64_t position() const noexcept { return offset + filled; }
  void collect();
  task<result<>> wait_for(std::size_t at_most);
  result<> make_room();
  void start();
  void start(aligned_buffer memory, std::size_t from);
  task<result<>> write_tail();
};

stream_writer::stream_writer(file to, const write_stream_options& wanted) : state_(std::make_unique<state>()) {
  state& self = *state_;
  const std::size_t unit = to.alignment();
  self.to = std::move(to);
  self.buffer = (std::max(wanted.buffer, unit) + unit - 1) / unit * unit;
  self.behind = std::max(wanted.behind, 1U);
  self.sync_on_close = wanted.sync_on_close;
  self.offset = wanted.offset;
  if (wanted.offset % unit != 0) self.failed = std::make_error_code(std::errc::invalid_argument);
}
stream_writer::stream_writer(stream_writer&&) noexcept = default;
stream_writer& stream_writer::operator=(stream_writer&&) noexcept = default;
stream_writer::~stream_writer() = default;

std::uint64_t stream_writer::position() const noexcept { return state_->position(); }

/// Takes the results of the writes that have ended.
void stream_writer::state::collect() {
  for (std::size_t i = 0; i < under_way.size();) {
    if (!under_way[i]->done()) {
      ++i;
      continue;
    }
    if (const auto size = under_way[i]->collect(); !size && !failed) failed = size.error();
    std::swap(under_way[i], under_way.back());
    static_cast<void>(under_way.back()->take_memory());
    idle.push_back(std::move(under_way.back()));
    under_way.pop_back();
  }
}

/// Until no more writes than that are under way.
task<result<>> stream_writer::state::wait_for(std::size_t at_most) {
  for (collect(); under_way.size() > at_most; collect()) {
    if (auto waited = co_await changed.wait(); !waited) co_return waited;
  }
  if (failed) co_return fail(*failed);
  co_return {};
}

result<> stream_writer::state::make_room() {
  if (!current.empty()) return {};
  auto made = aligned_buffer::make(buffer, to.memory_alignment());
  if (!made) return fail(made.error());
  current = std::move(*made);
  return {};
}

/// Hands the full buffer over.
void stream_writer::state::start() {
  const std::size_t from = written / to.alignment() * to.alignment();
  filled = written = 0;
  start(std::move(current), from);
}

/// Writes all of it but what is before `from`.
void stream_writer::state::start(aligned_buffer memory, std::size_t from) {
  detail::background_ptr one;
  if (idle.empty()) {
    one.reset(new detail::background);
  } else {
    one = std::move(idle.back());
    idle.pop_back();
  }
  const std::size_t size = memory.size();
  const detail::transfer what(to.internals(), detail::way::write, detail::extent::exact, offset + from, memory.data() + from,
                              size - from);
  one->start(what, std::move(memory), changed);
  under_way.push_back(std::move(one));
  offset += size;
  padded = false;  // it reaches beyond what was filled up
}

task<result<>> stream_writer::write(bytes_view bytes) {
  state& self = *state_;
  self.collect();
  while (!bytes.empty()) {
    if (self.failed) co_return fail(*self.failed);
    if (auto room = self.make_room(); !room) co_return room;
    const std::size_t here = std::min(bytes.size(), self.buffer - self.filled);
    std::ranges::copy(bytes.first(here), self.current.begin() + self.filled);
    self.filled += here;
    bytes = bytes.subspan(here);
    if (self.filled < self.buffer) break;
    self.start();
    if (auto room = co_await self.wait_for(self.behind); !room) co_return room;
  }
  if (self.failed) co_return fail(*self.failed);
  co_return {};
}

task<result<>> stream_writer::write_given(aligned_buffer bytes) {
  state& self = *state_;
  self.collect();
  if (self.failed) co_return fail(*self.failed);
  if (bytes.empty()) co_return {};
  if (self.filled != 0 || bytes.size() % self.to.alignment() != 0) co_return co_await write(bytes_view(bytes));
  self.start(std::move(bytes), 0);
  co_return co_await self.wait_for(self.behind);
}

/// What is in the current buffer, which stays: more may follow.
task<result<>> stream_writer::state::write_tail() {
  if (filled <= written) co_return {};
  const std::size_t unit = to.alignment();
  const std::size_t from = written / unit * unit;
  const std::size_t until = (filled + unit - 1) / unit * unit;
  std::fill(current.begin() + filled, current.begin() + until, std::byte{0});
  const bytes_view bytes(current.data() + from, until - from);
  auto done = co_await to.write_all_at(offset + from, bytes);
  if (!done) {
    if (done.error() != errc::canceled) failed = done.error();
    co_return fail(done.error());
  }
  written = filled;
  padded = until > filled;
  co_return {};
}

task<result<>> stream_writer::flush() {
  state& self = *state_;
  if (auto all = co_await self.wait_for(0); !all) co_return all;
  if (auto tail = co_await self.write_tail(); !tail) co_return tail;
  if (!self.padded) co_return {};
  auto cut = co_await self.to.truncate(self.position());
  if (cut) self.padded = false;
  co_return cut;
}

/// In this order: bytes, size, device.
task<result<>> stream_writer::finish(bool sync) {
  state& self = *state_;
  if (auto flushed = co_await flush(); !flushed) co_return flushed;
  if (auto cut = co_await self.to.truncate(self.position()); !cut) co_return cut;
  if (!sync) co_return {};
  auto synced = co_await self.to.sync_data();
  if (!synced && synced.error() != errc::canceled) self.failed = synced.error();  // what was lost stays lost
  co_return synced;
}

task<result<>> stream_writer::sync() { return finish(true); }

task<result<>> stream_writer::close() {
  state& self = *state_;
  const auto finished = co_await finish(self.sync_on_close);
  self.under_way.clear();  // of a stream that failed, or was cancelled
  const auto closed = co_await self.to.close();
  if (!self.failed) self.failed = make_error_code(errc::closed);
  co_return finished ? closed : finished;
}

task<result<sealed_file>> stream_writer::seal() {
  state& self = *state_;
  if (const auto finished = co_await finish(self.sync_on_close); !finished) co_return fail(finished.error());
  self.failed = make_error_code(errc::closed);
  co_return sealed_file(std::move(self.to));
}

}  // namespace tide::fs
