#include <tide/runtime/guest.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <system_error>

namespace tide {

guest::~guest() {
  if (ended_ || home_->root_ == nullptr) return;
  const executor::running here(*home_);
  try {
    home_->join_root();
  } catch (...) {  // in a child after fork(2), where nothing of it can be ended
    return;
  }
  end();
}

result<> guest::begin(task<> main) {
  visits_ = tide::descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!visits_) return fail_errno(errno);
  home_->begin(std::move(main));
  home_->leave();
  return home_->ring_->behind().announce_by(visits_.get());
}

void guest::end() noexcept {
  ended_ = true;
  try {
    home_->finish();
  } catch (...) {
    if (!error_) error_ = std::current_exception();
  }
}

int guest::descriptor() const noexcept { return visits_.get(); }

bool guest::run_ready() {
  if (ended_) return false;
  const executor::running here(*home_);
  if (std::exchange(parked_, false)) home_->box_->end_parking();
  home_->enter();
  home_->turning_ = true;
  try {
    work();
  } catch (...) {
    home_->work_threw();
  }
  home_->turning_ = false;
  home_->leave();
  if (done_ && home_->root_->size() == 0) end();
  return !ended_;
}

void guest::work() {
  constexpr int turns = 16;  // then the host has its turn, however much there is to do
  executor& home = *home_;
  if (home.ring_->behind().inherited()) throw std::system_error(make_error_code(errc::other_process));
  for (int left = turns; left > 0 && !parked_; --left) {
    for (ring::ring* each : {home.polled_.get(), home.ring_.get()}) {
      if (each == nullptr) continue;
      each->submit();
      home.queues_.run_completions([each](std::size_t most) { return each->reap(most); });
    }
    home.turn();
    if (done_) home.root_->cancel();
    if (done_ && home.root_->size() == 0) return;
    const bool polling = home.polled_ && home.polled_->in_flight() != 0;
    parked_ = home.queues_.idle() && !polling && park();
  }
}

// What comes before the descriptor is emptied is looked for once more, what comes after it is announced there.
bool guest::park() {
  executor& home = *home_;
  if (!home.box_->begin_parking()) return false;
  home.await_wake();
  home.ring_->submit();
  std::uint64_t count = 0;
  [[maybe_unused]] const auto read = ::read(visits_.get(), &count, sizeof count);
  home.ring_->submit();
  home.queues_.begin_completions();
  if (home.ring_->reap() == 0 && home.queues_.idle()) return true;
  home.box_->end_parking();
  return false;
}

std::optional<clock::time_point> guest::next_deadline() const noexcept {
  if (ended_) return std::nullopt;
  if (!parked_) return clock::time_point::min();
  return home_->timers_.next();
}

int guest::timeout_ms() const noexcept {
  using std::chrono::milliseconds;
  const auto next = next_deadline();
  if (!next) return -1;
  const auto now = clock::now();
  if (*next <= now) return 0;
  const auto left = std::chrono::ceil<milliseconds>(*next - now).count();
  return static_cast<int>(std::min<std::int64_t>(left, std::numeric_limits<int>::max()));
}

void guest::cancel() noexcept {
  if (scope* const root = root_scope()) root->cancel();
  wake();
}

scope* guest::root_scope() noexcept { return done_ ? nullptr : home_->root_.get(); }

// The word that the parked ring waits on: its wake completes there, and so shows at the descriptor.
void guest::wake() noexcept { home_->handle().wake(); }

}  // namespace tide
