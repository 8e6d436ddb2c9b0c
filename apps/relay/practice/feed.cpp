#include <apps/relay/practice/feed.hpp>

#include <algorithm>

#include <tide/http/codec/websocket.hpp>

namespace tide::relay::practice {

feed::batch feed::next(std::size_t most) {
  batch out;
  std::size_t used = 0;
  for (; out.events < most && seq_ < last_ && used < full; ++out.events) {
    const wire::frame& frame = recording_[static_cast<std::size_t>(seq_) % recording_.size()];
    ++seq_;
    const std::size_t size = wire::rewritten_size(frame, seq_);
    const auto header = http::ws::encode_header(http::ws::opcode::binary, size);
    if (buffer_.size() - used < header.size + size) buffer_.resize(std::max(buffer_.size() * 2, used + header.size + size));
    std::ranges::copy(header.view(), buffer_.begin() + static_cast<std::ptrdiff_t>(used));
    used += header.size;
    used += wire::rewrite_seq(frame, seq_, std::span(buffer_).subspan(used)).value();
    out.payload += size;
  }
  out.bytes = std::span(buffer_).first(used);
  return out;
}

}  // namespace tide::relay::practice
