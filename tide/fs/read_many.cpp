#include <tide/fs/read_many.hpp>

#include <algorithm>
#include <deque>
#include <numeric>
#include <optional>
#include <utility>

#include <tide/fs/detail/background.hpp>

namespace tide::fs {
namespace detail {

read_plan plan_reads(std::span<const read_range> ranges, std::size_t alignment, const read_many_options& wanted) {
  read_plan plan;
  plan.order.resize(ranges.size());
  std::iota(plan.order.begin(), plan.order.end(), std::size_t{0});
  std::ranges::stable_sort(plan.order, {}, [&](std::size_t index) { return ranges[index].offset; });
  const std::uint64_t unit = alignment;
  for (std::size_t at = 0; at < plan.order.size(); ++at) {
    const read_range& next = ranges[plan.order[at]];
    const std::uint64_t begin = next.offset & ~(unit - 1);
    const std::uint64_t end = next.size == 0 ? begin : (next.offset + next.size + unit - 1) & ~(unit - 1);
    if (!plan.reads.empty()) {
      planned_read& last = plan.reads.back();
      const std::uint64_t joined = std::max(last.end, end);
      const bool near = begin <= last.end || begin - last.end <= wanted.most_gap;
      // One that lies within costs nothing, however large the other is.
      if (next.size == 0 || end <= last.end || (near && joined - last.begin <= wanted.most_merged)) {
        if (next.size != 0) last.end = joined;
        last.last = at + 1;
        continue;
      }
    }
    plan.reads.push_back({begin, end, at, at + 1});
  }
  return plan;
}

}  // namespace detail

struct read_many::state {
  detail::handle on;
  std::vector<read_range> ranges;
  read_many_options wanted;
  detail::read_plan plan;
  std::size_t started = 0;  // of plan.reads
  std::size_t taken = 0;    // of them
  std::size_t held = 0;     // bytes of memory of those between
  std::deque<detail::background_ptr> under_way;
  std::optional<result<slice>> current;  // what read number `taken` brought
  std::size_t given = 0;                 // of plan.order
  local::condition changed;

  result<> fill();
  result<slice> take_first();
};

read_many::read_many(const file& from, std::span<const read_range> ranges, const read_many_options& wanted)
    : state_(std::make_unique<state>()) {
  state& self = *state_;
  self.on = from.internals();
  self.ranges.assign(ranges.begin(), ranges.end());
  self.wanted = wanted;
  self.wanted.at_once = std::max(wanted.at_once, 1U);
  self.plan = detail::plan_reads(ranges, from.alignment(), wanted);
}
read_many::read_many(read_many&&) noexcept = default;
read_many& read_many::operator=(read_many&&) noexcept = default;
read_many::~read_many() = default;

/// Starts as many reads as may be.
result<> read_many::state::fill() {
  while (started < plan.reads.size() && under_way.size() < wanted.at_once) {
    const detail::planned_read& next = plan.reads[started];
    const auto size = static_cast<std::size_t>(next.end - next.begin);
    if (!under_way.empty() && held + size > wanted.memory) break;
    auto memory = aligned_buffer::make(size, on.memory_alignment);
    if (!memory && under_way.empty()) return fail(memory.error());
    if (!memory) break;
    detail::background_ptr one(new detail::background);
    const detail::transfer what(on, detail::way::read, detail::extent::full, next.begin, memory->data(), size);
    one->start(what, std::move(*memory), changed);
    under_way.push_back(std::move(one));
    held += size;
    ++started;
    executor::current()->use<statistics>().count().merged_reads += next.last - next.first - 1;
  }
  return {};
}

result<slice> read_many::state::take_first() {
  const detail::background_ptr first = std::move(under_way.front());
  under_way.pop_front();
  const auto size = first->collect();
  if (!size) return fail(size.error());
  auto memory = first->take_memory();
  memory.resize(*size);
  return std::move(memory).share();
}

task<result<read_part>> read_many::next() {
  state& self = *state_;
  if (self.given == self.plan.order.size()) co_return read_part();
  if (self.given == self.plan.reads[self.taken].last) {  // all of it is given out
    self.held -= static_cast<std::size_t>(self.plan.reads[self.taken].end - self.plan.reads[self.taken].begin);
    self.current.reset();
    ++self.taken;
  }
  if (auto filled = self.fill(); !filled) co_return fail(filled.error());
  if (!self.current) {
    while (!self.under_way.front()->done()) {
      if (auto waited = co_await self.changed.wait(); !waited) co_return fail(waited.error());
    }
    self.current = self.take_first();
  }
  const std::size_t index = self.plan.order[self.given++];
  if (!*self.current) co_return fail(self.current->error());
  const read_range& range = self.ranges[index];
  const auto before = static_cast<std::size_t>(range.offset - self.plan.reads[self.taken].begin);
  co_return read_part{.index = index, .bytes = (*self.current)->part(before, range.size)};
}

}  // namespace tide::fs
