#include <tide/runtime/detail/mailbox.hpp>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include <tide/ring/ring.hpp>
#include <tide/runtime/executor.hpp>

// SAFETY (for every atomic in this file): posted_ is a stack that only grows by compare-and-swap and is only emptied whole
// by exchange, so no node is ever taken while another thread can still look at it. Whoever leaves something (here or
// elsewhere) makes word_ `called` afterwards, or finds it so, not taken away yet. The executor parks only by turning `awake`
// into `parked`: a call since it was last awake makes that fail, and whichever exchange takes the call away synchronises
// with it, so that the turn that follows sees what was left: a wake is never lost. senders_ counts who may still name the
// ring's descriptor to the kernel: whoever sends counts itself first and then finds the executor parked, so the executor,
// which ends later, finds it counted. Whoever brings the count to nothing takes buried_ by exchange, so the ring ends once.
// The closed mark is an address that no node has and is never followed.

namespace tide::detail {

/// A function on its way, in a node of its own.
class mailbox::posted_work final : public mailbox_entry {
 public:
  explicit posted_work(std::move_only_function<void()> work) noexcept : work_(std::move(work)) {}

 private:
  void run() override {
    const std::unique_ptr<posted_work> whole(this);
    work_();
  }
  void dropped() noexcept override { delete this; }
  std::move_only_function<void()> work_;
};

mailbox_entry* mailbox::closed_mark() noexcept {
  static posted_work mark({});
  return &mark;
}

void mailbox::drop(mailbox_entry* list) noexcept {
  while (list != nullptr && list != closed_mark()) {
    mailbox_entry* next = list->next_;
    list->dropped();
    list = next;
  }
}

mailbox::~mailbox() {
  delete buried_.exchange(nullptr);
  drop(due_);
  drop(posted_.load());
}

bool mailbox::post(std::move_only_function<void()> work) {
  auto made = std::make_unique<posted_work>(std::move(work));
  if (!post(*made)) return false;
  static_cast<void>(made.release());
  return true;
}

bool mailbox::post(mailbox_entry& entry) noexcept {
  if (process_ != ring::this_process()) return false;  // the executor is not in this process
  mailbox_entry* top = posted_.load();
  do {
    if (top == closed_mark()) return false;
    entry.next_ = top;
  } while (!posted_.compare_exchange_weak(top, &entry));
  wake();
  return true;
}

void mailbox::wake() noexcept {
  if (process_ != ring::this_process()) return;
  const std::uint32_t seen = word_.load();
  if (seen == called) return;  // and not heard yet: whoever hears it finds what was left
  executor* const here = executor::current();
  if (here != nullptr && seen == parked && here->can_message(*this)) {
    senders_.fetch_add(1);
    if (word_.exchange(called) == parked) return here->message(shared_from_this());
    return sender_left();
  }
  if (word_.exchange(called) == parked) ring_the_bell();
}

void mailbox::sender_left() noexcept {
  if (senders_.fetch_sub(1) == 1) delete buried_.exchange(nullptr);
}

void mailbox::bury(std::unique_ptr<ring::ring> last) noexcept {
  buried_.exchange(last.release());
  sender_left();
}

void mailbox::ring_the_bell() noexcept {
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
    mailbox_entry* first = due_;
    due_ = first->next_;
    first->run();  // when it throws, the rest stays due
  }
}

void mailbox::take_posted() noexcept {
  if (posted_.load() == nullptr) return;  // in one order with word_: see the top
  mailbox_entry* list = posted_.exchange(nullptr);
  while (list != nullptr) {  // newest first to oldest first
    mailbox_entry* next = list->next_;
    list->next_ = due_;
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
