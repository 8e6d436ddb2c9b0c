#include <apps/relay/host_table.hpp>

#include <algorithm>

namespace tide::relay {

result<host_table> host_table::open(const std::filesystem::path& path) {
  auto opened = pool::open(
      path, {.name = "relay hosts", .type = pool::type_of<host_record>(), .maximum_blocks = 1U << 16U, .alone = true});
  if (!opened) return fail(opened.error());
  host_table table(std::move(*opened));
  auto recovered = table.pool_->recovered<host_record>();
  for (auto it = recovered.begin(); it != recovered.end(); ++it) {
    if (it->url_size > longest_url) {  // not written by us: leave it out, and let its place be used again
      it.drop();
      continue;
    }
    table.next_id_ = std::max(table.next_id_, it->id + 1);
    table.entries_.push_back(std::make_unique<entry>(it.take()));
  }
  return table;
}

result<host_table::entry*> host_table::find_or_add(std::string_view url) {
  const auto known = std::ranges::find(entries_, url, [](const auto& each) { return each->url(); });
  if (known != entries_.end()) return known->get();
  if (url.size() > longest_url) return fail(errc::limit_exceeded);
  host_record record{.id = next_id_, .url_size = static_cast<std::uint32_t>(url.size()), .cursor = 0, .url = {}};
  url.copy(record.url, url.size());
  auto made = pool_->make<host_record>(record);
  if (!made) return fail(made.error());
  ++next_id_;
  entries_.push_back(std::make_unique<entry>(std::move(*made)));
  return entries_.back().get();
}

host_table::entry* host_table::find(std::uint32_t id) noexcept {
  const auto known = std::ranges::find(entries_, id, [](const auto& each) { return each->id(); });
  return known == entries_.end() ? nullptr : known->get();
}

}  // namespace tide::relay
