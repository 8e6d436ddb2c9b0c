// A file that is written, replaced in one step, read past the page cache, and looked for in its directory.
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <print>
#include <string>
#include <vector>

#include <tide/fs/directory.hpp>
#include <tide/fs/paths.hpp>
#include <tide/fs/read_many.hpp>
#include <tide/fs/stream_reader.hpp>
#include <tide/fs/stream_writer.hpp>
#include <tide/tide.hpp>

namespace fs = tide::fs;

tide::task<tide::result<>> save(const fs::directory& folder, int lines) {
  auto fresh =
      co_await fs::file::open(folder.at("log.new"), {.access = fs::access::write_only, .create = true, .truncate = true});
  if (!fresh) co_return tide::fail(fresh.error());
  fs::stream_writer out(std::move(*fresh));
  for (int i = 0; i < lines; ++i) {
    if (auto wrote = co_await out.write("line " + std::to_string(i) + "\n"); !wrote) co_return wrote;
  }
  if (auto closed = co_await out.close(); !closed) co_return closed;  // all of it is on the device
  if (auto named = co_await fs::rename(folder.at("log.new"), folder.at("log")); !named) co_return named;
  co_return co_await folder.sync();  // and its name
}

tide::task<std::size_t> count_lines(const fs::file& log) {
  std::size_t lines = 0;
  fs::stream_reader in(log, {.buffer = 65'536, .ahead = 4});
  while (true) {
    const auto piece = co_await in.next();
    if (!piece || piece->empty()) co_return lines;
    for (const std::byte each : *piece) lines += each == std::byte{'\n'} ? 1 : 0;
  }
}

tide::task<> look_at(const fs::file& log) {
  const auto word = co_await log.read(7, 6);  // any offset and size, past the page cache too
  if (word) std::println("the second line: {}", tide::text_of(word->bytes()));

  std::vector<fs::read_range> wanted{{0, 6}, {14, 6}, {7, 6}, {90'001, 8}};
  fs::read_many reading(log, wanted);
  for (auto part = co_await reading.next(); part && *part; part = co_await reading.next()) {
    std::println("range {}: {}", part->index, tide::text_of(part->bytes.bytes()));
  }
}

tide::task<> list(const fs::directory& folder) {
  auto entries = co_await folder.entries();
  if (!entries) co_return;
  for (auto entry = co_await entries->next(); entry && *entry; entry = co_await entries->next()) {
    std::println("{}", entry->name);
  }
}

tide::task<int> work(tide::scope&) {
  std::string where = (std::filesystem::temp_directory_path() / "tide-guide-XXXXXX").string();
  if (::mkdtemp(where.data()) == nullptr) co_return 1;
  auto folder = co_await fs::directory::open(where);
  if (!folder) co_return 1;
  if (auto saved = co_await save(*folder, 10'000); !saved) co_return 1;
  auto log = co_await fs::file::open(folder->at("log"), {.direct = true});
  if (!log) co_return 1;
  const auto held = co_await log->lock(fs::lock_kind::shared);
  if (!held) co_return 1;
  std::println("{} lines", co_await count_lines(*log));
  co_await look_at(*log);
  co_await list(*folder);
  if (auto gone = co_await fs::unlink(folder->at("log")); !gone) co_return 1;
  co_return (co_await fs::remove_directory(where)) ? 0 : 1;
}

int main() { return tide::run(work); }
