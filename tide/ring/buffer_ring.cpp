#include <tide/ring/buffer_ring.hpp>

#include <liburing.h>

#include <algorithm>
#include <bit>
#include <cerrno>

namespace tide::ring {
namespace {

io_uring_buf_ring* ring_at(const mapping& entries) noexcept {
  return static_cast<io_uring_buf_ring*>(static_cast<void*>(entries.bytes().data()));
}

}  // namespace

result<std::unique_ptr<buffer_ring>> buffer_ring::create(ring& of, const buffer_ring_options& wanted) {
  if (!std::has_single_bit(wanted.count) || wanted.count > 32768 || wanted.size == 0) return fail_errno(EINVAL);
  std::unique_ptr<buffer_ring> made(new buffer_ring(of, wanted));
  auto entries = mapping::anonymous(wanted.count * sizeof(io_uring_buf));
  if (!entries) return fail(entries.error());
  auto memory = mapping::anonymous(wanted.count * wanted.size);
  if (!memory) return fail(memory.error());
  made->memory_ = std::move(*memory);
  io_uring_buf_ring_init(ring_at(*entries));
  if (auto registered = of.behind().register_buffers(wanted.group, entries->bytes().data(), wanted.count); !registered)
    return fail(registered.error());
  made->entries_ = std::move(*entries);
  for (unsigned number = 0; number < std::min(wanted.count, wanted.offered); ++number)
    made->give_back(static_cast<std::uint16_t>(number));
  return made;
}

buffer_ring::~buffer_ring() { unregister(); }

void buffer_ring::unregister() noexcept {
  if (entries_.bytes().empty()) return;
  ring_->behind().unregister_buffers(wanted_.group);
  entries_ = mapping();
}

void buffer_ring::give_back(std::uint16_t number) noexcept {
  if (entries_.bytes().empty()) return;
  io_uring_buf_ring* const entries = ring_at(entries_);
  io_uring_buf_ring_add(entries, bytes(number).data(), static_cast<unsigned>(wanted_.size), number,
                        io_uring_buf_ring_mask(wanted_.count), 0);
  io_uring_buf_ring_advance(entries, 1);
}

std::span<std::byte> buffer_ring::bytes(std::uint16_t number) const noexcept {
  return memory_.bytes().subspan(std::size_t{number} * wanted_.size, wanted_.size);
}

}  // namespace tide::ring
