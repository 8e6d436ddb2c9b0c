#include <tide/fs/operations.hpp>

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include <tide/ring/file_requests.hpp>
#include <tide/runtime/close.hpp>
#include <tide/runtime/registered_memory.hpp>

namespace tide::fs {
namespace detail {
namespace {

/// A device that is polled takes no request above its own limit, and waits for ever on one that the kernel has to split: so
/// little that each has room for it. Elsewhere the kernel splits as the device likes; this is what it takes in one call.
constexpr std::size_t most_polled = std::size_t{128} << 10U;
constexpr std::size_t most_at_once = 0x7ffff000;

bool has_zero(const std::string& path) noexcept { return path.find('\0') != std::string::npos; }

}  // namespace

ring::request transfer::next(executor& home) const noexcept {
  const bytes_span bytes(data_ + done_, std::min(size_ - done_, on_.polled ? most_polled : most_at_once));
  const std::uint64_t at = offset_ + done_;
  if (registered_memory* registered = home.registered()) {
    if (const auto index = registered->index_of(bytes)) {
      return which_ == way::read ? ring::request::read_fixed(on_.fd, bytes, at, *index)
                                 : ring::request::write_fixed(on_.fd, bytes, at, *index);
    }
  }
  return which_ == way::read ? ring::request::read(on_.fd, bytes, at) : ring::request::write(on_.fd, bytes, at);
}

bool transfer::goes_on(std::int32_t result) noexcept {
  if (result <= 0) return false;
  done_ += static_cast<std::size_t>(result);
  if (until_ == extent::some || done_ >= size_) return false;
  // A direct read ends within a block only where the file does.
  return which_ == way::write || !on_.direct || done_ % on_.alignment == 0;
}

result<std::size_t> transfer::outcome(std::int32_t last) const noexcept {
  if (auto failed = io_operation::error_of(last)) return fail(*failed);
  if (until_ == extent::some || done_ == size_) return done_;
  if (which_ == way::write) return fail_errno(EIO);  // a file that takes nothing, and does not say why
  if (until_ == extent::exact) return fail(errc::end_of_stream);
  return done_;
}

void transfer::count(std::int32_t last, fs::counters& into) const noexcept {
  if (last == -ECANCELED) return;
  ++(which_ == way::read ? into.reads : into.writes);
  (which_ == way::read ? into.read_bytes : into.written_bytes) += done_;
}

open_operation::open_operation(int at, const std::string& path, open_how& how) noexcept
    : io_operation(ring::file_requests::open(at, path.c_str(), &how)) {}

statx_operation::statx_operation(int at, const char* path, int flags, struct statx& into) noexcept
    : io_operation(ring::file_requests::status(at, path, flags, STATX_BASIC_STATS | STATX_BTIME | STATX_DIOALIGN, &into)) {}

}  // namespace detail

bool transfer_operation::begin(std::coroutine_handle<> caller, cancel_node& node) {
  if (node.requested()) {
    said_ = {.result = -ECANCELED, .flags = 0};
    return false;
  }
  request_ = what_.next(node.home());
  attach(caller, node);
  what_.ring_of(home()).start(*this, request_);
  return true;
}

void transfer_operation::complete(ring::completion said) noexcept {
  const bool interrupted = said.result == -EINTR;
  if (interrupted || what_.goes_on(said.result)) {
    if (!cancel_requested()) {
      if (!interrupted) queue().count_bytes(static_cast<std::size_t>(said.result));
      return what_.ring_of(home()).start(*this, what_.next(home()));
    }
    said.result = -ECANCELED;
  }
  what_.count(said.result, home().use<statistics>().count());
  finish(said);
}

slice_operation::slice_operation(const detail::handle& on, std::uint64_t offset, std::size_t size)
    : transfer_operation(
          {on, detail::way::read, detail::extent::full, offset & ~std::uint64_t{on.alignment - 1}, nullptr, 0}),
      before_(offset & (on.alignment - 1)),
      size_(size) {
  constexpr std::size_t most = std::numeric_limits<std::size_t>::max() / 2;
  const std::size_t rounded =
      size == 0 ? 0 : (before_ + std::min(size, most) + on.alignment - 1) & ~std::size_t{on.alignment - 1};
  memory_ = aligned_buffer::make(rounded, on.memory_alignment);
  if (memory_) what_.set_bytes(memory_->data(), rounded);
}

result<slice> slice_operation::await_resume() noexcept {
  if (!memory_) return fail(memory_.error());
  if (memory_->empty()) return slice();
  const auto read = transfer_operation::await_resume();
  if (!read) return fail(read.error());
  if (*read <= before_) return slice();  // the file ends before the offset
  return std::move(*memory_).share().part(before_, std::min(size_, *read - before_));
}

close_operation::~close_operation() { close_descriptor(fd_); }

void close_operation::begin(std::coroutine_handle<> caller, task_queue& queue) {
  caller_ = caller;
  queue_ = &queue;
  queue.home().ring().start(*this, ring::request::close(std::exchange(fd_, -1)));
}

void close_operation::complete(ring::completion said) noexcept {
  said_ = said.result == -EINTR ? 0 : said.result;  // interrupted or not, the descriptor is gone
  queue_->resume(caller_);
}

result<> close_operation::await_resume() const noexcept {
  if (auto failed = io_operation::error_of(said_)) return fail(*failed);
  return {};
}

bool path_operation::start(std::coroutine_handle<> caller, cancel_node& node) {
  if (detail::has_zero(with_.path) || detail::has_zero(with_.to)) {
    said_ = {.result = -EINVAL, .flags = 0};
    return false;
  }
  request_ = make_(with_);
  return begin(caller, node);
}

}  // namespace tide::fs
