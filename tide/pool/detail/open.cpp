// From a path or descriptor to a pool that this process takes part in.
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>

#include <tide/pool/detail/core.hpp>
#include <tide/pool/detail/fault_point.hpp>
#include <tide/pool/detail/file.hpp>
#include <tide/pool/error.hpp>

namespace tide::pool_detail {
namespace {

result<header_slot> header_for(const pool_options& options) {
  header_slot header{};
  const std::size_t block_size = options.block_size != 0 ? options.block_size : options.type.size;
  const std::uint64_t alignment =
      std::max<std::uint64_t>(options.alignment == 0 ? 64 : options.alignment, options.type.alignment);
  if (options.name.size() > name_limit || block_size == 0 || block_size < options.type.size)
    return fail(pool_errc::invalid_options);
  if (!std::has_single_bit(alignment) || alignment < 64 || alignment > page) return fail(pool_errc::invalid_options);

  std::memcpy(header.magic, format_magic, sizeof header.magic);
  header.version = format_version;
  header.slot_bytes = sizeof(header_slot);
  header.sequence = 1;
  if (::getrandom(header.uuid, sizeof header.uuid, 0) != static_cast<ssize_t>(sizeof header.uuid)) return fail_errno(errno);
  header.uuid[6] = static_cast<std::uint8_t>((header.uuid[6] & 0x0fU) | 0x40U);  // RFC 9562: version 4, random
  header.uuid[8] = static_cast<std::uint8_t>((header.uuid[8] & 0x3fU) | 0x80U);
  header.type = options.type.id;
  header.block_size = block_size;
  header.alignment = static_cast<std::uint32_t>(alignment);
  header.maximum_blocks = options.maximum_blocks != 0 ? options.maximum_blocks : 1U << 20U;
  header.metadata_offset = metadata_offset;
  header.payload_offset = payload_offset_for(header.maximum_blocks);
  header.metadata_bytes = sizeof(block_metadata);
  header.lease_slots = lease_slots;
  header.created = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count());
  header.clean = 1;
  header.name_length = static_cast<std::uint32_t>(options.name.size());
  options.name.copy(header.name, name_limit);
  header.growth_blocks = options.growth_blocks;
  if (header.block_size > largest_file) return fail(pool_errc::invalid_options);
  header.stride = (header.block_size + alignment - 1) / alignment * alignment;
  if (header.payload_offset >= largest_file ||
      header.stride > (largest_file - header.payload_offset) / header.maximum_blocks ||
      options.initial_blocks > header.maximum_blocks) {
    return fail(pool_errc::invalid_options);
  }
  return header;
}

result<> matches(const header_slot& header, const pool_options& options) {
  const std::string_view name(header.name, header.name_length);
  if (!options.name.empty() && options.name != name) return fail(pool_errc::wrong_name);
  if (options.type.id != 0 && options.type.id != header.type) return fail(pool_errc::wrong_type);
  const bool same_size = (options.block_size == 0 || options.block_size == header.block_size) &&
                         (options.maximum_blocks == 0 || options.maximum_blocks == header.maximum_blocks) &&
                         (options.alignment == 0 || options.alignment <= header.alignment) &&
                         options.type.size <= header.block_size && options.type.alignment <= header.alignment;
  if (!same_size) return fail(pool_errc::wrong_size);
  return {};
}

/// Fills an empty file that nobody else looks at. The header comes last: without one the file is no pool.
result<> write_new_pool(int fd, header_slot header, const pool_options& options) {
  constexpr std::uint64_t first_bytes = std::uint64_t{1} << 20U;
  const std::uint64_t automatic =
      std::max<std::uint64_t>(header.growth_blocks, (first_bytes + header.stride - 1) / header.stride);
  const auto blocks = static_cast<std::uint32_t>(
      options.initial_blocks != 0 ? options.initial_blocks : std::min<std::uint64_t>(automatic, header.maximum_blocks));
  if (auto made = allocate_space(fd, 0, metadata_offset + std::uint64_t{blocks} * sizeof(block_metadata)); !made)
    return made;
  if (auto made = allocate_space(fd, header.payload_offset, blocks * header.stride); !made) return made;
  reach(fault_point::create_sized);
  control_page control{};
  control.blocks = blocks;
  if (auto written = write_at(fd, control_offset, std::as_bytes(std::span(&control, 1))); !written) return written;
  for (unsigned slot = 0; slot < 2; ++slot, ++header.sequence) {
    if (auto written = write_at(fd, header_offsets[slot], sealed(header)); !written) return written;
    if (slot == 0) reach(fault_point::create_first_header);
  }
  if (::fsync(fd) != 0) return fail_errno(errno);
  return {};
}

/// A file without a name, or with one that nobody looks for where the file system cannot do that.
result<descriptor> temporary_in(const std::filesystem::path& directory, unsigned permissions, std::filesystem::path& name) {
  descriptor file(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, permissions));
  if (file) return file;
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) return fail_errno(errno);
  char suffix[32];
  std::snprintf(suffix, sizeof suffix, ".pool-%016llx", static_cast<unsigned long long>(random_token()));
  name = directory / suffix;
  file.reset(::open(name.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, permissions));
  if (!file) return fail_errno(errno);
  return file;
}

/// The pool gets its name when it is complete, so no other process and no later run ever sees half of one.
result<> create_file(const std::filesystem::path& path, const pool_options& options) {
  const auto header = header_for(options);
  if (!header) return fail(header.error());
  const std::filesystem::path directory = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  std::filesystem::path temporary;
  const auto file = temporary_in(directory, options.permissions, temporary);
  if (!file) return fail(file.error());
  auto made = write_new_pool(file->get(), *header, options);
  if (made) {
    const std::string source = temporary.empty() ? "/proc/self/fd/" + std::to_string(file->get()) : temporary.string();
    if (::linkat(AT_FDCWD, source.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) != 0) made = fail_errno(errno);
  }
  if (!temporary.empty()) ::unlink(temporary.c_str());
  if (!made) return made;
  reach(fault_point::create_linked);
  const descriptor parent(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent || ::fsync(parent.get()) != 0) return fail_errno(errno);
  return {};
}

}  // namespace

result<core::handle> core::open(const std::filesystem::path& path, const pool_options& options) {
  bool created = false;
  for (int attempt = 0;; ++attempt) {
    if (options.mode != pool_mode::create_exclusive || created) {
      descriptor file(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
      if (file) return open_description(std::move(file), options, created ? creation::done : creation::never);
      if (errno != ENOENT || options.mode == pool_mode::open_existing || attempt == 3) return fail_errno(errno);
    }
    const auto made = create_file(path, options);
    created = made.has_value();
    const bool lost_the_race = !made && made.error() == std::errc::file_exists && options.mode == pool_mode::open_or_create;
    if (!made && !lost_the_race) return fail(made.error());
  }
}

result<core::handle> core::open(int fd, const pool_options& options) {
  auto own = reopen(fd);
  if (!own) return fail(own.error());
  const bool may_create = options.mode != pool_mode::open_existing;
  return open_description(std::move(*own), options, may_create ? creation::when_empty : creation::never);
}

result<core::handle> core::open_description(descriptor file, const pool_options& options, creation creating) {
  if (options.name.size() > name_limit) return fail(pool_errc::invalid_options);
  handle opened(new core);
  opened->file_ = std::move(file);
  const int fd = opened->file_.get();
  if (auto locked = lock_byte(fd, membership_lock_byte, options.patience); !locked) return fail(locked.error());
  const byte_lock membership(fd, membership_lock_byte);
  reach(fault_point::open_locked);
  const auto size = size_of(fd);
  if (!size) return fail(size.error());
  bool created = creating == creation::done;
  if (creating == creation::when_empty) {
    if (*size != 0 && options.mode == pool_mode::create_exclusive) return fail_errno(EEXIST);
    if (*size == 0) {
      const auto header = header_for(options);
      if (!header) return fail(header.error());
      if (auto made = write_new_pool(fd, *header, options); !made) return fail(made.error());
      created = true;
    }
  }
  const auto found = read_header(fd);
  if (!found) return fail(found.error());
  if (auto fits = matches(found->header, options); !fits) return fail(fits.error());

  if (auto mapped = opened->map(*found); !mapped) return fail(mapped.error());
  opened->report_.created = created;
  if (auto entered = opened->enter(options); !entered) return fail(entered.error());
  return opened;
}

result<> core::map(const header_found& found) {
  header_ = found.header;
  report_.was_clean = header_.clean != 0;
  report_.header_damaged = found.other_bad;
  const auto fit = blocks_in_file();
  if (!fit) return fail(fit.error());
  instance_ = random_token();

  auto shared = memory::shared(file_.get(), file_size_for(header_, header_.maximum_blocks));
  if (!shared) return fail(shared.error());
  auto local = memory::zeros(std::uint64_t{header_.maximum_blocks} * sizeof(std::uint64_t));
  if (!local) return fail(local.error());
  auto alive = memory::zeros_again_after_fork(page);
  if (!alive) return fail(alive.error());
  shared_ = std::move(*shared);
  local_memory_ = std::move(*local);
  alive_memory_ = std::move(*alive);
  control_ = object_at<control_page>(shared_.data() + control_offset);
  metadata_ = object_at<block_metadata>(shared_.data() + metadata_offset);
  payload_ = shared_.data() + header_.payload_offset;
  local_ = object_at<std::uint64_t>(local_memory_.data());
  auto* mark = object_at<std::uint64_t>(alive_memory_.data());
  *mark = 1;
  alive_ = mark;
  leases_ = lease_table(shared_.data(), file_.get());
  return {};
}

result<> core::enter(const pool_options& options) {
  const std::uint16_t living = leases_.living();
  if (living != 0 && (options.alone || leases_.alone_wanted(living))) return fail(pool_errc::busy);
  if (auto settled = living == 0 ? recover() : join(living); !settled) return settled;
  const auto lease = leases_.take(instance_, options.alone);
  if (!lease) return fail(lease.error());
  lease_ = *lease;
  own_bit_ = static_cast<std::uint16_t>(1U << lease_);
  reach(fault_point::lease_written);
  return {};
}

}  // namespace tide::pool_detail
