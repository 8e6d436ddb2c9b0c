#include <tide/pool/block.hpp>

#include <cstring>

#include <tide/base/crc32c.hpp>

namespace tide {

using pool_detail::block_state;
using pool_detail::checksum_present;

result<> block::resize(std::size_t bytes) noexcept {
  if (bytes > capacity()) return fail(pool_errc::too_large);
  core_->set_length(held_.number, bytes);
  return {};
}

block_kind block::kind() const noexcept {
  return core_->load(held_.number).state() == block_state::recoverable ? block_kind::recoverable
                                                                       : block_kind::non_recoverable;
}

std::array<std::byte, 16> block::id() const noexcept {
  std::array<std::byte, 16> id;
  std::memcpy(id.data(), core_->metadata(held_.number).id, id.size());
  return id;
}

void block::set_id(const std::array<std::byte, 16>& id) noexcept {
  std::memcpy(core_->metadata(held_.number).id, id.data(), id.size());
}

result<block> block::share() const {
  if (auto shared = core_->share(held_.number); !shared) return fail(shared.error());
  return block(*core_, held_);
}

void block::seal() noexcept {
  auto& record = core_->metadata(held_.number);
  record.checksum = checksum_present | crc32c(bytes());
  ++record.version;
}

bool block::sealed() const noexcept { return (core_->metadata(held_.number).checksum & checksum_present) != 0; }

bool block::intact() const noexcept {
  return core_->metadata(held_.number).checksum == (checksum_present | crc32c(bytes()));
}

std::uint64_t block::version() const noexcept { return core_->metadata(held_.number).version; }

}  // namespace tide
