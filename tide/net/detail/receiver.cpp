#include <tide/net/detail/receiver.hpp>

#include <algorithm>
#include <cassert>
#include <cerrno>

#include <tide/ring/request.hpp>
#include <tide/runtime/io_operation.hpp>

namespace tide::net::detail {

bool receiver::elsewhere(const executor& here) const noexcept {
  const bool refused = home_ != nullptr && home_ != &here && active();
  assert(!refused && "a stream is used on another executor than the one that receives for it");
  return refused;
}

result<chunk> receiver::take() noexcept {
  if (unread() != 0) {
    chunk first = std::move(kept_[taken_]);
    drop_first();
    return first;
  }
  if (const auto failed = io_operation::error_of(*std::exchange(outcome_, std::nullopt))) return fail(*failed);
  return chunk();
}

std::int32_t receiver::take_into(bytes_span memory) noexcept {
  if (unread() == 0) return *std::exchange(outcome_, std::nullopt);
  chunk& first = kept_[taken_];
  const std::size_t size = std::min(memory.size(), first.size());
  std::ranges::copy(first.bytes().first(size), memory.begin());
  first.remove_prefix(size);
  if (first.empty()) drop_first();
  return static_cast<std::int32_t>(size);
}

result<> receiver::wait(reader& who, executor& home) {
  home_ = &home;
  if (!in_flight() && !starved::linked()) {
    pool_ = &home.use<buffer_pool>();
    if (!pool_->status()) return pool_->status();
    arm();
  }
  reader_ = &who;
  plain_reader_ = false;
  return {};
}

bool receiver::pause(reader& who) {
  starved::unlink();
  if (!in_flight()) return false;
  ask_to_pause();
  reader_ = &who;
  plain_reader_ = true;
  return true;
}

void receiver::leave() noexcept {
  reader_ = nullptr;
  starved::unlink();
}

void receiver::close() noexcept {
  if (!starved::linked()) return;
  starved::unlink();
  outcome_ = -ECANCELED;
  std::exchange(reader_, nullptr)->received_later();
}

void receiver::abandon() noexcept {
  if (!in_flight()) {
    delete this;
    return;
  }
  abandoned_ = true;
  hoarder::unlink();
  kept_.clear();
  taken_ = 0;
  home_->ring().cancel(*this);
}

void receiver::complete(ring::completion said) noexcept {
  if (said.has_buffer()) {
    // A buffer that was picked goes through the pool's books, whoever still wants it.
    chunk bytes = pool_->adopt(said.buffer(), static_cast<std::size_t>(said.result));
    if (!abandoned_) keep(std::move(bytes));
  }
  if (abandoned_) {
    if (!said.more()) delete this;
    return;
  }
  if (!said.more()) {
    const bool paused = std::exchange(pausing_, false) && said.result == -ECANCELED;
    // Without a reader -ECANCELED is the end of a run or of the stream, and nothing for a later reader to see.
    const bool unheard = said.result == -ECANCELED && reader_ == nullptr;
    const bool again = said.has_buffer() || said.result == -ENOBUFS || said.result == -EINTR;
    if (!again && !paused && !unheard) outcome_ = said.result;
  }
  if (reader_ == nullptr) {
    if (unread() != 0 && !hoarder::linked()) pool_->may_ask(*this);
    if (in_flight() && unread() >= most_unread) ask_to_pause();
  } else if (ready() || (plain_reader_ && !in_flight())) {
    hand_over();
  } else if (said.result == -ENOBUFS) {
    pool_->wait(*this);
  } else if (!in_flight()) {
    arm();  // it had paused, and bytes are wanted again
  }
}

void receiver::arm() noexcept { home_->ring().start(*this, ring::request::receive_multishot(fd_, pool_->group())); }

void receiver::ask_to_pause() noexcept {
  if (std::exchange(pausing_, true)) return;
  home_->ring().cancel(*this);
}

void receiver::give_up_buffers() noexcept {
  for (chunk& each : std::span(kept_).subspan(taken_)) {
    if (chunk copied = chunk::copy_of(each.bytes()); !copied.empty()) each = std::move(copied);
  }
}

void receiver::keep(chunk bytes) {
  if (taken_ == kept_.size()) {
    kept_.clear();
    taken_ = 0;
  }
  kept_.push_back(std::move(bytes));  // grows to most_unread and then hardly ever
}

void receiver::drop_first() noexcept {
  kept_[taken_++] = chunk();
  if (unread() == 0) hoarder::unlink();
}

}  // namespace tide::net::detail
