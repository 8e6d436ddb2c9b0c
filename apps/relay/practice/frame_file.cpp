#include <apps/relay/practice/frame_file.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <utility>

#include <tide/base/log.hpp>

namespace tide::relay::practice {
namespace {

std::uint32_t little_endian(bytes_view bytes) noexcept {
  std::uint32_t value = 0;
  for (std::size_t i = bytes.size(); i > 0; --i) value = value << 8 | std::to_integer<std::uint32_t>(bytes[i - 1]);
  return value;
}

}  // namespace

result<> frame_file::add_record(std::size_t& at) {
  const auto rest = bytes_view(bytes_).subspan(at);
  if (rest.size() < 6) return fail(practice_errc::truncated_record);
  const std::size_t host = little_endian(rest.first(2));
  const std::size_t size = little_endian(rest.subspan(2, 4));
  if (rest.size() - 6 < size) return fail(practice_errc::truncated_record);
  auto frame = wire::decode_frame(rest.subspan(6, size));
  if (!frame) return fail(frame.error());
  if (!frame->seq) return fail(wire::wire_errc::no_sequence);
  if (hosts_.size() <= host) hosts_.resize(host + 1);
  hosts_[host].push_back(*frame);
  at += 6 + size;
  return {};
}

result<frame_file> frame_file::parse(std::vector<std::byte> bytes) {
  frame_file file;
  file.bytes_ = std::move(bytes);
  for (std::size_t at = 0; at < file.bytes_.size();) {
    if (auto added = file.add_record(at); !added) {
      log::error("bad record of frames", {{"offset", at}, {"error", added.error()}});
      return fail(added.error());
    }
  }
  if (file.hosts_.empty()) return fail(practice_errc::no_frames);
  const auto gap = std::ranges::find_if(file.hosts_, [](const auto& frames) { return frames.empty(); });
  if (gap != file.hosts_.end()) {
    log::error("host without frames", {{"host", gap - file.hosts_.begin()}});
    return fail(practice_errc::missing_host);
  }
  return file;
}

result<frame_file> frame_file::load(const std::filesystem::path& path) {
  std::error_code problem;
  const auto size = std::filesystem::file_size(path, problem);
  if (problem) return fail(problem);
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"), &std::fclose);
  if (!file) return fail_errno(errno);
  std::vector<std::byte> bytes(size);
  if (std::fread(bytes.data(), 1, bytes.size(), file.get()) != bytes.size())
    return fail(std::make_error_code(std::errc::io_error));
  return parse(std::move(bytes));
}

std::size_t frame_file::total() const noexcept {
  std::size_t count = 0;
  for (const auto& frames : hosts_) count += frames.size();
  return count;
}

std::filesystem::path default_frames() {
  std::error_code problem;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", problem);
  if (!problem) {
    auto installed = program.parent_path().parent_path() / "share/tidepool/practice/frames.bin";
    if (std::filesystem::exists(installed, problem)) return installed;
  }
  return TIDE_PRACTICE_DATA "/frames.bin";
}

}  // namespace tide::relay::practice
