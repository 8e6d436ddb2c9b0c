#include <tide/runtime/detail/mailbox.hpp>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>
#include <utility>

// SAFETY (for every atomic in this file): posted_ is a stack that only grows by compare-and-swap and is only emptied whole
// by exchange, so no node is ever taken while another thread can still look at it. Whoever leaves something (here or
// elsewhere) exchanges word_ to `called` afterwards. The executor parks only by turning `awake` into `parked`: a call since
// it was last awake makes that fail, and whichever exchange takes the call away synchronises with it, so that the turn that
// follows sees what was left: a wake is never lost. The closed mark is an address that no node has and is never followed.

namespace tide::detail {

mailbox::node* mailbox::closed_mark() noexcept {
  static node mark{nullptr, {}};
  return &mark;
}

void mailbox::drop(node* list) noexcept {
  while (list != nullptr && list != closed_mark()) {
    node* next = list->next;
    delete list;
    list = next;
  }
}

mailbox::~mailbox() {
  drop(due_);
  drop(posted_.load());
}

bool mailbox::post(std::move_only_function<void()> work) {
  node* made = new node{nullptr, std::move(work)};
  node* top = posted_.load();
  do {
    if (top == closed_mark()) {
      delete made;
      return false;
    }
    made->next = top;
  } while (!posted_.compare_exchange_weak(top, made));
  wake();
  return true;
}

void mailbox::wake() noexcept {
  if (word_.exchange(called) != parked) return;
  if (eventfd_) {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(eventfd_.get(), &one, sizeof one);  // a full counter wakes as well
  } else {
    // Not the private form: see ring::request::futex_wait.
    ::syscall(SYS_futex, futex_word(), FUTEX_WAKE, 1, nullptr, nullptr, 0);
  }
}

void mailbox::run_posted() {
  if (due_ == nullptr) take_posted();
  while (due_ != nullptr) {
    const std::unique_ptr<node> first(due_);
    due_ = first->next;
    first->work();  // when it throws, the rest stays due
  }
}

void mailbox::take_posted() noexcept {
  if (posted_.load(std::memory_order_relaxed) == nullptr) return;
  node* list = posted_.exchange(nullptr);
  while (list != nullptr) {  // newest first to oldest first
    node* next = list->next;
    list->next = due_;
    due_ = list;
    list = next;
  }
}

bool mailbox::begin_parking() noexcept {
  std::uint32_t before = awake;
  if (due_ == nullptr && word_.compare_exchange_strong(before, parked)) return true;
  word_.exchange(awake);
  return false;
}

void mailbox::end_parking() noexcept { word_.exchange(awake); }

void mailbox::close() noexcept {
  drop(std::exchange(due_, nullptr));
  drop(posted_.exchange(closed_mark()));
}

const std::uint32_t* mailbox::futex_word() const noexcept {
  static_assert(sizeof word_ == sizeof(std::uint32_t) && std::atomic<std::uint32_t>::is_always_lock_free);
  // SAFETY: a lock-free atomic of 32 bits is its value; the kernel only compares it.
  return reinterpret_cast<const std::uint32_t*>(&word_);
}

}  // namespace tide::detail
