// The backend that is the kernel: liburing's queues, set up with the best features that the kernel takes.
#include <liburing.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <limits>
#include <thread>
#include <utility>

#include <tide/ring/backend.hpp>
#include <tide/ring/process.hpp>

namespace tide::ring {
namespace {

constexpr int newest_of_the_floor = IORING_OP_SENDMSG_ZC;  // Linux 6.1; kernels add operations at the end

/// Flags of set-ups to try, best first; the first that the kernel takes is used.
struct ladder_step {
  unsigned flags;
  features gives;
};

std::error_code explain(int error) noexcept {
  switch (error) {
    case EPERM:
    case EACCES: return make_error_code(errc::io_uring_denied);
    case ENOMEM: return make_error_code(errc::no_memory_locked);
    case ENOSYS:
    case EINVAL: return make_error_code(errc::no_io_uring);
    default: return {error, std::system_category()};
  }
}

class kernel final : public backend {
 public:
  kernel() noexcept = default;
  kernel(const kernel&) = delete;
  kernel& operator=(const kernel&) = delete;
  ~kernel() override {
    if (open_) io_uring_queue_exit(&ring_);
  }

  result<> open(const options& wanted) noexcept {
    if (wanted.entries == 0) return fail_errno(EINVAL);
    const ladder_step ladder[] = {
        {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_NO_SQARRAY,
         {.defer_taskrun = true, .no_sqarray = true}},
        {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG, {.defer_taskrun = true}},
        {IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG, {}},
    };
    int error = EINVAL;
    for (const ladder_step& step : ladder) {
      if ((step.gives.defer_taskrun && wanted.without.defer_taskrun) || (step.gives.no_sqarray && wanted.without.no_sqarray))
        continue;
      io_uring_params params{};
      // R_DISABLED: the thread that enables the ring, not the one that makes it, becomes its single issuer.
      params.flags = step.flags | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED;
      if (wanted.poll_devices) params.flags |= IORING_SETUP_IOPOLL;
      params.cq_entries = wanted.completions != 0 ? wanted.completions : wanted.entries * 4;
      error = -io_uring_queue_init_params(wanted.entries, &ring_, &params);
      if (error == 0) {
        open_ = true;
        available_ = step.gives;
        break;
      }
      if (error != EINVAL) break;
    }
    if (!open_) return fail(explain(error));
    if (auto probed = probe_opcodes(wanted.without); !probed) return probed;
    register_ring_ = !wanted.without.registered_ring;
    polls_ = wanted.poll_devices;
    return {};
  }

  result<> enable() noexcept override {
    if (inherited()) return fail(errc::other_process);
    if (driver_ == std::thread::id()) {
      if (const int error = io_uring_enable_rings(&ring_); error < 0) return fail(explain(-error));
      // A filter that lets a ring be made but not entered would have the loop spin for ever.
      if (const int error = io_uring_enter(static_cast<unsigned>(ring_.ring_fd), 0, 0, 0, nullptr); error < 0)
        return fail(explain(-error));
      driver_ = std::this_thread::get_id();
    }
    if (driver_ != std::this_thread::get_id()) return fail_errno(EEXIST);
    if (!available_.registered_ring) available_.registered_ring = register_ring_ && io_uring_register_ring_fd(&ring_) == 1;
    return {};
  }

  void disable() noexcept override {
    // The registration is a number in a table of the thread. Taken back by another thread it would be a stranger's.
    if (std::exchange(available_.registered_ring, false)) io_uring_unregister_ring_fd(&ring_);
  }

  bool reserve(unsigned requests) noexcept override {
    if (inherited() || io_uring_sq_space_left(&ring_) >= requests) return true;
    submit();
    return io_uring_sq_space_left(&ring_) >= requests;
  }

  bool push(const request& what, std::uint64_t token, bool quiet) noexcept override {
    if (inherited()) return true;
    io_uring_sqe* entry = io_uring_get_sqe(&ring_);
    if (entry == nullptr) {
      submit();
      entry = io_uring_get_sqe(&ring_);
      if (entry == nullptr) return false;
    }
    *entry = what.entry();
    entry->user_data = token;
    if (quiet) entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
    ++count_.submitted;
    return true;
  }

  void enter(std::int64_t wait_ns) noexcept override {
    if (inherited()) return;
    if (io_uring_cq_has_overflow(&ring_)) ++count_.overflowed;
    if (wait_ns > 0 && io_uring_cq_ready(&ring_) == 0) return wait(wait_ns);
    if (io_uring_sq_ready(&ring_) != 0) {
      submit();
    } else if (polls_ || needs_enter()) {
      ++count_.enters;
      io_uring_get_events(&ring_);
    }
  }

  [[nodiscard]] bool queued() const noexcept override { return !inherited() && io_uring_sq_ready(&ring_) != 0; }

  bool has_work() noexcept override { return io_uring_cq_ready(&ring_) != 0 || needs_enter(); }

  std::size_t take(std::span<raw_completion> into) noexcept override {
    if (inherited()) return 0;
    unsigned head = 0;
    std::size_t taken = 0;
    io_uring_cqe* entry = nullptr;
    io_uring_for_each_cqe(&ring_, head, entry) {
      if (taken == into.size()) break;
      into[taken++] = {entry->user_data, {entry->res, entry->flags}};
    }
    io_uring_cq_advance(&ring_, static_cast<unsigned>(taken));
    return taken;
  }

  result<> register_buffers(std::uint16_t group, void* memory, unsigned entries) noexcept override {
    io_uring_buf_reg registration{};
    // SAFETY: the kernel reads buffer entries at this address until unregister_buffers; buffer_ring keeps the memory so
    // long.
    registration.ring_addr = reinterpret_cast<std::uint64_t>(memory);
    registration.ring_entries = entries;
    registration.bgid = group;
    if (const int error = io_uring_register_buf_ring(&ring_, &registration, 0); error < 0) return fail_errno(error);
    return {};
  }

  void unregister_buffers(std::uint16_t group) noexcept override { io_uring_unregister_buf_ring(&ring_, group); }

  result<> register_memory(std::span<std::byte> memory) noexcept override {
    if (!available_.registered_memory) return fail(errc::not_supported);
    const iovec whole{.iov_base = memory.data(), .iov_len = memory.size()};
    const int error = io_uring_register_buffers(&ring_, &whole, 1);
    if (error == -ENOMEM) return fail(errc::no_memory_locked);
    if (error < 0) return fail_errno(-error);
    return {};
  }

  result<> announce_by(int eventfd) noexcept override {
    if (const int error = io_uring_register_eventfd(&ring_, eventfd); error < 0) return fail_errno(error);
    return {};
  }

  [[nodiscard]] const features& available() const noexcept override { return available_; }
  [[nodiscard]] int descriptor() const noexcept override { return ring_.ring_fd; }
  [[nodiscard]] unsigned entries() const noexcept override { return ring_.sq.ring_entries; }
  [[nodiscard]] bool inherited() const noexcept override { return process_ != this_process(); }

 private:
  bool needs_enter() noexcept {
    return (IO_URING_READ_ONCE(*ring_.sq.kflags) & (IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN)) != 0;
  }

  /// Submits, and runs the work that the kernel deferred to this thread. An error leaves the requests queued: the next turn
  /// tries again, after completions have been taken.
  void submit() noexcept {
    ++count_.enters;
    if (io_uring_submit_and_get_events(&ring_) < 0 || io_uring_sq_ready(&ring_) != 0) ++count_.refused;
  }

  void wait(std::int64_t wait_ns) noexcept {
    ++count_.enters;
    // Time-out, EINTR and EBUSY all mean the same to the caller: look at what is there, then come again.
    if (wait_ns == std::numeric_limits<std::int64_t>::max()) {
      io_uring_submit_and_wait(&ring_, 1);
    } else {
      __kernel_timespec limit{.tv_sec = wait_ns / 1'000'000'000, .tv_nsec = wait_ns % 1'000'000'000};
      io_uring_cqe* first = nullptr;
      io_uring_submit_and_wait_timeout(&ring_, &first, 1, &limit, nullptr);
    }
    if (io_uring_sq_ready(&ring_) != 0) ++count_.refused;
  }

  result<> probe_opcodes(const features& without) noexcept {
    constexpr unsigned most = 256;
    alignas(io_uring_probe) std::array<std::byte, sizeof(io_uring_probe) + most * sizeof(io_uring_probe_op)> room{};
    // SAFETY: a trivial type in memory that has its alignment and the size that the kernel is told; gone with this call.
    auto* const probe = reinterpret_cast<io_uring_probe*>(room.data());
    if (const int error = io_uring_register_probe(&ring_, probe, most); error < 0) return fail(explain(-error));
    const auto has = [&](int operation) { return io_uring_opcode_supported(probe, operation) != 0; };
    if (!has(newest_of_the_floor)) return fail(errc::no_io_uring);
    available_.msg_ring = !without.msg_ring && has(IORING_OP_MSG_RING);
    available_.futex = !without.futex && has(IORING_OP_FUTEX_WAIT);
    available_.registered_memory = !without.registered_memory;
    available_.truncate = !without.truncate && has(IORING_OP_FTRUNCATE);
    available_.bind_listen = !without.bind_listen && has(IORING_OP_LISTEN);
    return {};
  }

  io_uring ring_{};
  features available_;
  std::thread::id driver_;
  std::uint32_t process_ = this_process();
  bool open_ = false;
  bool register_ring_ = true;
  bool polls_ = false;
};

}  // namespace

result<std::unique_ptr<backend>> open_kernel(const options& wanted) {
  auto made = std::make_unique<kernel>();
  if (auto opened = made->open(wanted); !opened) return fail(opened.error());
  return made;
}

}  // namespace tide::ring
