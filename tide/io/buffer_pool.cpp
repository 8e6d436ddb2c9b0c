#include <tide/io/buffer_pool.hpp>

#include <algorithm>
#include <new>
#include <vector>

namespace tide {

namespace detail {
namespace {

/// Memory of one chunk that belongs to no pool.
class lone_buffer final : public chunk_source {
 public:
  explicit lone_buffer(bytes_view bytes) noexcept : memory_(new(std::nothrow) std::byte[bytes.size()]) {
    if (memory_) std::ranges::copy(bytes, memory_.get());
  }
  void give_back(std::uint16_t) noexcept override { delete this; }
  [[nodiscard]] std::byte* memory() const noexcept { return memory_.get(); }

 private:
  std::unique_ptr<std::byte[]> memory_;
};

}  // namespace

/// The memory of a pool. The pool owns it until it ends, then the chunks that are still out do, together.
///
/// The kernel picks from the front of its line, so it goes through all that is offered before it picks the same memory
/// again, and the caches with it. Only a few are offered, therefore; the others lie on a shelf, and what was used last
/// leaves it first. A burst that finds none doubles the offer.
class buffer_store final : public chunk_source {
 public:
  static constexpr unsigned offered_at_first = 64;

  buffer_store(executor& home, std::unique_ptr<ring::buffer_ring> ring)
      : home_(&home), handle_(home.handle()), ring_(std::move(ring)), ledger_(ring_->count()) {
    shelf_.reserve(ring_->count());
    for (unsigned number = ring_->count(); number > offered_at_first; --number)
      shelf_.push_back(static_cast<std::uint16_t>(number - 1));
  }

  void give_back(std::uint16_t number) noexcept override {
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
    starved_.push_back(waiting);
    if (shelf_.empty()) {
      if (hoarder* first = hoarders_.pop_front()) first->give_up_buffers();
    } else {
      wanted_ = std::min(wanted_ * 2, ring_->count());
      offer_more();
    }
  }
  void may_ask(hoarder& holding) noexcept { hoarders_.push_back(holding); }
  /// Tells as many as there are buffers. One that finds no bytes after all takes none, so whoever is left is told next turn.
  void tell_starved() noexcept {
    if (starved_.empty() || offered_ == 0) return;
    for (unsigned left = offered_; left > 0; --left) {
      starved* const first = starved_.pop_front();
      if (first == nullptr) return;
      first->buffers_returned();
    }
    home_->schedule(std::noop_coroutine());  // do not park: there is a next turn
  }

 private:
  void publish(std::uint16_t number) noexcept {
    shelf_.push_back(number);  // never grows: it has room for all
    offer_more();
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
  intrusive_list<hoarder> hoarders_;
  std::vector<std::uint16_t> shelf_;     // free, and not offered to the kernel
  unsigned offered_ = offered_at_first;  // the kernel may pick from so many
  unsigned wanted_ = offered_at_first;
  bool disowned_ = false;
};

}  // namespace detail

chunk chunk::copy_of(bytes_view bytes) noexcept {
  auto made = std::unique_ptr<detail::lone_buffer>(new (std::nothrow) detail::lone_buffer(bytes));
  if (!made || made->memory() == nullptr) return {};
  const bytes_span memory(made->memory(), bytes.size());
  return {*made.release(), 0, memory};
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
chunk buffer_pool::adopt(std::uint16_t number, std::size_t size) noexcept {
  return {*store_, number, store_->lend(number, size)};
}
void buffer_pool::wait(starved& waiting) noexcept { store_->wait(waiting); }
void buffer_pool::may_ask(hoarder& holding) noexcept { store_->may_ask(holding); }
void buffer_pool::turn() noexcept {
  if (store_ == nullptr) return;
  store_->collect();
  store_->tell_starved();
}

}  // namespace tide
