#include <tide/runtime/executor.hpp>

#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>

#include <tide/ring/request.hpp>
#include <tide/runtime/scope.hpp>

namespace tide {
namespace {

// The one piece of state that a thread has.
thread_local executor* current_executor = nullptr;

}  // namespace

struct executor::running {
  explicit running(executor& here) noexcept : before(current_executor) { current_executor = &here; }
  ~running() { current_executor = before; }
  executor* before;
};

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

void detail::promise_base::end_child(scope& owner, std::coroutine_handle<> ended, std::exception_ptr error) noexcept {
  ended.destroy();
  owner.ended(std::move(error));
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

executor* executor::current() noexcept { return current_executor; }

result<std::unique_ptr<executor>> executor::create(const options& wanted) {
  auto made = ring::ring::create(wanted.ring);
  if (!made) return fail(made.error());
  std::unique_ptr<executor> whole(new executor(std::move(*made), wanted));
  int fd = -1;
  if (!whole->ring_->available().futex) {
    fd = ::eventfd(0, EFD_CLOEXEC);
    if (fd < 0) return fail_errno(errno);
    whole->box_->use_eventfd(descriptor(fd));
  }
  whole->wake_ = std::make_unique<wake_operation>(*whole->box_, fd);
  return whole;
}

executor::executor(std::unique_ptr<ring::ring> made, const options& wanted)
    : ring_(std::move(made)), box_(std::make_shared<detail::mailbox>()), on_exception_(wanted.on_exception) {}

executor::~executor() { box_->close(); }

void executor::arm(timer& t, clock::time_point deadline) noexcept {
  t.deadline_ = deadline;
  timers_.push(t);
}

void executor::disarm(timer& t) noexcept {
  if (t.queued()) timers_.erase(t);
}

void executor::fire_timers() {
  const auto now = clock::now();
  while (timer* first = timers_.top()) {
    if (first->deadline_ > now) return;
    timers_.erase(*first);
    first->expired();
  }
}

template <class Ended>
void executor::turn_until(Ended ended) {
  while (!ended()) {
    box_->run_posted();
    for (std::size_t count = ready_.size(); count > 0; --count) ready_.pop().resume();
    for (const service_entry& each : services_) each.made->turn();
    if (!timers_.empty()) fire_timers();
    if (!ended()) exchange_with_kernel();  // never park when there is nothing left to wait for
  }
}

void executor::exchange_with_kernel() {
  if (ready_.empty() && box_->begin_parking()) {
    park();
    box_->end_parking();
  } else {
    ring_->submit();
  }
  ring_->reap();
}

void executor::park() {
  wake_->arm(*ring_);
  auto wait = ring::ring::forever;
  if (const timer* first = timers_.top()) {
    const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(first->deadline_ - clock::now()).count();
    wait = std::max<std::int64_t>(left, 1);
  }
  ring_->submit_and_wait(wait);
}

void executor::run_main(task<void> main, const bool& done) {
  const running here(*this);
  if (auto enabled = ring_->enable(); !enabled) throw std::system_error(enabled.error(), "cannot enable the ring");
  root_ = std::make_unique<scope>(*this, nullptr);
  root_->spawn(std::move(main));
  std::exception_ptr failed;  // thrown by posted work, which belongs to no task
  const auto guarded = [&](auto&& loop) {
    for (bool again = true; again;) {
      try {
        loop();
        again = false;
      } catch (...) {
        if (!failed) failed = std::current_exception();
        root_->cancel();
      }
    }
  };
  guarded([&] { turn_until([&] { return done; }); });
  root_->cancel();
  guarded([&] { turn_until([&] { return root_->size() == 0; }); });
  if (!failed) failed = std::exchange(root_->error_, {});
  drain();
  root_.reset();
  if (failed) std::rethrow_exception(failed);
}

void executor::drain() noexcept {
  ring_->cancel(*wake_);
  empty_ring();
  while (!services_.empty()) services_.pop_back();
  empty_ring();  // of what the services began as they went
  ring_->disable();
}

void executor::empty_ring() noexcept {
  ring_->cancel_everything();
  while (!ring_->at_rest()) {
    if (ring_->in_flight() != 0) {
      ring_->submit_and_wait(ring::ring::forever);
    } else {
      ring_->submit();  // what is in line waits for nobody: a close, say
    }
    ring_->reap();
  }
  ring_->submit();
}

executor_service* executor::find(const void* key) const noexcept {
  for (const service_entry& each : services_) {
    if (each.key == key) return each.made.get();
  }
  return nullptr;
}

void executor::keep(const void* key, std::unique_ptr<executor_service> made) { services_.push_back({key, std::move(made)}); }

}  // namespace tide
