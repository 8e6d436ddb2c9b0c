#include <tide/fs/stream_reader.hpp>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include <tide/fs/detail/background.hpp>

namespace tide::fs {

struct stream_reader::state {
  detail::handle on;
  std::size_t buffer;
  std::size_t ahead;
  std::uint64_t position;   // of the next byte that is given
  std::uint64_t end;        // nothing is given from here on
  std::uint64_t next_read;  // where the next read begins
  slice current;            // what is left of the last read that was taken
  std::deque<detail::background_ptr> under_way;
  std::vector<detail::background_ptr> idle;  // so that a long stream allocates no more
  std::optional<std::error_code> failed;
  local::condition changed;

  [[nodiscard]] std::uint64_t aligned(std::uint64_t offset) const noexcept {
    return offset & ~std::uint64_t{on.alignment - 1};
  }
  void fill();
  void take_first();
};

stream_reader::stream_reader(const file& from, const read_stream_options& wanted) : state_(std::make_unique<state>()) {
  state& self = *state_;
  self.on = from.internals();
  const std::size_t unit = self.on.alignment;
  self.buffer = (std::max(wanted.buffer, unit) + unit - 1) / unit * unit;
  self.ahead = std::max(wanted.ahead, 1U);
  self.position = wanted.offset;
  self.end = wanted.offset + std::min(wanted.size, std::numeric_limits<std::uint64_t>::max() - wanted.offset);
  self.next_read = self.aligned(wanted.offset);
}
stream_reader::stream_reader(stream_reader&&) noexcept = default;
stream_reader& stream_reader::operator=(stream_reader&&) noexcept = default;
stream_reader::~stream_reader() = default;

std::uint64_t stream_reader::position() const noexcept { return state_->position; }

/// Starts reads until there are enough.
void stream_reader::state::fill() {
  while (!failed && under_way.size() < ahead && next_read < end) {
    const std::uint64_t left = end - next_read;
    const std::size_t size = left < buffer ? static_cast<std::size_t>(aligned(left + on.alignment - 1)) : buffer;
    auto memory = aligned_buffer::make(size, on.memory_alignment);
    if (!memory) {
      if (under_way.empty()) failed = memory.error();  // else there will be some later
      return;
    }
    detail::background_ptr one;
    if (idle.empty()) {
      one.reset(new detail::background);
    } else {
      one = std::move(idle.back());
      idle.pop_back();
    }
    const detail::transfer what(on, detail::way::read, detail::extent::full, next_read, memory->data(), size);
    one->start(what, std::move(*memory), changed);
    under_way.push_back(std::move(one));
    next_read += size;
  }
}

/// Makes what the first read brought the current slice.
void stream_reader::state::take_first() {
  detail::background_ptr first = std::move(under_way.front());
  under_way.pop_front();
  const auto size = first->collect();
  if (!size) {
    failed = size.error();
    under_way.clear();
    return;
  }
  const std::uint64_t from = first->offset();
  if (*size < first->size()) {  // the file ends here
    end = std::min(end, from + *size);
    under_way.clear();
  }
  const std::uint64_t until = std::min(end, from + *size);
  if (position < until) {
    current = std::move(first->take_memory())
                  .share()
                  .part(static_cast<std::size_t>(position - from), static_cast<std::size_t>(until - position));
  }
  idle.push_back(std::move(first));
}

task<result<slice>> stream_reader::next() {
  state& self = *state_;
  while (self.current.empty()) {
    if (self.position >= self.end) co_return slice();
    self.fill();
    if (self.failed) co_return fail(*self.failed);
    while (!self.under_way.front()->done()) {
      if (auto waited = co_await self.changed.wait(); !waited) co_return fail(waited.error());
    }
    self.take_first();
  }
  self.fill();
  self.position += self.current.size();
  co_return std::exchange(self.current, slice());
}

task<result<std::size_t>> stream_reader::read(bytes_span into) {
  std::size_t done = 0;
  while (done < into.size()) {
    auto piece = co_await next();
    if (!piece && done == 0) co_return fail(piece.error());
    if (!piece || piece->empty()) break;
    const std::size_t here = std::min(piece->size(), into.size() - done);
    std::ranges::copy(piece->bytes().first(here), into.begin() + static_cast<std::ptrdiff_t>(done));
    done += here;
    piece->remove_prefix(here);
    state_->position -= piece->size();
    state_->current = std::move(*piece);
  }
  co_return done;
}

void stream_reader::skip(std::uint64_t count) {
  state& self = *state_;
  self.position += std::min(count, self.end - std::min(self.position, self.end));
  if (count < self.current.size()) return self.current.remove_prefix(static_cast<std::size_t>(count));
  self.current = slice();
  while (!self.under_way.empty() && self.under_way.front()->offset() + self.under_way.front()->size() <= self.position) {
    self.under_way.pop_front();
  }
  self.next_read = std::max(self.next_read, self.aligned(self.position));
}

}  // namespace tide::fs
