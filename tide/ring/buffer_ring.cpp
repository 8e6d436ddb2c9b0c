#include <tide/ring/buffer_ring.hpp>

#include <liburing.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cerrno>

namespace tide::ring {
namespace {

std::size_t entries_bytes(const buffer_ring_options& wanted) noexcept { return wanted.count * sizeof(io_uring_buf); }
std::size_t memory_bytes(const buffer_ring_options& wanted) noexcept { return wanted.count * wanted.size; }

// SAFETY: anonymous private memory, owned by the buffer_ring that asked and unmapped once, in its destructor.
void* map_anonymous(std::size_t bytes) noexcept {
  void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return at == MAP_FAILED ? nullptr : at;
}

}  // namespace

result<std::unique_ptr<buffer_ring>> buffer_ring::create(ring& of, const buffer_ring_options& wanted) {
  if (!std::has_single_bit(wanted.count) || wanted.count > 32768 || wanted.size == 0) return fail_errno(EINVAL);
  std::unique_ptr<buffer_ring> made(new buffer_ring(of, wanted));
  void* entries = map_anonymous(entries_bytes(wanted));
  if (entries == nullptr) return fail_errno(ENOMEM);
  made->memory_ = static_cast<std::byte*>(map_anonymous(memory_bytes(wanted)));
  if (made->memory_ == nullptr) {
    ::munmap(entries, entries_bytes(wanted));
    return fail_errno(ENOMEM);
  }
  io_uring_buf_ring_init(static_cast<io_uring_buf_ring*>(entries));
  if (auto registered = of.behind().register_buffers(wanted.group, entries, wanted.count); !registered) {
    ::munmap(entries, entries_bytes(wanted));
    return fail(registered.error());
  }
  made->entries_ = entries;
  for (unsigned number = 0; number < std::min(wanted.count, wanted.offered); ++number)
    made->give_back(static_cast<std::uint16_t>(number));
  return made;
}

buffer_ring::~buffer_ring() {
  unregister();
  if (memory_ != nullptr) ::munmap(memory_, memory_bytes(wanted_));
}

void buffer_ring::unregister() noexcept {
  if (entries_ == nullptr) return;
  ring_->behind().unregister_buffers(wanted_.group);
  ::munmap(entries_, entries_bytes(wanted_));
  entries_ = nullptr;
}

void buffer_ring::give_back(std::uint16_t number) noexcept {
  if (entries_ == nullptr) return;
  auto* entries = static_cast<io_uring_buf_ring*>(entries_);
  io_uring_buf_ring_add(entries, memory_ + std::size_t{number} * wanted_.size, static_cast<unsigned>(wanted_.size), number,
                        io_uring_buf_ring_mask(wanted_.count), 0);
  io_uring_buf_ring_advance(entries, 1);
}

std::span<std::byte> buffer_ring::bytes(std::uint16_t number) const noexcept {
  return {memory_ + std::size_t{number} * wanted_.size, wanted_.size};
}

}  // namespace tide::ring
