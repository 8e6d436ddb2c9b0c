// The hosts that the relay follows, and how far it has got with each: in memory that survives the process.
//
//   auto hosts = host_table::open("data/hosts.pool").value();
//   host_table::entry& host = hosts.find_or_add("wss://pds.example").value();
//   host.advance(sequence);
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include <tide/base/result.hpp>
#include <tide/pool/pool.hpp>

namespace tide::relay {

/// As it lies in the pool.
struct host_record {
  static constexpr std::string_view tide_schema = "relay host/1";
  std::uint32_t id;  ///< in the event log's records; never used again for another host
  std::uint32_t url_size;
  std::int64_t cursor;  ///< the highest sequence number of the host that is committed; 0: none
  char url[496];
};
static_assert(sizeof(host_record) == 512);

class host_table {
 public:
  static constexpr std::size_t longest_url = sizeof(host_record::url);

  class entry {
   public:
    explicit entry(holder<host_record> record) noexcept : record_(std::move(record)) {}
    [[nodiscard]] std::uint32_t id() const noexcept { return record_->id; }
    [[nodiscard]] std::string_view url() const noexcept { return {record_->url, record_->url_size}; }
    [[nodiscard]] std::int64_t cursor() const noexcept { return record_->cursor; }
    /// Never goes back.
    void advance(std::int64_t sequence) noexcept {
      if (sequence > record_->cursor) std::atomic_ref(record_->cursor).store(sequence);
    }

   private:
    holder<host_record> record_;
  };

  /// Opens or creates the table, alone. Errors: as pool::open.
  static result<host_table> open(const std::filesystem::path& path);
  /// Error: errc::limit_exceeded for a URL longer than longest_url, those of pool::make.
  result<entry*> find_or_add(std::string_view url);
  /// nullptr: no such host.
  [[nodiscard]] entry* find(std::uint32_t id) noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

 private:
  explicit host_table(pool hosts) noexcept : pool_(std::make_unique<pool>(std::move(hosts))) {}
  std::unique_ptr<pool> pool_;
  std::vector<std::unique_ptr<entry>> entries_;
  std::uint32_t next_id_ = 1;
};

}  // namespace tide::relay
