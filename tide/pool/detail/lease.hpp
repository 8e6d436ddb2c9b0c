// Who has the pool open: the lease table in the pool's third page.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include <tide/base/result.hpp>
#include <tide/pool/detail/format.hpp>

namespace tide::pool_detail {

/// What tells this process from every other one that ever ran.
struct process_identity {
  std::uint32_t pid = 0;
  std::uint64_t start_time = 0;
  std::uint64_t pid_namespace = 0;
  std::array<std::uint8_t, 16> boot{};

  [[nodiscard]] static process_identity own();
};

/// Whether the process with this number and start time still runs; a zombie does not.
[[nodiscard]] bool process_runs(std::uint32_t pid, std::uint64_t start_time);

[[nodiscard]] std::uint64_t random_token();

/// The table as it lies in the mapping. Written only under the pool's membership lock; read at any time.
class lease_table {
 public:
  lease_table() noexcept = default;
  lease_table(std::byte* base, int fd) noexcept;

  /// The leases whose process lives: bit i for lease i. A lease lives when its byte of the file is locked by another
  /// description (that lock dies with the process, or with the image on exec), its kernel still runs, and its process does
  /// (that tells a dead holder from a child that inherited the descriptor). Another pid namespace is judged by the lock.
  [[nodiscard]] std::uint16_t living() const;
  /// The leases that are taken, by the living or the dead.
  [[nodiscard]] std::uint16_t taken() const noexcept;
  [[nodiscard]] bool alone_wanted(std::uint16_t among) const noexcept;
  /// Whether the lease with this token exists and lives, or is our own.
  [[nodiscard]] bool token_lives(std::uint64_t token) const;

  /// Takes a free slot and locks its byte; the number of the slot, or too_many_openers.
  [[nodiscard]] result<unsigned> take(std::uint64_t token, bool alone);
  void give_up(unsigned slot) noexcept;
  /// Frees the slots of the dead, after nothing refers to them any more.
  void clear(std::uint16_t which) noexcept;

 private:
  [[nodiscard]] bool lives(unsigned slot) const;
  [[nodiscard]] std::uint64_t token_of(unsigned slot) const noexcept;

  lease_slot* slots_ = nullptr;
  int fd_ = -1;
  unsigned own_ = lease_slots;
  process_identity self_;
};

}  // namespace tide::pool_detail
