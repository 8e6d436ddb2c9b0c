#include <tide/io/detail/copy_session.hpp>

#include <algorithm>

#include <tide/runtime/executor.hpp>

namespace tide::detail {

copy_session::copy_session(cancel_node& outer, const copy_options& wanted, std::size_t directions)
    : outer_(outer),
      home_(outer.home()),
      wanted_(wanted),
      flows_{copy_flow(outer), copy_flow(outer)},
      directions_(directions),
      idle_(wanted.idle),
      half_close_(wanted.half_close),
      stalls_{countdown(wanted.write_stall), countdown(wanted.write_stall)},
      deadline_(wanted.deadline),
      linger_(wanted.error_linger),
      drain_(wanted.drain) {
  if (directions == 1) flows_[1].over_ = true;
  look();
  if (wanted_.control == nullptr) return;
  wanted_.control->running_ = this;
  if (wanted_.control->stopped_) stop();
}

copy_session::~copy_session() {
  home_.disarm(*this);
  stop_watching();
  if (wanted_.control != nullptr) wanted_.control->running_ = nullptr;
}

void copy_session::ended(copy_flow& of, copy_end cause, std::error_code why) noexcept {
  if (of.over_) return;
  of.over_ = true;
  of.cause_ = cause;
  of.error_ = why;
  if (cause == copy_end::end_of_stream) one_ended_ = true;
  if (why && cause != copy_end::canceled) {
    if (!first_error_) first_error_ = why;
    one_failed_ = true;
  }
  look();
}

void copy_session::failed(copy_flow& of, copy_end cause, std::error_code why) noexcept {
  if (why != errc::canceled) return ended(of, cause, why);
  if (of.told_) return ended(of, copy_end::limit, of.told_);
  ended(of, copy_end::canceled, why);
}

bool copy_session::stopped_reading(copy_flow& of, std::error_code why) noexcept {
  if (why == errc::canceled && of.stopped_ && !of.told_ && !outer_.requested()) return true;
  failed(of, copy_end::read_failed, why);
  return false;
}

void copy_session::tell_all(std::error_code why) noexcept {
  for (copy_flow& each : flows_) {
    if (each.over_ || each.told_) continue;
    each.told_ = why;
    each.reads.request();
    each.writes.request();
  }
}

void copy_session::stop() noexcept {
  stopping_ = true;
  for (copy_flow& each : flows_) {
    if (each.over_) continue;
    each.stopped_ = true;
    each.reads.request();
  }
  look();
}

std::uint64_t copy_session::moved() const noexcept {
  return flows_[0].read + flows_[0].written + flows_[1].read + flows_[1].written;
}

std::optional<copy_errc> copy_session::run_out(clock::time_point now) noexcept {
  const std::uint64_t so_far = moved();
  std::optional<copy_errc> first;
  const auto ask = [&](countdown& limit, std::uint64_t count, bool active, copy_errc why) {
    if (limit.run_out(now, count, active) && !first) first = why;
  };
  ask(deadline_, 0, true, copy_errc::deadline);
  ask(drain_, 0, stopping_, copy_errc::drain_deadline);
  ask(linger_, 0, one_failed_, copy_errc::other_failed);
  const bool both_hold = flows_[0].holds && flows_[1].holds;
  for (std::size_t i = 0; i < directions_; ++i) {
    ask(stalls_[i], flows_[i].written, flows_[i].holds,
        both_hold ? copy_errc::mutual_write_stall : copy_errc::write_stalled);
  }
  ask(half_close_, so_far, one_ended_, copy_errc::half_closed);
  ask(idle_, so_far, true, copy_errc::idle);
  return first;
}

void copy_session::look() noexcept {
  const auto over = [](const copy_flow& each) { return each.over_; };
  if (std::ranges::all_of(flows_, over)) return home_.disarm(*this);
  if (one_failed_ && wanted_.abort) return tell_all(copy_errc::other_failed);
  const auto now = clock::now();
  if (const auto why = run_out(now)) return tell_all(*why);
  auto next = clock::time_point::max();
  for (const countdown* each : {&idle_, &half_close_, &stalls_[0], &stalls_[1], &deadline_, &linger_, &drain_}) {
    const bool waits_to_begin =
        (each == &linger_ && !one_failed_) || (each == &drain_ && !stopping_) || (each == &half_close_ && !one_ended_);
    if (!waits_to_begin) next = std::min(next, each->next(now));
  }
  if (next != clock::time_point::max()) home_.arm(*this, next);
}

void copy_session::watch(local_pipe& from_a, local_pipe& to_a, local_pipe& from_b, local_pipe& to_b) noexcept {
  rings_ = {&from_a, &to_b, &from_b, &to_a};
  watched_ = true;
  from_a.listen(this);
  from_b.listen(this);
}

void copy_session::stop_watching() noexcept {
  if (!watched_) return;
  watched_ = false;
  rings_[0]->listen(nullptr);
  rings_[2]->listen(nullptr);
}

bool copy_session::all_stuck() const noexcept {
  const auto& [from_a, to_b, from_b, to_a] = rings_;
  return watched_ && flows_[0].holds && flows_[1].holds && from_a->writer_is_stuck() && from_b->writer_is_stuck() &&
         to_a->full_and_unread() && to_b->full_and_unread();
}

void copy_session::writer_waits() noexcept {
  if (all_stuck()) hint_.set();
}

bool copy_session::grow() noexcept {
  auto smallest_first = rings_;
  std::ranges::sort(smallest_first, {}, [](const local_pipe* each) { return each->capacity(); });
  std::size_t total = 0;
  for (const local_pipe* each : rings_) total += each->capacity();
  if (total >= wanted_.grow_to) return false;
  const std::size_t left = wanted_.grow_to - total;
  return std::ranges::any_of(smallest_first, [left](local_pipe* each) {
    const std::size_t now = each->capacity();
    return each->grow(now + std::min(now, left));
  });
}

task<> copy_session::look_for_stalls() {
  while (co_await hint_.wait()) {
    hint_.reset();
    const std::uint64_t before = moved();
    co_await yield();  // whoever can run has run
    if (!all_stuck() || moved() != before || grow() || !wanted_.report_mutual_stall) continue;
    const auto& [from_a, to_b, from_b, to_a] = rings_;
    stall_ = mutual_stall{.a_wants = from_a->writer_wants(),
                          .b_wants = from_b->writer_wants(),
                          .a_to_b_full = from_a->size() + to_b->size(),
                          .b_to_a_full = from_b->size() + to_a->size()};
    tell_all(copy_errc::mutual_write_stall);
  }
}

}  // namespace tide::detail
