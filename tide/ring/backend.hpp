// What stands behind a ring: the kernel, or a simulation of it. A ring turns operations into (request, token) pairs and
// completions back into operations; a backend carries the pairs there and the completions back.
//
//   auto kernel = tide::ring::open_kernel(options);          // io_uring itself
//   auto ring = tide::ring::ring::create(options).value();   // a ring over it
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include <tide/base/result.hpp>
#include <tide/ring/completion.hpp>
#include <tide/ring/features.hpp>
#include <tide/ring/request.hpp>

namespace tide::ring {

struct options {
  unsigned entries = 1024;    ///< submissions that fit before the kernel must be entered; rounded up to a power of two
  unsigned completions = 0;   ///< completion queue size; 0: four times `entries`
  bool poll_devices = false;  ///< IORING_SETUP_IOPOLL: for reads and writes of O_DIRECT files on devices with poll queues
                              ///< only; completions come while the ring is entered, never by themselves
  features without{};         ///< features set here are not used even where the kernel has them
  /// For tests: not 0 makes the kernel seem as unkind as a kernel may be (short, interrupted and late results, late cancels,
  /// full queues, refused submissions), at moments that this seed decides.
  std::uint64_t unkind_seed = 0;
  /// For tests: asked for each request that somebody waits for. What is not 0 is its result, and the kernel never sees it,
  /// nor what is linked behind it.
  std::function<std::int32_t(const request&)> verdict = {};
};

struct raw_completion {
  std::uint64_t token;
  completion said;
};

struct counters {
  std::uint64_t enters = 0;      ///< io_uring_enter system calls
  std::uint64_t submitted = 0;   ///< requests handed to the kernel
  std::uint64_t completed = 0;   ///< completions seen
  std::uint64_t backlogged = 0;  ///< requests that had to wait for a free entry
  std::uint64_t overflowed = 0;  ///< times the kernel held completions back because the queue was full
  std::uint64_t refused = 0;     ///< times the kernel did not take all that was submitted; the next enter tries again
  std::uint64_t stale = 0;       ///< completions whose operation had already ended (must stay 0)
};

/// All calls but the constructor's come from the one thread that drives the ring.
class backend {
 public:
  virtual ~backend() = default;

  /// Binds the ring to the calling thread, before anything is pushed. From then on no other thread can: EEXIST.
  virtual result<> enable() noexcept = 0;
  /// Gives back what the thread holds for the ring. On the thread that enabled it, which may enable it again.
  virtual void disable() noexcept = 0;
  /// True if that many requests can be pushed now and reach the kernel together, after entering it if need be.
  virtual bool reserve(unsigned requests) noexcept = 0;
  /// Queues a request; false if there is no room even after entering the kernel. `quiet`: no completion on success.
  virtual bool push(const request& what, std::uint64_t token, bool quiet) noexcept = 0;
  /// Submits what is queued. With `wait_ns` >= 0 waits for one completion at least, at most so long (max: for ever).
  virtual void enter(std::int64_t wait_ns) noexcept = 0;
  /// True if something was pushed that the kernel has not taken yet.
  [[nodiscard]] virtual bool queued() const noexcept = 0;
  /// True if there is something to take, or to enter for. Without a system call.
  [[nodiscard]] virtual bool has_work() noexcept = 0;
  /// Takes completions that are there.
  virtual std::size_t take(std::span<raw_completion> into) noexcept = 0;
  /// Tells the kernel of a ring of provided buffers at `memory` (page aligned, `entries` a power of two), or takes it back.
  virtual result<> register_buffers(std::uint16_t group, void* memory, unsigned entries) noexcept = 0;
  virtual void unregister_buffers(std::uint16_t group) noexcept = 0;
  /// Has the kernel pin memory (page aligned, at most 1 GiB) until the ring has gone; requests name it by `memory_index`.
  /// Once a ring, on any thread before enable(), on the driving thread after. Errors: errc::no_memory_locked, the kernel's.
  virtual result<> register_memory(std::span<std::byte> memory) noexcept = 0;
  static constexpr std::uint16_t memory_index = 0;

  /// From now on `eventfd` is counted up whenever enter() and take() may find something. On the driving thread. (Polling the
  /// ring's own descriptor does not do: work that is deferred to this thread wakes nobody there.)
  virtual result<> announce_by(int eventfd) noexcept = 0;

  [[nodiscard]] virtual const features& available() const noexcept = 0;
  [[nodiscard]] virtual int descriptor() const noexcept = 0;
  /// How many requests the submission queue holds.
  [[nodiscard]] virtual unsigned entries() const noexcept = 0;
  /// True in a child that the maker of the ring forked: every call there does nothing, or fails with errc::other_process.
  [[nodiscard]] virtual bool inherited() const noexcept { return false; }
  [[nodiscard]] const counters& count() const noexcept { return count_; }

 protected:
  friend class ring;
  counters count_;
};

/// io_uring. Errors: errc::io_uring_denied, errc::no_memory_locked, errc::no_io_uring, std::errc::invalid_argument (no
/// entries), else the kernel's.
result<std::unique_ptr<backend>> open_kernel(const options& wanted);
/// The one behind `options::unkind_seed` (0: it is kind) and `options::verdict`.
std::unique_ptr<backend> make_unkind(std::unique_ptr<backend> behind, const options& wanted);

}  // namespace tide::ring
