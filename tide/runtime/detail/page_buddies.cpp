#include <tide/runtime/detail/page_buddies.hpp>

#include <cassert>

namespace tide::detail {

page_buddies::page_buddies(std::uint32_t pages) : runs_(pages) {
  first_.fill(none);
  for (std::uint32_t page = 0; page < pages;) {
    unsigned order = 0;
    while (order + 1 < orders && (page >> order & 1U) == 0 && page + (2ULL << order) <= pages) ++order;
    list(page, order);
    page += 1U << order;
  }
}

std::optional<std::uint32_t> page_buddies::take(unsigned order) noexcept {
  unsigned found = order;
  while (found < orders && first_[found] == none) ++found;
  if (found >= orders) return std::nullopt;
  const std::uint32_t page = first_[found];
  unlist(page);
  while (found > order) {
    --found;
    list(page + (1U << found), found);  // the upper half stays
  }
  runs_[page].order = static_cast<std::uint8_t>(order);
  return page;
}

void page_buddies::give_back(std::uint32_t page) noexcept {
  assert(!runs_[page].free);
  unsigned order = runs_[page].order;
  while (order + 1 < orders) {
    const std::uint32_t buddy = page ^ (1U << order);
    if (buddy >= runs_.size() || !runs_[buddy].free || runs_[buddy].order != order) break;
    unlist(buddy);
    page &= ~(1U << order);
    ++order;
  }
  list(page, order);
}

void page_buddies::list(std::uint32_t page, unsigned order) noexcept {
  const std::uint32_t next = first_[order];
  runs_[page] = {.next = next, .before = none, .order = static_cast<std::uint8_t>(order), .free = true};
  if (next != none) runs_[next].before = page;
  first_[order] = page;
  free_ += std::size_t{1} << order;
}

void page_buddies::unlist(std::uint32_t page) noexcept {
  run& mine = runs_[page];
  (mine.before == none ? first_[mine.order] : runs_[mine.before].next) = mine.next;
  if (mine.next != none) runs_[mine.next].before = mine.before;
  mine.free = false;
  free_ -= std::size_t{1} << mine.order;
}

}  // namespace tide::detail
