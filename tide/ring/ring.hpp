// One io_uring and the operations under way on it.
//
//   auto ring = tide::ring::ring::create({}).value();
//   ring->enable();
//   ring->start(op, tide::ring::request::nop());
//   ring->submit_and_wait(tide::ring::ring::forever);
//   ring->reap();                                        // calls op.complete(…)
//
// Starting never fails: when the submission queue is full the request waits in line. Each operation is known to the kernel
// by a slot and a generation, so a late completion or a cancel can never reach a stranger.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include <tide/base/result.hpp>
#include <tide/ring/backend.hpp>
#include <tide/ring/completion.hpp>
#include <tide/ring/features.hpp>
#include <tide/ring/request.hpp>

namespace tide::ring {

/// Driven by one thread: create anywhere, then enable() and everything else on the driving thread.
class ring {
 public:
  static constexpr std::int64_t forever = std::numeric_limits<std::int64_t>::max();
  static constexpr std::size_t reap_limit = 4096;

  static result<std::unique_ptr<ring>> create(const options& wanted);
  explicit ring(std::unique_ptr<backend> behind);
  ring(const ring&) = delete;
  ring& operator=(const ring&) = delete;
  /// Nothing may be in flight any more. On the driving thread, or after its disable().
  ~ring();

  result<> enable() noexcept { return backend_->enable(); }
  /// Lets go of the calling thread, so that another one may destroy the ring. The driving thread may enable() again.
  void disable() noexcept { backend_->disable(); }

  /// Begins an operation, which is not in flight. Its completions arrive through reap, never from inside this call.
  void start(operation& op, const request& what);
  struct link {
    operation* who;
    request what;
  };
  /// Begins operations each of which waits for the success of the one before; a short transfer is no success. They go to the
  /// kernel together. The chain has one completion: the last one's own; or, when one before it fails, that one's, and then
  /// the last is told -ECANCELED. Those who are told nothing end with the last. To cancel() the last cancels the chain.
  /// Errors: std::errc::invalid_argument: no link, or more than the submission queue has entries.
  result<> start_chain(std::span<const link> links);
  /// Hands over a request that nobody waits for; success is silent, failure is dropped. For close and the like.
  void start_detached(const request& what);
  /// Asks for an end: the last completion still comes, as the operation's own result or -ECANCELED. Idempotent; does
  /// nothing to an operation that is not in flight.
  void cancel(operation& op);
  /// Asks for an end of everything in flight.
  void cancel_everything();

  /// Hands queued requests to the kernel, without waiting.
  void submit() { turn(-1); }
  /// The same, then waits until a completion is there or `wait_ns` nanoseconds have passed. Returns early on a signal.
  void submit_and_wait(std::int64_t wait_ns) { turn(wait_ns); }
  /// True if submit and reap would find something to do beside what was started. A few loads: for loops that wait.
  [[nodiscard]] bool has_work() noexcept {
    return !cancelled_in_line_.empty() || !insisting_.empty() || backend_->has_work();
  }
  /// Delivers the completions that are there, at most so many (4,096 and no more: a reap ends, however fast they keep
  /// coming), and operations that were cancelled before the kernel saw them besides. Returns how many.
  std::size_t reap(std::size_t most = reap_limit);

  /// True if requests wait in line because the submission queue was full.
  [[nodiscard]] bool congested() const noexcept { return !backlog_.empty(); }
  /// Operations that can still get a completion.
  [[nodiscard]] std::size_t in_flight() const noexcept { return in_flight_; }
  /// True if nothing is in flight and no request, not even a detached one, waits in line or was refused by the kernel.
  [[nodiscard]] bool at_rest() const noexcept { return in_flight_ == 0 && backlog_.empty() && !backend_->queued(); }
  [[nodiscard]] const features& available() const noexcept { return backend_->available(); }
  [[nodiscard]] const counters& count() const noexcept { return backend_->count(); }
  [[nodiscard]] backend& behind() noexcept { return *backend_; }

 private:
  struct alignas(32) slot {  // a power of two, so that finding one needs no multiplication
    operation* owner = nullptr;
    std::uint32_t generation = 1;
    std::uint32_t next_free = 0;
    std::uint32_t next_in_chain = 0;  // a circle of slots; 0: no chain
    bool cancel_requested = false;
    bool in_line = false;  // the request waits in backlog_
    bool last = true;      // of its chain
  };
  struct waiting {
    request what;
    std::uint64_t token;
    bool quiet;
    unsigned together;  // with so many of those behind it, itself included
  };
  struct insistence {
    std::uint64_t token;
    unsigned turns;
  };
  std::uint32_t occupy(operation& op);
  void release(slot& ended) noexcept;
  void turn(std::int64_t wait_ns);
  void push(const request& what, std::uint64_t token, bool quiet);
  void line_up(const request& what, std::uint64_t token, bool quiet, unsigned together);
  void push_backlog();
  template <class F>
  void each_in_chain(std::uint32_t from, F visit);
  void cancel_chain(std::uint32_t last);
  void insist();
  operation* end_chain(std::uint32_t ended) noexcept;
  [[nodiscard]] slot* find(std::uint64_t token) noexcept;  // nullptr: its operation has ended
  void deliver(std::uint64_t token, completion said);

  std::unique_ptr<backend> backend_;
  std::vector<slot> slots_;  // slot 0 is never used: token 0 is "nobody waits"
  std::uint32_t free_ = 0;   // head of the free slots, 0: none
  std::size_t in_flight_ = 0;
  std::deque<waiting> backlog_;  // allocates only while the submission queue is full; cancelled ones are skipped in turn
  std::array<raw_completion, 32> taken_{};        // reap's; here so that it is not cleared each time
  std::vector<std::uint64_t> cancelled_in_line_;  // tokens cancelled before the kernel ever saw them
  std::vector<insistence> insisting_;             // chains whose cancel may have come between two of their links
};

}  // namespace tide::ring
