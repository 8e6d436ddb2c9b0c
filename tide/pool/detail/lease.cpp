#include <tide/pool/detail/lease.hpp>

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstring>
#include <string>
#include <string_view>

#include <tide/base/bytes.hpp>
#include <tide/pool/detail/fault_point.hpp>
#include <tide/pool/detail/file.hpp>
#include <tide/pool/detail/memory.hpp>
#include <tide/pool/error.hpp>

namespace tide::pool_detail {
namespace {

/// A small file of /proc, empty when it cannot be read.
std::string read_small(const std::string& path) {
  const descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return {};
  std::array<std::byte, 1024> bytes;
  const auto got = read_at(file.get(), 0, bytes);
  return std::string(text_of(std::span(bytes).first(got.value_or(0))));
}

struct process_status {
  char state = 0;
  std::uint64_t threads = 0;
  std::uint64_t start_time = 0;
};

/// Fields 3, 20 and 22 of /proc/PID/stat; the name in field 2 may hold anything, so counting begins behind its last ')'.
process_status status_of(std::uint32_t pid) {
  const std::string text = read_small("/proc/" + std::to_string(pid) + "/stat");
  const std::size_t end_of_name = text.rfind(')');
  if (end_of_name == std::string::npos) return {};
  std::string_view rest = std::string_view(text).substr(end_of_name + 1);
  process_status status;
  for (int field = 3; field <= 22 && !rest.empty(); ++field) {
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    const std::string_view value = rest.substr(0, rest.find(' '));
    if (field == 3 && !value.empty()) status.state = value.front();
    if (field == 20) std::from_chars(value.data(), value.data() + value.size(), status.threads);
    if (field == 22) std::from_chars(value.data(), value.data() + value.size(), status.start_time);
    rest.remove_prefix(value.size());
  }
  return status;
}

std::array<std::uint8_t, 16> boot_id() {
  const std::string text = read_small("/proc/sys/kernel/random/boot_id");
  std::array<std::uint8_t, 16> id{};
  std::size_t digits = 0;
  for (const char symbol : text) {
    const auto value = std::string_view("0123456789abcdef").find(symbol);
    if (value == std::string_view::npos || digits == 32) continue;
    id[digits / 2] = static_cast<std::uint8_t>(id[digits / 2] << 4U | value);
    ++digits;
  }
  return id;
}

std::uint64_t own_pid_namespace() {
  struct stat status{};
  return ::stat("/proc/self/ns/pid", &status) == 0 ? status.st_ino : 0;
}

constexpr std::uint64_t byte_of(unsigned slot) noexcept { return leases_offset + slot * sizeof(lease_slot); }

}  // namespace

process_identity process_identity::own() {
  const auto pid = static_cast<std::uint32_t>(::getpid());
  return {.pid = pid, .start_time = status_of(pid).start_time, .pid_namespace = own_pid_namespace(), .boot = boot_id()};
}

bool process_runs(std::uint32_t pid, std::uint64_t start_time) {
  const process_status status = status_of(pid);
  if (status.state == 0 || status.start_time != start_time) return false;
  // The first thread of a process may have ended while others run: that looks like a zombie with several threads.
  const bool ended = status.state == 'Z' || status.state == 'X';
  return !ended || status.threads > 1;
}

std::uint64_t random_token() {
  std::uint64_t token = 0;
  while (token == 0) {
    if (::getrandom(&token, sizeof token, 0) != static_cast<ssize_t>(sizeof token)) token = 0;
  }
  return token;
}

lease_table::lease_table(std::byte* base, int fd) noexcept
    : slots_(object_at<lease_slot>(base + leases_offset)), fd_(fd), self_(process_identity::own()) {}

std::uint64_t lease_table::token_of(unsigned slot) const noexcept {
  // SAFETY: the table lies in the mapping for as long as this object; tokens are only ever read and written atomically.
  return std::atomic_ref(slots_[slot].token).load(std::memory_order_acquire);
}

bool lease_table::lives(unsigned slot) const {
  if (!locked_elsewhere(fd_, byte_of(slot))) return false;
  const lease_slot& lease = slots_[slot];
  if (std::memcmp(lease.boot, self_.boot.data(), sizeof lease.boot) != 0) return false;
  if (lease.pid_namespace != self_.pid_namespace) return true;
  return process_runs(lease.pid, lease.start_time);
}

std::uint16_t lease_table::living() const {
  std::uint16_t found = 0;
  for (unsigned slot = 0; slot < lease_slots; ++slot) {
    if (slot != own_ && token_of(slot) != 0 && lives(slot)) found |= static_cast<std::uint16_t>(1U << slot);
  }
  return found;
}

std::uint16_t lease_table::taken() const noexcept {
  std::uint16_t found = 0;
  for (unsigned slot = 0; slot < lease_slots; ++slot) {
    if (token_of(slot) != 0) found |= static_cast<std::uint16_t>(1U << slot);
  }
  return found;
}

bool lease_table::alone_wanted(std::uint16_t among) const noexcept {
  for (unsigned slot = 0; slot < lease_slots; ++slot) {
    if ((among >> slot & 1U) != 0 && (slots_[slot].flags & lease_wants_pool_alone) != 0) return true;
  }
  return false;
}

bool lease_table::token_lives(std::uint64_t token) const {
  for (unsigned slot = 0; slot < lease_slots; ++slot) {
    if (token_of(slot) == token) return slot == own_ || lives(slot);
  }
  return false;
}

result<unsigned> lease_table::take(std::uint64_t token, bool alone) {
  unsigned slot = 0;
  for (const std::uint16_t used = taken(); slot < lease_slots; ++slot) {
    if ((used >> slot & 1U) != 0) continue;
    const auto locked = try_lock_byte(fd_, byte_of(slot));
    if (!locked) return fail(locked.error());
    if (*locked) break;  // otherwise a child of a dead opener still has its description: the next one
  }
  if (slot == lease_slots) return fail(pool_errc::too_many_openers);
  lease_slot& lease = slots_[slot];
  lease.pid = self_.pid;
  lease.flags = alone ? lease_wants_pool_alone : 0;
  lease.start_time = self_.start_time;
  lease.pid_namespace = self_.pid_namespace;
  std::memcpy(lease.boot, self_.boot.data(), sizeof lease.boot);
  reach(fault_point::lease_half);
  // SAFETY: only the owner of the membership lock writes here; release makes the fields above visible with the token.
  std::atomic_ref(lease.token).store(token, std::memory_order_release);
  own_ = slot;
  return slot;
}

void lease_table::give_up(unsigned slot) noexcept {
  clear(static_cast<std::uint16_t>(1U << slot));
  unlock_byte(fd_, byte_of(slot));
  own_ = lease_slots;
}

void lease_table::clear(std::uint16_t which) noexcept {
  for (unsigned slot = 0; slot < lease_slots; ++slot) {
    // SAFETY: as in take().
    if ((which >> slot & 1U) != 0) std::atomic_ref(slots_[slot].token).store(0, std::memory_order_release);
  }
}

}  // namespace tide::pool_detail
