#include <apps/relay/event_log.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <utility>
#include <vector>

#include <tide/base/crc32c.hpp>
#include <tide/http/codec/websocket.hpp>

namespace tide::relay {
namespace {

constexpr std::uint64_t segment_magic = 0x31474f4c44495456;  // "VTIDLOG1"

/// The first bytes of a segment.
struct segment_head {
  std::uint64_t magic;  // 0 while the segment is no part of the log
  std::int64_t first_seq;
  std::uint64_t committed;  // bytes of whole records behind the head; only ever stored whole
  std::uint32_t checksum;   // CRC32C of first_seq
  std::uint32_t reserved[9];
};
static_assert(sizeof(segment_head) == 64);

/// Before each event. The WebSocket header and the frame follow, then padding to 8 bytes.
struct record_head {
  std::uint32_t frame_size;
  std::uint32_t checksum;  // CRC32C of the rest of this head, the WebSocket header and the frame
  std::int64_t seq;
  std::int64_t host_seq;
  std::int64_t time_us;  // when it was appended, microseconds since 1970
  std::uint32_t host;
  std::uint8_t websocket_size;
  std::uint8_t reserved[3];
};
static_assert(sizeof(record_head) == 40);

constexpr std::size_t padded(std::size_t bytes) noexcept { return (bytes + 7) & ~std::size_t{7}; }

std::uint32_t checksum_of(const record_head& head, bytes_view wire) noexcept {
  constexpr std::size_t covered_from = offsetof(record_head, seq);
  const bytes_view fields = std::as_bytes(std::span(&head, 1)).subspan(covered_from);
  return crc32c(wire, crc32c(fields));
}

std::uint32_t checksum_of(std::int64_t first_seq) noexcept { return crc32c(std::as_bytes(std::span(&first_seq, 1))); }

std::int64_t now_us() noexcept {
  using namespace std::chrono;
  return duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace

/// A block of the pool with its head. What is retired gives its block back when the last reader has let go of it.
struct event_log::segment {
  segment(block held, local::condition& room) noexcept : memory(std::move(held)), freed(room) {}
  segment(const segment&) = delete;
  segment& operator=(const segment&) = delete;
  ~segment() {
    if (!retired) return;  // the process ends: the block stays in the pool
    head().magic = 0;
    memory.release();
    freed.notify_all();
  }

  [[nodiscard]] segment_head& head() const noexcept {
    return *static_cast<segment_head*>(static_cast<void*>(memory.data()));
  }
  [[nodiscard]] std::byte* records() const noexcept { return memory.data() + sizeof(segment_head); }
  [[nodiscard]] std::size_t capacity() const noexcept { return memory.capacity() - sizeof(segment_head); }
  [[nodiscard]] record_head record_at(std::size_t offset) const noexcept {
    record_head record;
    std::memcpy(&record, records() + offset, sizeof record);
    return record;
  }
  static std::size_t size_of(const record_head& record) noexcept {
    return padded(sizeof record + record.websocket_size + record.frame_size);
  }
  /// WebSocket header and frame.
  [[nodiscard]] bytes_view wire_at(std::size_t offset, const record_head& record) const noexcept {
    return {records() + offset + sizeof record, std::size_t{record.websocket_size} + record.frame_size};
  }
  void commit(std::size_t bytes) noexcept {
    committed = bytes;
    std::atomic_ref(head().committed).store(bytes);
  }

  block memory;
  local::condition& freed;
  std::int64_t first_seq = 0;
  std::int64_t last_seq = 0;  // first_seq - 1 while empty
  std::size_t committed = 0;
  bool retired = false;
};

event_log::event_log(pool events, std::uint32_t segments) noexcept
    : pool_(std::make_unique<pool>(std::move(events))),
      appended_(std::make_unique<local::condition>()),
      room_(std::make_unique<local::condition>()),
      most_segments_(segments) {}

result<event_log> event_log::open(const event_log_options& wanted,
                                  const std::function<void(std::uint32_t, std::int64_t)>& seen) {
  auto opened = pool::open(
      wanted.path, {.name = "relay events",
                    .block_size = std::filesystem::exists(wanted.path) ? 0 : wanted.segment_bytes,
                    .maximum_blocks = std::filesystem::exists(wanted.path) ? 0 : wanted.segments + wanted.spare_segments,
                    .initial_blocks = 1,
                    .growth_blocks = 1,
                    .alignment = 4096,
                    .alone = true});
  if (!opened) return fail(opened.error());
  const std::uint32_t all = opened->maximum_blocks();
  event_log log(std::move(*opened), all > wanted.spare_segments ? all - wanted.spare_segments : 1);
  log.recover(seen);
  return log;
}

void event_log::recover(const std::function<void(std::uint32_t, std::int64_t)>& seen) {
  std::vector<std::shared_ptr<segment>> found;
  for (block& left : pool_->recovered()) {
    auto candidate = std::make_shared<segment>(std::move(left), *room_);
    const segment_head head = candidate->head();
    // A head that was never made valid, or was taken out of the log: its process died before the block could be freed. Any
    // other head that does not add up is damage; its number would tear the whole window, so the segment is none.
    const bool whole = head.magic == segment_magic && head.checksum == checksum_of(head.first_seq);
    if (!whole || head.first_seq < 1 || head.first_seq > wire::max_sequence) {
      if (head.magic != 0) ++recovery_.damaged;
      candidate->retired = true;
      continue;
    }
    candidate->first_seq = head.first_seq;
    found.push_back(std::move(candidate));
  }
  std::ranges::sort(found, {}, &segment::first_seq);
  for (auto& each : found) {
    std::size_t offset = 0;
    std::int64_t seq = each->first_seq;
    const std::size_t committed = std::min<std::size_t>(each->head().committed, each->capacity());
    while (committed - offset >= sizeof(record_head)) {
      const record_head record = each->record_at(offset);
      if (segment::size_of(record) > committed - offset || record.seq != seq) break;
      if (record.checksum != checksum_of(record, each->wire_at(offset, record))) break;
      offset += segment::size_of(record);
      ++seq;
    }
    each->last_seq = seq - 1;
    const bool damaged = offset != each->head().committed;
    if (damaged) {
      ++recovery_.damaged;
      each->commit(offset);
    }
    each->committed = offset;
    // Segments follow each other without a gap; where they do not, only what is behind the gap can be served.
    if (!segments_.empty() && segments_.back()->last_seq + 1 != each->first_seq) {
      for (auto& old : segments_) old->retired = true;
      segments_.clear();
    }
    segments_.push_back(each);
    next_seq_ = std::max(next_seq_, seq);
  }
  for (const auto& each : segments_) {
    for (std::size_t offset = 0; offset < each->committed;) {
      const record_head record = each->record_at(offset);
      seen(record.host, record.host_seq);
      ++recovery_.events;
      offset += segment::size_of(record);
    }
  }
  recovery_.segments = static_cast<std::uint32_t>(segments_.size());
}

result<> event_log::begin_segment() {
  while (segments_.size() >= most_segments_) {
    segments_.front()->retired = true;
    segments_.pop_front();  // gives its block back now, or with the last reader in it
    if (retired_) retired_();
  }
  auto memory = pool_->allocate_for_overwrite(block_kind::recoverable, pool_->block_size());
  if (!memory) return fail(memory.error());
  auto made = std::make_shared<segment>(std::move(*memory), *room_);
  made->first_seq = next_seq_;
  made->last_seq = next_seq_ - 1;
  made->head() = {.magic = 0, .first_seq = next_seq_, .committed = 0, .checksum = checksum_of(next_seq_), .reserved = {}};
  // From here on recovery takes the block for a segment, an empty one.
  std::atomic_ref(made->head().magic).store(segment_magic);
  segments_.push_back(std::move(made));
  return {};
}

result<std::int64_t> event_log::append(std::uint32_t host, const wire::frame& frame) {
  const std::int64_t seq = next_seq_;
  const std::size_t size = wire::rewritten_size(frame, seq);
  const auto websocket = http::ws::encode_header(http::ws::opcode::binary, size);
  const std::size_t whole = padded(sizeof(record_head) + websocket.size + size);
  if (whole > pool_->block_size() - sizeof(segment_head)) return fail(errc::limit_exceeded);
  if (segments_.empty() || segments_.back()->capacity() - segments_.back()->committed < whole) {
    if (auto begun = begin_segment(); !begun) return fail(begun.error());
  }
  segment& last = *segments_.back();
  std::byte* at = last.records() + last.committed;
  record_head record{.frame_size = static_cast<std::uint32_t>(size),
                     .checksum = 0,
                     .seq = seq,
                     .host_seq = *frame.seq,
                     .time_us = now_us(),
                     .host = host,
                     .websocket_size = websocket.size,
                     .reserved = {}};
  std::memcpy(at + sizeof record, websocket.bytes.data(), websocket.size);
  const bytes_span body(at + sizeof record + websocket.size, size);
  if (auto copied = wire::rewrite_seq(frame, seq, body); !copied) return fail(copied.error());
  record.checksum = checksum_of(record, {at + sizeof record, std::size_t{websocket.size} + size});
  std::memcpy(at, &record, sizeof record);
  last.commit(last.committed + whole);
  last.last_seq = seq;
  ++next_seq_;
  appended_->notify_all();
  return seq;
}

std::int64_t event_log::oldest_seq() const noexcept {
  for (const auto& each : segments_) {
    if (each->last_seq >= each->first_seq) return each->first_seq;
  }
  return next_seq_;
}

std::uint64_t event_log::bytes() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& each : segments_) sum += each->committed;
  return sum;
}

std::shared_ptr<event_log::segment> event_log::segment_of(std::int64_t seq) const {
  const auto after = std::ranges::upper_bound(segments_, seq, {}, [](const auto& each) { return each->first_seq; });
  return after == segments_.begin() ? nullptr : *std::prev(after);
}

event_log::reader event_log::read_from(std::int64_t seq) {
  reader made(*this);
  made.next_seq_ = seq;
  made.segment_ = segment_of(seq);
  if (made.segment_) {
    for (std::int64_t at = made.segment_->first_seq; at < seq && made.offset_ < made.segment_->committed; ++at) {
      made.offset_ += segment::size_of(made.segment_->record_at(made.offset_));
    }
  }
  return made;
}

/// Moves to the next segment when this one is read; false at the end of the log.
bool event_log::reader::settle() {
  if (segment_ && offset_ < segment_->committed) return true;
  if (next_seq_ > log_->last_seq()) return false;
  segment_ = log_->segment_of(next_seq_);
  offset_ = 0;
  return segment_ != nullptr;
}

std::span<iovec> event_log::reader::gather(std::span<iovec> pieces, std::size_t most_bytes) {
  if (!settle()) return pieces.first(0);
  std::size_t count = 0;
  std::size_t bytes = 0;
  std::size_t skip = partial_;
  for (std::size_t offset = offset_; offset < segment_->committed && count < pieces.size() && bytes < most_bytes; ++count) {
    const record_head record = segment_->record_at(offset);
    const bytes_view wire = segment_->wire_at(offset, record).subspan(std::exchange(skip, 0));
    // sendmsg only reads; iovec has no const form.
    pieces[count] = {const_cast<std::byte*>(wire.data()), wire.size()};
    bytes += wire.size();
    offset += segment::size_of(record);
  }
  return pieces.first(count);
}

void event_log::reader::consume(std::size_t bytes) noexcept {
  while (bytes > 0) {
    const record_head record = segment_->record_at(offset_);
    const std::size_t left = std::size_t{record.websocket_size} + record.frame_size - partial_;
    if (bytes < left) {
      partial_ += bytes;
      return;
    }
    bytes -= left;
    partial_ = 0;
    offset_ += segment::size_of(record);
    ++next_seq_;
  }
}

bytes_view event_log::reader::rest_of_frame() const noexcept {
  if (partial_ == 0) return {};
  return segment_->wire_at(offset_, segment_->record_at(offset_)).subspan(partial_);
}

bool event_log::reader::behind() const noexcept { return next_seq_ < log_->oldest_seq(); }

}  // namespace tide::relay
