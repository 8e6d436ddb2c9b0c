#include <tide/ring/ring.hpp>

#include <algorithm>
#include <cassert>
#include <cerrno>

namespace tide::ring {
namespace {

constexpr std::uint64_t make_token(std::uint32_t index, std::uint32_t generation) noexcept {
  return (std::uint64_t{generation} << 32U) | index;
}

}  // namespace

result<std::unique_ptr<ring>> ring::create(const options& wanted) {
  auto kernel = open_kernel(wanted);
  if (!kernel) return fail(kernel.error());
  if (wanted.unkind_seed != 0 || wanted.verdict) return std::make_unique<ring>(make_unkind(std::move(*kernel), wanted));
  return std::make_unique<ring>(std::move(*kernel));
}

ring::ring(std::unique_ptr<backend> behind) : backend_(std::move(behind)) {
  slots_.reserve(64);  // a program that is small never grows them
  slots_.emplace_back();
}

ring::~ring() { assert(in_flight_ == 0 && "an operation outlives its ring"); }

std::uint32_t ring::occupy(operation& op) {
  assert(!op.in_flight());
  std::uint32_t index = free_;
  if (index != 0) {
    free_ = slots_[index].next_free;
  } else {
    index = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();  // amortised; a steady load reuses slots
  }
  slot& mine = slots_[index];
  mine.owner = &op;
  mine.cancel_requested = false;
  mine.in_line = false;
  mine.next_in_chain = 0;
  mine.last = true;
  op.token_ = make_token(index, mine.generation);
  ++in_flight_;
  return index;
}

void ring::release(slot& ended) noexcept {
  ended.owner->token_ = 0;
  ended.owner = nullptr;
  ++ended.generation;
  if (ended.generation == 0) ended.generation = 1;
  ended.next_free = free_;
  free_ = static_cast<std::uint32_t>(&ended - slots_.data());
  --in_flight_;
}

void ring::start(operation& op, const request& what) {
  occupy(op);
  push(what, op.token_, false);
}

result<> ring::start_chain(std::span<const link> links) {
  if (links.empty() || links.size() > backend_->entries()) return fail_errno(EINVAL);
  const auto size = static_cast<unsigned>(links.size());
  std::uint32_t first = 0;
  std::uint32_t before = 0;
  for (const link& each : links) {
    const std::uint32_t index = occupy(*each.who);
    if (before == 0) first = index;
    if (before != 0) slots_[before].next_in_chain = index;
    slots_[index].last = &each == &links.back();
    slots_[index].next_in_chain = first;
    before = index;
  }
  const bool room = backlog_.empty() && backend_->reserve(size);
  for (unsigned i = 0; i < size; ++i) {
    const bool last = i + 1 == size;
    const request what = last ? links[i].what : links[i].what.linked();
    if (room) {
      backend_->push(what, links[i].who->token_, !last);  // there is room: reserve said so
    } else {
      line_up(what, links[i].who->token_, !last, size - i);
    }
  }
  return {};
}

void ring::start_detached(const request& what) { push(what, 0, true); }

void ring::cancel(operation& op) {
  if (!op.in_flight()) return;
  slot& mine = slots_[static_cast<std::uint32_t>(op.token_)];
  if (mine.cancel_requested) return;
  mine.cancel_requested = true;
  if (mine.next_in_chain != 0) return cancel_chain(static_cast<std::uint32_t>(op.token_));
  if (!mine.in_line) return push(request::cancel(op.token_), 0, true);
  cancelled_in_line_.push_back(op.token_);  // reap tells it: never from inside this call
}

/// Those behind `from` and itself at last. `visit` may release what it is given.
template <class F>
void ring::each_in_chain(std::uint32_t from, F visit) {
  for (std::uint32_t each = slots_[from].next_in_chain;;) {
    const std::uint32_t next = slots_[each].next_in_chain;
    visit(each);
    if (each == from) return;
    each = next;
  }
}

void ring::cancel_chain(std::uint32_t last) {
  assert(slots_[last].last && "the last of a chain is cancelled for all of it");
  const std::uint64_t token = slots_[last].owner->token_;
  unsigned links = 0;
  each_in_chain(last, [&](std::uint32_t each) {
    ++links;
    slots_[each].cancel_requested = true;
  });
  if (slots_[last].in_line) return cancelled_in_line_.push_back(token);
  // A cancel that comes when one link has ended and the next has not begun finds neither; at the next turn it does. There
  // are no more of such moments than links.
  insisting_.push_back({token, links});
}

void ring::insist() {
  std::vector<insistence> again;
  again.swap(insisting_);
  for (insistence& each : again) {
    if (find(each.token) == nullptr) continue;
    each_in_chain(static_cast<std::uint32_t>(each.token),
                  [&](std::uint32_t member) { push(request::cancel(slots_[member].owner->token_), 0, true); });
    if (--each.turns > 0) insisting_.push_back(each);
  }
}

void ring::cancel_everything() { push(request::cancel_everything(), 0, true); }

void ring::push(const request& what, std::uint64_t token, bool quiet) {
  if (backlog_.empty() && backend_->push(what, token, quiet)) return;
  line_up(what, token, quiet, 1);
}

void ring::line_up(const request& what, std::uint64_t token, bool quiet, unsigned together) {
  ++backend_->count_.backlogged;
  backlog_.push_back({what, token, quiet, together});
  if (token != 0) slots_[static_cast<std::uint32_t>(token)].in_line = true;
}

void ring::push_backlog() {
  while (!backlog_.empty()) {
    const waiting& first = backlog_.front();
    slot* const mine = first.token == 0 ? nullptr : find(first.token);
    const bool wanted = first.token == 0 || (mine != nullptr && !mine->cancel_requested);
    if (wanted && first.together > 1 && !backend_->reserve(first.together)) return;
    if (wanted && !backend_->push(first.what, first.token, first.quiet)) return;
    if (wanted && mine != nullptr) mine->in_line = false;
    backlog_.pop_front();
  }
}

void ring::turn(std::int64_t wait_ns) {
  if (!backlog_.empty()) push_backlog();
  const std::vector<insistence> asked = insisting_;  // almost always none, which allocates nothing
  if (!asked.empty()) insist();
  if (!backlog_.empty() || !cancelled_in_line_.empty() || !insisting_.empty()) wait_ns = std::min<std::int64_t>(wait_ns, 0);
  const auto refused = backend_->count().refused;
  backend_->enter(wait_ns);
  if (!asked.empty() && backend_->count().refused != refused) insisting_ = asked;  // the kernel has not heard it
}

std::size_t ring::reap(std::size_t most) {
  std::size_t total = 0;
  for (std::size_t left = cancelled_in_line_.size(); left > 0; --left) {
    const std::uint64_t token = cancelled_in_line_.back();
    cancelled_in_line_.pop_back();
    deliver(token, {.result = -ECANCELED, .flags = 0});
    ++total;
  }
  while (total < most) {
    const std::size_t asked = std::min(taken_.size(), most - total);
    const std::size_t taken = backend_->take(std::span(taken_).first(asked));
    backend_->count_.completed += taken;
    for (std::size_t i = 0; i < taken; ++i) deliver(taken_[i].token, taken_[i].said);
    total += taken;
    if (taken < asked) break;
  }
  return total;
}

ring::slot* ring::find(std::uint64_t token) noexcept {
  const auto index = static_cast<std::uint32_t>(token);
  if (index >= slots_.size()) return nullptr;
  slot& found = slots_[index];
  return found.owner != nullptr && found.generation == static_cast<std::uint32_t>(token >> 32U) ? &found : nullptr;
}

void ring::deliver(std::uint64_t token, completion said) {
  if (token == 0) return;  // a detached request that failed
  slot* const mine = find(token);
  if (mine == nullptr) {
    ++backend_->count_.stale;
    return;
  }
  operation& op = *mine->owner;
  if (said.more()) return op.complete(said);
  operation* const last = mine->next_in_chain != 0 ? end_chain(static_cast<std::uint32_t>(token)) : nullptr;
  release(*mine);
  op.complete(said);
  if (last != nullptr) last->complete({.result = -ECANCELED, .flags = 0});
}

/// Ends the others of its chain. Returns the last of it, unless that is this one.
operation* ring::end_chain(std::uint32_t ended) noexcept {
  operation* last = nullptr;
  each_in_chain(ended, [&](std::uint32_t each) {
    if (each == ended) return;
    if (slots_[each].last) last = slots_[each].owner;
    release(slots_[each]);
  });
  return last;
}

}  // namespace tide::ring
