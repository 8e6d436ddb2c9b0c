#include <tide/runtime/deadline_queue.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

namespace tide {
namespace {

constexpr double first_shares = 100;
constexpr double planned = 0.9;    // of a work's time: the rest is in hand
constexpr double hurry = 0.25;     // of what is left, once the plan has failed
constexpr double most_change = 2;  // from one look to the next, up or down

double seconds(clock::duration time) noexcept { return std::chrono::duration<double>(time).count(); }

task_queue& make_queue(executor& home, std::string name, std::chrono::nanoseconds every,
                       std::shared_ptr<deadline_control> control) {
  return home.make_queue({.name = std::move(name),
                          .shares = static_cast<unsigned>(first_shares),
                          .adjust = [control = std::move(control)] { return control->shares_at(clock::now()); },
                          .adjust_every = every});
}

}  // namespace

double deadline_control::needed(clock::time_point now) noexcept {
  double pace = 0;  // units a second
  works_.for_each([&](deadline_work& each) {
    if (each.left() == 0) return;
    const auto left = each.deadline() - now;
    if (!each.planned_) each.planned_ = now + std::chrono::duration_cast<clock::duration>(left * planned);
    // Too late: as fast as can be.
    const double time = std::max({seconds(*each.planned_ - now), seconds(left) * hurry, 1e-6});
    pace += static_cast<double>(each.left()) / time;
  });
  return pace;
}

unsigned deadline_control::shares_at(clock::time_point now) noexcept {
  const double wanted = needed(now);
  const double passed = seconds(now - asked_);
  const double pace = pace_known_ && passed > 0 ? static_cast<double>(done_) / passed : 0;
  const bool begins = !std::exchange(pace_known_, wanted > 0);
  asked_ = now;
  done_ = 0;
  if (wanted == 0) return static_cast<unsigned>(shares_ = task_queue::least_shares);
  if (begins) return static_cast<unsigned>(shares_ = first_shares);
  const double change = pace == 0 ? most_change : std::clamp(wanted / pace, 1 / most_change, most_change);
  shares_ = std::clamp<double>(shares_ * change, task_queue::least_shares, task_queue::most_shares);
  return static_cast<unsigned>(std::lround(shares_));
}

deadline_work::deadline_work(deadline_control& under, std::uint64_t units, clock::time_point deadline) noexcept
    : control_(under), left_(units), deadline_(deadline) {
  control_.works_.push_back(*this);
}

deadline_work::deadline_work(deadline_queue& in, std::uint64_t units, clock::time_point deadline) noexcept
    : deadline_work(*in.control_, units, deadline) {}

void deadline_work::progress(std::uint64_t units) noexcept {
  const std::uint64_t counted = std::min(units, left_);
  left_ -= counted;
  control_.done_ += counted;
}

deadline_queue::deadline_queue(executor& home, std::string name, std::chrono::nanoseconds adjust_every)
    : control_(std::make_shared<deadline_control>()), queue_(make_queue(home, std::move(name), adjust_every, control_)) {}

deadline_queue::~deadline_queue() { static_cast<void>(queue_.home().remove_queue(queue_)); }

}  // namespace tide
