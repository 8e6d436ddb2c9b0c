#include <tide/pool/pool.hpp>

#include <cstring>

namespace tide {

using pool_detail::block_state;

void recovered_blocks::iterator::find() {
  const std::uint32_t end = core_->header().maximum_blocks;
  for (;; ++number_) {
    number_ = core_->next_recovered(number_, type_);
    if (number_ >= end) return;
    const auto held = core_->attach(number_, core_->load(number_).generation());
    if (!held) continue;  // taken or freed meanwhile
    current_ = block(*core_, *held);
    return;
  }
}

result<pool> pool::open(const std::filesystem::path& path, const pool_options& options) {
  auto opened = pool_detail::core::open(path, options);
  if (!opened) return fail(opened.error());
  return pool(std::move(*opened));
}

result<pool> pool::open(int fd, const pool_options& options) {
  auto opened = pool_detail::core::open(fd, options);
  if (!opened) return fail(opened.error());
  return pool(std::move(*opened));
}

result<block> pool::allocate(block_kind kind, std::size_t bytes, bool zeroed) {
  const auto claimed = core_->claim(bytes, 0, zeroed);
  if (!claimed) return fail(claimed.error());
  core_->publish(*claimed, kind == block_kind::recoverable ? block_state::recoverable : block_state::non_recoverable);
  return block(*core_, *claimed);
}

result<block> pool::make_from(std::span<const std::byte> value, pool_type type) {
  if (type.alignment > core_->header().alignment) return fail(pool_errc::wrong_type);
  const auto claimed = core_->claim(value.size(), type.id, false);
  if (!claimed) return fail(claimed.error());
  std::memcpy(claimed->data, value.data(), value.size());
  core_->publish(*claimed, block_state::recoverable);
  return block(*core_, *claimed);
}

result<block> pool::attach(block_handle handle) {
  const auto held = core_->attach(handle.number, handle.generation);
  if (!held) return fail(held.error());
  return block(*core_, *held);
}

}  // namespace tide
