#include <tide/runtime/detail/share_scheduler.hpp>

namespace tide::detail {

share_entity* share_scheduler::next() noexcept {
  share_entity* const first = urgent_.top();
  share_entity* const other = ordinary_.top();
  share_entity* chosen = first != nullptr ? first : other;
  if (first != nullptr && other != nullptr && first->virtual_ > other->virtual_ + lead_ / first->shares_) chosen = other;
  if (chosen == nullptr) return nullptr;
  double least = chosen->virtual_;
  if (first != nullptr && first->virtual_ < least) least = first->virtual_;
  if (other != nullptr && other->virtual_ < least) least = other->virtual_;
  if (least > floor_) floor_ = least;
  return chosen;
}

bool share_scheduler::only(const share_entity& one) const noexcept {
  const auto nobody_else = [&](const heap& all) { return all.empty() || (all.top() == &one && all.single()); };
  return nobody_else(urgent_) && nobody_else(ordinary_);
}

}  // namespace tide::detail
