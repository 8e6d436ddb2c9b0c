#include <tide/ring/ring.hpp>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>

namespace tide::ring {
namespace {

constexpr std::size_t reap_batch = 64;
constexpr std::size_t reap_limit = 4096;  // one reap ends, however fast completions keep coming

constexpr std::uint64_t make_token(std::uint32_t index, std::uint32_t generation) noexcept {
  return (std::uint64_t{generation} << 32U) | index;
}

}  // namespace

result<std::unique_ptr<ring>> ring::create(const options& wanted) {
  auto kernel = open_kernel(wanted);
  if (!kernel) return fail(kernel.error());
  if (wanted.unkind_seed != 0) return std::make_unique<ring>(make_unkind(std::move(*kernel), wanted.unkind_seed));
  return std::make_unique<ring>(std::move(*kernel));
}

ring::ring(std::unique_ptr<backend> behind) : backend_(std::move(behind)) {
  slots_.reserve(64);  // a program that is small never grows them
  slots_.emplace_back();
}

ring::~ring() { assert(in_flight_ == 0 && "an operation outlives its ring"); }

void ring::start(operation& op, const request& what) {
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
  op.token_ = make_token(index, mine.generation);
  ++in_flight_;
  push(what, op.token_, false);
}

void ring::start_detached(const request& what) { push(what, 0, true); }

void ring::cancel(operation& op) {
  if (!op.in_flight()) return;
  slot& mine = slots_[static_cast<std::uint32_t>(op.token_)];
  if (mine.cancel_requested) return;
  mine.cancel_requested = true;
  if (!mine.in_line) return push(request::cancel(op.token_), 0, true);
  cancelled_in_line_.push_back(op.token_);  // reap tells it: never from inside this call
}

void ring::cancel_everything() { push(request::cancel_everything(), 0, true); }

void ring::push(const request& what, std::uint64_t token, bool quiet) {
  if (backlog_.empty() && backend_->push(what, token, quiet)) return;
  ++backend_->count_.backlogged;
  backlog_.push_back({what, token, quiet});
  if (token != 0) slots_[static_cast<std::uint32_t>(token)].in_line = true;
}

void ring::push_backlog() {
  while (!backlog_.empty()) {
    const waiting& first = backlog_.front();
    slot* const mine = first.token == 0 ? nullptr : find(first.token);
    const bool wanted = first.token == 0 || (mine != nullptr && !mine->cancel_requested);
    if (wanted && !backend_->push(first.what, first.token, first.quiet)) return;
    if (wanted && mine != nullptr) mine->in_line = false;
    backlog_.pop_front();
  }
}

void ring::turn(std::int64_t wait_ns) {
  if (!backlog_.empty()) push_backlog();
  if (!backlog_.empty() || !cancelled_in_line_.empty()) wait_ns = std::min<std::int64_t>(wait_ns, 0);
  backend_->enter(wait_ns);
}

std::size_t ring::reap() {
  std::size_t total = 0;
  for (std::size_t left = cancelled_in_line_.size(); left > 0; --left) {
    const std::uint64_t token = cancelled_in_line_.back();
    cancelled_in_line_.pop_back();
    deliver(token, {.result = -ECANCELED, .flags = 0});
    ++total;
  }
  std::array<raw_completion, reap_batch> batch;
  while (total < reap_limit) {
    const std::size_t taken = backend_->take(batch);
    backend_->count_.completed += taken;
    for (std::size_t i = 0; i < taken; ++i) deliver(batch[i].token, batch[i].said);
    total += taken;
    if (taken < batch.size()) break;
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
  if (!said.more()) {
    mine->owner = nullptr;
    ++mine->generation;
    if (mine->generation == 0) mine->generation = 1;
    mine->next_free = free_;
    free_ = static_cast<std::uint32_t>(token);
    --in_flight_;
    op.token_ = 0;
  }
  op.complete(said);
}

}  // namespace tide::ring
