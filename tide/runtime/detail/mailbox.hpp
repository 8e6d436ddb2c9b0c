// Where other threads leave work for an executor, and how they wake it: a lock-free list and a word that says whether it
// sleeps. Another executor wakes it through the rings (MSG_RING), any other thread by the word, which the parked ring waits
// on (a futex where the kernel has FUTEX_WAIT as an operation, else an eventfd).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include <tide/base/descriptor.hpp>
#include <tide/ring/process.hpp>

namespace tide::ring {
class ring;
}

namespace tide::detail {

/// What is left in a mailbox. It lives where its owner wants it, mostly in a waiting coroutine's frame; nothing is
/// allocated.
class mailbox_entry {
 public:
  mailbox_entry() noexcept = default;
  mailbox_entry(const mailbox_entry&) = delete;
  mailbox_entry& operator=(const mailbox_entry&) = delete;

 protected:
  ~mailbox_entry() = default;

 private:
  friend class mailbox;
  /// Called once for each post that succeeded, on the executor's thread; out of the mailbox by then, so it may end itself.
  virtual void run() = 0;
  /// Called in place of run() if the executor ended first.
  virtual void dropped() noexcept = 0;
  mailbox_entry* next_ = nullptr;
};

class mailbox : public std::enable_shared_from_this<mailbox> {
 public:
  mailbox() noexcept = default;
  mailbox(const mailbox&) = delete;
  mailbox& operator=(const mailbox&) = delete;
  ~mailbox();

  // Any thread.
  /// Leaves work; false, with the work dropped, if the executor has ended. Allocates one node.
  bool post(std::move_only_function<void()> work);
  /// Leaves an entry that is in no mailbox; false, with the entry untouched, if the executor has ended. Unless the caller
  /// knows better, the entry may be gone when this returns. Allocates nothing.
  bool post(mailbox_entry& entry) noexcept;
  /// Makes the executor turn once more before it parks, and ends its parking.
  void wake() noexcept;
  /// Ends its parking by the word, whatever thread this is.
  void ring_the_bell() noexcept;
  /// The one who sent a message to the executor's ring has heard that it arrived, or that it did not.
  void sender_left() noexcept;

  // The executor's thread.
  /// Runs what was left, in the order it was left. An exception of the work comes out; the rest runs at the next call.
  void run_posted();
  /// True if somebody called since the last time; that is forgotten then, so look around. For loops that wait.
  [[nodiscard]] bool take_call() noexcept { return word_.load() == called && word_.exchange(awake) == called; }
  /// False if somebody called since the last time: do not park then, look around.
  [[nodiscard]] bool begin_parking() noexcept;
  void end_parking() noexcept;
  /// No post succeeds from here on; what is still there is dropped.
  void close() noexcept;
  /// The executor's end: destroys its ring, at once or with the last message that is on its way there. Its descriptor is not
  /// free to become a stranger's before.
  void bury(std::unique_ptr<ring::ring> last) noexcept;

  [[nodiscard]] const std::uint32_t* futex_word() const noexcept;
  static constexpr std::uint32_t parked = 1;
  // Before any other thread knows the mailbox.
  /// Wakes by this descriptor instead of the futex.
  void use_eventfd(descriptor fd) noexcept { eventfd_ = std::move(fd); }
  /// Other executors wake by a message to this ring.
  void use_ring(int fd) noexcept { ring_ = fd; }
  [[nodiscard]] int ring_descriptor() const noexcept { return ring_; }

 private:
  class posted_work;
  static constexpr std::uint32_t awake = 0;
  static constexpr std::uint32_t called = 2;  // since the executor was last `awake`
  static mailbox_entry* closed_mark() noexcept;
  void take_posted() noexcept;
  static void drop(mailbox_entry* list) noexcept;

  std::atomic<mailbox_entry*> posted_{nullptr};  // newest first
  mailbox_entry* due_ = nullptr;                 // taken from there, oldest first; executor's thread only
  std::atomic<std::uint32_t> word_{awake};
  descriptor eventfd_;
  int ring_ = -1;
  std::atomic<std::uint32_t> senders_{1};  // messages on their way, and the executor itself
  std::atomic<ring::ring*> buried_{nullptr};
  const std::uint32_t process_ = ring::this_process();
};

}  // namespace tide::detail
