#include <tide/fs/sealed_file.hpp>

#include <algorithm>
#include <map>
#include <utility>

#include <tide/fs/detail/background.hpp>

namespace tide::fs {

struct sealed_file::state {
  file from;
  std::multimap<std::uint64_t, flight*> under_way;  // by their first byte
  [[nodiscard]] std::shared_ptr<flight> find(std::uint64_t begin, std::uint64_t end) const;
};

/// A read, held by those who wait for it: the last one to go ends it.
struct sealed_file::flight : std::enable_shared_from_this<flight> {
  flight(std::shared_ptr<state> within, std::uint64_t from, std::uint64_t until)
      : of(std::move(within)), begin(from), end(until), place(of->under_way.emplace(from, this)) {}
  flight(const flight&) = delete;
  flight& operator=(const flight&) = delete;
  ~flight() { of->under_way.erase(place); }

  std::shared_ptr<state> of;
  std::uint64_t begin;
  std::uint64_t end;
  std::multimap<std::uint64_t, flight*>::iterator place;
  detail::background_ptr reading{new detail::background};
  bool landed = false;
  result<slice> read;
  local::condition changed;
};

/// Only a few of those that begin before are looked at: reads of one file are mostly of one size.
std::shared_ptr<sealed_file::flight> sealed_file::state::find(std::uint64_t begin, std::uint64_t end) const {
  auto each = under_way.upper_bound(begin);
  for (int looks = 8; looks > 0 && each != under_way.begin(); --looks) {
    --each;
    flight& found = *each->second;
    if (found.end >= end && (!found.landed || found.read)) return found.shared_from_this();
  }
  return nullptr;
}

sealed_file::sealed_file(file from) : state_(std::make_shared<state>()) { state_->from = std::move(from); }

const file& sealed_file::underlying() const noexcept { return state_->from; }

task<result<sealed_file>> sealed_file::open(place where, open_options wanted) {
  auto opened = co_await file::open(std::move(where), wanted);
  if (!opened) co_return fail(opened.error());
  co_return sealed_file(std::move(*opened));
}

task<result<slice>> sealed_file::read(std::uint64_t offset, std::size_t size) const {
  if (size == 0) co_return slice();
  const auto within = state_;
  const detail::handle& on = within->from.internals();
  const std::uint64_t unit = on.alignment;
  const std::uint64_t begin = offset & ~(unit - 1);
  const std::uint64_t end = (offset + size + unit - 1) & ~(unit - 1);
  auto one = within->find(begin, end);
  if (one) {
    ++executor::current()->use<statistics>().count().shared_reads;
  } else {
    auto memory = aligned_buffer::make(static_cast<std::size_t>(end - begin), on.memory_alignment);
    if (!memory) co_return fail(memory.error());
    one = std::make_shared<flight>(within, begin, end);
    const detail::transfer what(on, detail::way::read, detail::extent::full, begin, memory->data(), memory->size());
    one->reading->start(what, std::move(*memory), one->changed);
  }
  while (!one->reading->done()) {
    if (auto waited = co_await one->changed.wait(); !waited) co_return fail(waited.error());
  }
  if (!std::exchange(one->landed, true)) {
    auto memory = one->reading->take_memory();
    if (const auto got = one->reading->collect()) {
      memory.resize(*got);
      one->read = std::move(memory).share();
    } else {
      one->read = fail(got.error());
    }
  }
  if (!one->read) co_return one->read;
  const auto before = static_cast<std::size_t>(offset - one->begin);  // not `begin`: it may be another one's read
  co_return one->read->part(before, size);
}

}  // namespace tide::fs
