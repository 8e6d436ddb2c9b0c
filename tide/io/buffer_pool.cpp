#include <tide/io/buffer_pool.hpp>

#include <algorithm>
#include <vector>

namespace tide {

namespace detail {

/// The memory of a pool. The pool owns it until it ends, then the chunks that are still out do, together.
///
/// The kernel picks from the front of its line, so it goes through all that is offered before it picks the same memory
/// again, and the caches with it. Only a few are offered, therefore; the others lie on a shelf, and what was used last
/// leaves it first. A burst that finds none doubles the offer.
class buffer_store {
 public:
  static constexpr unsigned offered_at_first = 64;

  buffer_store(executor& home, std::unique_ptr<ring::buffer_ring> ring)
      : home_(&home), handle_(home.handle()), ring_(std::move(ring)), ledger_(ring_->count()) {
    shelf_.reserve(ring_->count());
    for (unsigned number = ring_->count(); number > offered_at_first; --number)
      shelf_.push_back(static_cast<std::uint16_t>(number - 1));
  }

  void give_back(std::uint16_t number) noexcept {
    // disowned_ is looked at only by the home thread, or by a later executor at the same address, which began after the end.
    if (executor::current() == home_ && !disowned_) {
      ledger_.returned_here();
      return publish(number);
    }
    const executor_handle home = handle_;  // the store may be gone, freed by another thread, once the buffer is returned
    if (ledger_.return_from_elsewhere(number)) {
      delete this;
    } else {
      home.wake();
    }
  }
  void collect() noexcept {
    if (!ledger_.has_returned()) return;
    ledger_.collect([this](std::uint32_t number) { publish(static_cast<std::uint16_t>(number)); });
  }
  void disown() noexcept {
    ring_->unregister();
    disowned_ = true;
    if (ledger_.disown()) delete this;
  }
  bytes_span lend(std::uint16_t number, std::size_t size) noexcept {
    ledger_.lend();
    --offered_;
    offer_more();
    return ring_->bytes(number).first(size);
  }
  [[nodiscard]] std::uint16_t group() const noexcept { return ring_->group(); }
  void wait(starved& waiting) noexcept {
    if (shelf_.empty()) return starved_.push_back(waiting);
    wanted_ = std::min(wanted_ * 2, ring_->count());
    offer_more();
    waiting.buffer_returned();
  }
  void pass_on() noexcept {
    if (starved* first = starved_.pop_front()) first->buffer_returned();
  }
  void descriptor_closed(int fd) noexcept {
    intrusive_list<starved> all;
    all.splice_back(starved_);
    while (starved* each = all.pop_front()) {
      if (!each->descriptor_closed(fd)) starved_.push_back(*each);
    }
  }

 private:
  void publish(std::uint16_t number) noexcept {
    shelf_.push_back(number);  // never grows: it has room for all
    offer_more();
    pass_on();
  }
  void offer_more() noexcept {
    while (offered_ < wanted_ && !shelf_.empty()) {
      ring_->give_back(shelf_.back());
      shelf_.pop_back();
      ++offered_;
    }
  }

  executor* home_;
  executor_handle handle_;
  std::unique_ptr<ring::buffer_ring> ring_;
  lease_ledger ledger_;
  intrusive_list<starved> starved_;
  std::vector<std::uint16_t> shelf_;     // free, and not offered to the kernel
  unsigned offered_ = offered_at_first;  // the kernel may pick from so many
  unsigned wanted_ = offered_at_first;
  bool disowned_ = false;
};

}  // namespace detail

chunk::chunk(detail::buffer_store& from, std::uint16_t number, std::size_t size) noexcept
    : store_(&from), bytes_(from.lend(number, size)), number_(number) {}

chunk::~chunk() {
  if (store_ != nullptr) store_->give_back(number_);
}

buffer_pool::buffer_pool(executor& home) {
  auto made = ring::buffer_ring::create(
      home.ring(),
      {.group = 0, .count = default_count, .size = default_size, .offered = detail::buffer_store::offered_at_first});
  if (made) {
    store_ = new detail::buffer_store(home, std::move(*made));
  } else {
    status_ = fail(made.error());
  }
}

buffer_pool::~buffer_pool() {
  if (store_ != nullptr) store_->disown();
}

std::uint16_t buffer_pool::group() const noexcept { return store_->group(); }
chunk buffer_pool::adopt(std::uint16_t number, std::size_t size) noexcept { return chunk(*store_, number, size); }
void buffer_pool::wait(starved& waiting) noexcept { store_->wait(waiting); }
void buffer_pool::pass_on() noexcept { store_->pass_on(); }
void buffer_pool::descriptor_closed(int fd) noexcept {
  if (store_ != nullptr) store_->descriptor_closed(fd);
}
void buffer_pool::turn() noexcept {
  if (store_ != nullptr) store_->collect();
}

}  // namespace tide
