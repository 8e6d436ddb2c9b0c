#include <tide/fs/detail/background.hpp>

#include <cerrno>

namespace tide::fs::detail {

void background::start(const transfer& what, aligned_buffer memory, local::condition& changed) {
  home_ = executor::current();
  static_cast<void>(home_->use<statistics>());  // it is too late to make it when the executor ends
  what_ = what;
  memory_ = std::move(memory);
  changed_ = &changed;
  what_.ring_of(*home_).start(*this, what_.next(*home_));
}

void background::complete(ring::completion said) noexcept {
  const bool interrupted = said.result == -EINTR;
  if (interrupted || what_.goes_on(said.result)) {
    if (changed_ != nullptr) {
      what_.ring_of(*home_).start(*this, what_.next(*home_));
      return;
    }
    said.result = -ECANCELED;
  }
  last_ = said.result;
  if (auto* counting = home_->used<statistics>()) what_.count(said.result, counting->count());
  if (changed_ == nullptr) {
    delete this;
    return;
  }
  changed_->notify_all();
}

result<std::size_t> background::collect() const noexcept {
  home_->current_queue().count_operation(what_.done());
  return what_.outcome(last_);
}

void background::abandon() noexcept {
  if (done()) {
    delete this;
    return;
  }
  changed_ = nullptr;
  what_.ring_of(*home_).cancel(*this);
}

}  // namespace tide::fs::detail
