// Lines and frames out of gathered bytes: what is found does not depend on the split, limits hold, and what was found can be
// put together to the same bytes again.
#include <vector>

#include <tide/io/gathered.hpp>

#include "fuzz.hpp"

namespace {

using tide_fuzz::require;
using bytes = std::vector<std::byte>;

struct outcome {
  std::vector<bytes> found;
  bytes left;
  bool refused = false;
  friend bool operator==(const outcome&, const outcome&) = default;
};

bytes copy_of(tide::bytes_view from) { return {from.begin(), from.end()}; }

outcome read(bool frames, const std::vector<bytes>& pieces, std::size_t limit) {
  outcome out;
  tide::gathered pending;
  for (const bytes& piece : pieces) {
    std::ranges::copy(piece, pending.room(piece.size()).begin());
    pending.added(piece.size());
    std::size_t before = pending.size();
    while (!out.refused) {
      const auto next =
          frames ? tide::find_frame(pending.bytes(), limit) : tide::find_delimited(pending.bytes(), std::byte{'\n'}, limit);
      out.refused = !next;
      if (!next || !*next) break;
      require((*next)->bytes.size() <= limit && (*next)->whole > (*next)->bytes.size());
      out.found.push_back(copy_of((*next)->bytes));
      pending.take((*next)->whole);
      require(pending.size() < before);
      before = pending.size();
    }
  }
  out.left = copy_of(pending.bytes());
  return out;
}

bytes join(bool frames, const outcome& all) {
  bytes out;
  for (const bytes& each : all.found) {
    std::array<std::byte, tide::frame_header> header;
    tide::put_frame_size(header, static_cast<std::uint32_t>(each.size()));
    if (frames) out.insert(out.end(), header.begin(), header.end());
    out.insert(out.end(), each.begin(), each.end());
    if (!frames) out.push_back(std::byte{'\n'});
  }
  out.insert(out.end(), all.left.begin(), all.left.end());
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto choice = tide_fuzz::input::from(data, size);
  const bool frames = (choice.mode & 1U) != 0;
  const std::size_t limit = choice.mode >> 1U;
  const outcome whole = read(frames, {copy_of(choice.bytes)}, limit);
  const outcome cut = read(frames, choice.pieces(), limit);
  require(cut == whole);
  require(std::ranges::equal(join(frames, cut), choice.bytes));
  return 0;
}
