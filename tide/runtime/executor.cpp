#include <tide/runtime/executor.hpp>

#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include <tide/base/cpu_quota.hpp>
#include <tide/ring/request.hpp>
#include <tide/runtime/detail/stall_watch.hpp>
#include <tide/runtime/detail/thread_setup.hpp>
#include <tide/runtime/registered_memory.hpp>
#include <tide/runtime/scope.hpp>

namespace tide {
namespace {

/// Wakes through the rings between two looks at the kernel; what is beyond rings the bell.
constexpr int messages_at_once = 8;

/// For work, between two looks at the clock.
constexpr int looks_at_once = 4;

/// Looking for work where CPU time is rationed takes it from the work, and with one CPU from whoever would bring some.
std::chrono::nanoseconds spin_allowed(std::chrono::nanoseconds wanted) {
  const bool useless = wanted.count() > 0 && (std::thread::hardware_concurrency() == 1 || cpu_quota());
  return useless ? std::chrono::nanoseconds(0) : wanted;
}

}  // namespace

constinit thread_local executor* executor::current_ = nullptr;

executor::running::running(executor& here) noexcept : before(current_) { current_ = &here; }
executor::running::~running() { current_ = before; }

/// Keeps one wait for the mailbox in the kernel: on its futex word, or on an eventfd where the kernel has no futex
/// operation.
class executor::wake_operation final : public ring::operation {
 public:
  explicit wake_operation(detail::mailbox& box, int eventfd) noexcept : box_(box), eventfd_(eventfd) {}
  void arm(ring::ring& on) {
    if (in_flight()) return;
    on.start(*this, eventfd_ < 0 ? ring::request::futex_wait(box_.futex_word(), detail::mailbox::parked)
                                 : ring::request::read(eventfd_, std::as_writable_bytes(std::span(&count_, 1)), ~0ULL));
  }
  void complete(ring::completion) noexcept override {}  // being woken is all

 private:
  detail::mailbox& box_;
  int eventfd_;
  std::uint64_t count_ = 0;
};

/// A message to another executor's ring, and what becomes of it. Kept for the next one when it is done.
class executor::message_operation final : public ring::operation {
 public:
  explicit message_operation(executor& from) noexcept : from_(from) {}
  void send(std::shared_ptr<detail::mailbox> there) {
    there_ = std::move(there);
    from_.ring_->start(*this, ring::request::message(there_->ring_descriptor()));
  }
  void complete(ring::completion said) noexcept override {
    if (said.result < 0) there_->ring_the_bell();  // no memory for it there, or cancelled at our end
    std::exchange(there_, {})->sender_left();
    --from_.messages_under_way_;
    next_ = std::move(from_.messaging_);
    from_.messaging_.reset(this);
  }
  std::unique_ptr<message_operation> next_;

 private:
  executor& from_;
  std::shared_ptr<detail::mailbox> there_;
};

std::coroutine_handle<> detail::promise_base::end_child(promise_base& promise, std::coroutine_handle<> ended) noexcept {
  scope& owner = *promise.owner_;
  task_queue& queue = promise.node_->queue();
  if (promise.error_) owner.fail(std::move(promise.error_));
  ended.destroy();
  return owner.ended(queue);
}

void detail::join_state::end() noexcept {
  ended_ = true;
  if (waiting != nullptr) {
    std::exchange(waiting, nullptr)->task_ended();
  } else if (dropped_) {
    drop();
  }
}

void detail::join_state::drop() noexcept {
  dropped_ = true;
  if (!ended_ || !error) return;
  if (linked()) {
    scope_.fail(std::exchange(error, {}));
  } else {
    home_.report(std::exchange(error, {}));
  }
}

void scope::fail(std::exception_ptr error) noexcept {
  executor& home = node_.home();
  if (home.on_exception_ && this == home.root_.get()) return home.report(std::move(error));
  if (!error_) error_ = std::move(error);
  node_.request();
}

void executor::report(std::exception_ptr error) noexcept {
  if (!on_exception_) return root_->fail(std::move(error));
  try {
    on_exception_(std::move(error));
  } catch (...) {
    box_->post([thrown = std::current_exception()] { std::rethrow_exception(thrown); });  // ends the run
  }
}

result<std::unique_ptr<executor>> executor::create(const options& wanted) {
  if (!wanted.cpus.empty()) {
    if (auto able = detail::can_keep_on(wanted.cpus); !able) return fail(able.error());
  }
  auto made = ring::ring::create(wanted.ring);
  if (!made) return fail(made.error());
  std::unique_ptr<executor> whole(new executor(std::move(*made), wanted));
  if (wanted.poll_files) {
    auto polled = wanted.ring;
    polled.poll_devices = true;
    auto second = ring::ring::create(polled);
    if (!second) return fail(second.error());
    whole->polled_ = std::move(*second);
  }
  if (wanted.registered_memory != 0) {
    ring::ring* const rings[] = {whole->ring_.get(), whole->polled_.get()};
    auto memory = registered_memory::create(*whole, wanted.registered_memory, std::span(rings, whole->polled_ ? 2 : 1));
    if (!memory) return fail(memory.error());
    whole->registered_ = std::move(*memory);
  }
  int fd = -1;
  if (!whole->ring_->available().futex) {
    fd = ::eventfd(0, EFD_CLOEXEC);
    if (fd < 0) return fail_errno(errno);
    whole->box_->use_eventfd(descriptor(fd));
  }
  if (whole->ring_->available().msg_ring) {
    whole->box_->use_ring(whole->ring_->behind().descriptor());
    for (int i = 0; i < messages_at_once; ++i) {
      auto more = std::make_unique<message_operation>(*whole);
      more->next_ = std::move(whole->messaging_);
      whole->messaging_ = std::move(more);
    }
  }
  whole->wake_ = std::make_unique<wake_operation>(*whole->box_, fd);
  return whole;
}

executor::executor(std::unique_ptr<ring::ring> made, const options& wanted)
    : ring_(std::move(made)),
      name_(wanted.name),
      cpus_(wanted.cpus),
      spin_(spin_allowed(wanted.spin_before_park)),
      box_(std::make_shared<detail::mailbox>()),
      queues_(*this, wanted.quantum, wanted.task_clock),
      on_exception_(wanted.on_exception),
      stalls_(wanted.stalls) {}

executor::~executor() {
  box_->close();
  if (ring_) box_->bury(std::move(ring_));
}

bool executor::can_message(const detail::mailbox& there) const noexcept {
  return turning_ && there.ring_descriptor() >= 0 && ring_->available().msg_ring && !ring_->congested() &&
         messaging_ != nullptr;
}

void executor::message(std::shared_ptr<detail::mailbox> there) noexcept {
  std::unique_ptr<message_operation> one = std::move(messaging_);
  messaging_ = std::move(one->next_);
  ++messages_;
  ++messages_under_way_;
  const std::shared_ptr<detail::mailbox> also = there;
  const auto refused = ring_->count().refused;
  one.release()->send(std::move(there));  // its completion takes it back
  // Not with the next turn: whoever calls may wait, in a way that blocks the thread, for what it has called.
  ring_->submit();
  if (ring_->count().refused != refused || ring_->congested()) also->ring_the_bell();
}

template <class Ended>
void executor::turn_until(Ended ended) {
  while (!ended()) {
    turn();
    if (!ended()) exchange_with_kernel();  // never park when there is nothing left to wait for
  }
}

void executor::turn() {
  ++turns_;
  beat_.turn();
  box_->run_posted();
  queues_.run();
  for (const service_entry& each : services_) each.made->turn();
  if (!timers_.empty()) timers_.fire(clock::now());
}

void executor::exchange_with_kernel() {
  if (ring_->behind().inherited()) throw std::system_error(make_error_code(errc::other_process));
  const bool polling = polled_ && polled_->in_flight() != 0;
  if (polling) {
    polled_->submit();
    queues_.run_completions([this](std::size_t most) { return polled_->reap(most); });
  }
  if (queues_.idle() && !polling && !(spin_.enabled() && spin()) && box_->begin_parking()) {
    park();
    box_->end_parking();
  } else {
    ring_->submit();
  }
  queues_.run_completions([this](std::size_t most) { return ring_->reap(most); });
}

std::chrono::nanoseconds executor::until_timer() const noexcept {
  const auto first = timers_.next();
  if (!first) return std::chrono::nanoseconds(ring::ring::forever);
  return std::max<std::chrono::nanoseconds>(*first - clock::now(), std::chrono::nanoseconds(1));
}

/// Looks for work for a while; true if there is some.
bool executor::spin() {
  looked_ = spin_.next();
  idle_since_ = clock::now();
  if (looked_.count() == 0) return false;
  ring_->submit();
  const auto limit = std::min(looked_, until_timer());
  const bool own_message = messages_under_way_ != 0;  // whose end comes at once, and tells nothing of how long waits are
  while (true) {
    bool found = false;
    for (int i = 0; i < looks_at_once && !found; ++i) {
      found = ring_->has_work() || box_->take_call();
      if (!found) detail::pause();
    }
    const auto passed = clock::now() - idle_since_;
    if (found || (passed >= limit && limit < looked_)) {  // a timer is something to do as well
      if (!own_message) spin_.hit(passed);
      return true;
    }
    if (passed >= limit) return false;
  }
}

void executor::enter() noexcept {
  queues_.begin_run();
  beat_.wake();
}

void executor::leave() noexcept {
  beat_.sleep();
  queues_.end_run();
}

void executor::await_wake() { wake_->arm(*ring_); }

void executor::park() {
  ++parks_;
  await_wake();
  beat_.sleep();
  ring_->submit_and_wait(until_timer().count());
  beat_.wake();
  if (spin_.enabled()) spin_.miss(clock::now() - idle_since_, looked_);
}

void executor::run_main(task<void> main, const bool& done) {
  const running here(*this);
  const detail::thread_setup setup(name_, cpus_);
  begin(std::move(main));
  turning_ = true;
  guarded([&] { turn_until([&] { return done; }); });
  join_root();
  finish();
}

void executor::begin(task<void> main) {
  for (ring::ring* each : {ring_.get(), polled_.get()}) {
    if (each == nullptr) continue;
    if (auto enabled = each->enable(); !enabled) throw std::system_error(enabled.error(), "cannot enable the ring");
  }
  enter();
  watch_ = std::make_unique<detail::stall_watch>(*this, stalls_);
  root_ = std::make_unique<scope>(queues_.standard(), nullptr);
  root_->spawn(std::move(main));
}

template <class Loop>
void executor::guarded(Loop loop) {
  for (bool again = true; again;) {
    try {
      loop();
      again = false;
    } catch (...) {
      work_threw();
    }
  }
}

void executor::work_threw() {
  if (ring_->behind().inherited()) abandon();
  if (!failed_) failed_ = std::current_exception();
  root_->cancel();
}

void executor::join_root() {
  turning_ = true;
  root_->cancel();
  guarded([&] { turn_until([&] { return root_->size() == 0; }); });
  turning_ = false;
}

void executor::finish() {
  if (!failed_) failed_ = std::exchange(root_->error_, {});
  watch_.reset();  // from here on it waits for the kernel only
  drain();
  root_.reset();
  leave();
  if (failed_) std::rethrow_exception(std::exchange(failed_, {}));
}

/// In a child that a task has forked: what there is belongs to the parent, whose queues and threads these are. It is left as
/// it is, and the run ends here.
void executor::abandon() {
  turning_ = false;
  for (service_entry& each : services_) static_cast<void>(each.made.release());
  services_.clear();
  static_cast<void>(root_.release());
  static_cast<void>(watch_.release());
  static_cast<void>(wake_.release());
  static_cast<void>(polled_.release());
  static_cast<void>(registered_.release());
  static_cast<void>(ring_.release());
  throw std::system_error(make_error_code(errc::other_process), "an executor was taken over a fork");
}

void executor::drain() noexcept {
  ring_->cancel(*wake_);
  empty_rings();
  while (!services_.empty()) services_.pop_back();
  empty_rings();  // of what the services began as they went
  if (polled_) polled_->disable();
  ring_->disable();
}

void executor::empty_rings() noexcept {
  if (polled_) empty(*polled_);
  empty(*ring_);
}

void executor::empty(ring::ring& which) noexcept {
  which.cancel_everything();
  while (!which.at_rest()) {
    if (which.in_flight() != 0) {
      which.submit_and_wait(ring::ring::forever);
    } else {
      which.submit();  // what is in line waits for nobody: a close, say
    }
    which.reap();
  }
  which.submit();
}

executor::counters executor::count() const noexcept {
  return {.run_time = queues_.ran(),
          .tasks = queues_.tasks(),
          .turns = turns_,
          .parks = parks_,
          .spin_hits = spin_.hits(),
          .spin_misses = spin_.misses(),
          .messages = messages_};
}

executor_service* executor::find(const void* key) const noexcept {
  for (const service_entry& each : services_) {
    if (each.key == key) return each.made.get();
  }
  return nullptr;
}

void executor::keep(const void* key, std::unique_ptr<executor_service> made) { services_.push_back({key, std::move(made)}); }

}  // namespace tide
