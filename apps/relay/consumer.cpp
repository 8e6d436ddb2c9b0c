#include <apps/relay/consumer.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <format>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <tide/base/log.hpp>
#include <tide/runtime/scope.hpp>
#include <tide/runtime/time.hpp>

namespace tide::relay {
namespace {

constexpr std::size_t pieces_a_write = 512;
constexpr std::size_t bytes_a_write = 256 * 1024;

/// A cursor as a consumer gives it: nothing, a number, or something else.
struct cursor_text {
  explicit cursor_text(const std::optional<std::string>& text) {
    if (!text || text->empty()) return;  // @atproto/sync without a cursor asks for "?cursor="
    given = true;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
    valid = error == std::errc() && end == text->data() + text->size();
  }
  bool given = false;
  bool valid = true;
  std::int64_t value = 0;
};

}  // namespace

/// One consumer.
class consumer_service::session : public list_hook {
 public:
  session(consumer_service& service, http::websocket socket, std::string peer, cursor_text cursor)
      : service_(service),
        log_(service.log_),
        socket_(std::move(socket)),
        peer_(std::move(peer)),
        cursor_(cursor),
        reader_(log_.read_from(start())) {
    service_.sessions_.push_back(*this);
    ++service_.size_;
    ++service_.count_.connected;
  }
  session(const session&) = delete;
  session& operator=(const session&) = delete;
  ~session() { --service_.size_; }

  task<> run();
  void cut() noexcept {
    if (end_ == ending::none) end_ = ending::too_slow;
    if (inside_ != nullptr) inside_->cancel();
  }
  [[nodiscard]] bool behind() const noexcept { return reader_.behind(); }
  [[nodiscard]] std::int64_t lag() const noexcept {
    return end_ == ending::none ? log_.last_seq() + 1 - reader_.next_seq() : 0;
  }

 private:
  enum class ending : std::uint8_t { none, refused, gone, too_slow, drained };

  /// Where the cursor lets the stream begin.
  [[nodiscard]] std::int64_t start() const noexcept {
    if (!cursor_.given || !cursor_.valid || cursor_.value > log_.last_seq()) return log_.last_seq() + 1;
    return std::max(cursor_.value + 1, log_.oldest_seq());
  }
  task<result<>> say(const std::vector<std::byte>& frame) {
    co_return co_await socket_.send(http::ws::opcode::binary, frame);
  }
  task<> refuse(std::string error, std::string message);
  task<> pump();
  task<> watch();
  task<result<>> write_batch(http::websocket& socket);
  task<result<>> tell_too_slow(std::vector<std::byte> rest);

  consumer_service& service_;
  event_log& log_;
  http::websocket socket_;
  std::string peer_;
  cursor_text cursor_;
  event_log::reader reader_;
  scope* inside_ = nullptr;
  ending end_ = ending::none;
};

consumer_service::consumer_service(event_log& log, const consumer_options& wanted) : log_(log), wanted_(wanted) {
  log_.on_retire([this] { cut_those_behind(); });
}

consumer_service::~consumer_service() = default;

task<> consumer_service::subscribe(http::exchange& x) {
  if (size_ >= wanted_.most) {
    http::response busy{.status = 503, .body = R"({"error":"TooManyConsumers","message":"try again later"})"};
    busy.fields.add("Content-Type", "application/json");
    busy.fields.add("Retry-After", "10");
    (void)co_await x.reply(std::move(busy));
    co_return;
  }
  const cursor_text cursor(x.request().query("cursor"));
  std::string peer = x.peer().to_string();
  http::websocket_options wanted;
  wanted.codec.max_message = 64 * 1024;  // what a consumer says is not listened to
  auto socket = co_await x.accept_websocket(wanted);
  if (!socket) co_return;
  session one(*this, std::move(*socket), std::move(peer), cursor);
  co_await one.run();
}

void consumer_service::drain() {
  draining_ = true;
  log_.appended().notify_all();
}

std::int64_t consumer_service::lag() const noexcept {
  std::int64_t most = 0;
  sessions_.for_each([&](const session& each) { most = std::max(most, each.lag()); });
  return most;
}

void consumer_service::cut_those_behind() {
  sessions_.for_each([](session& each) {
    if (each.behind()) each.cut();
  });
}

// ---- one consumer -----------------------------------------------------------------------------------------------------

task<> consumer_service::session::run() {
  if (!cursor_.valid) co_return co_await refuse("InvalidRequest", "cursor is not a number");
  if (cursor_.given && cursor_.value > log_.last_seq()) {
    co_return co_await refuse("FutureCursor", std::format("cursor {} is ahead of {}", cursor_.value, log_.last_seq()));
  }
  log::info("consumer connected", {{"peer", peer_}, {"next", reader_.next_seq()}});
  // Cursor 0 asks for whatever there is; any other one names a place, and is told if that place is gone.
  if (cursor_.given && cursor_.value > 0 && cursor_.value + 1 < log_.oldest_seq()) {
    auto told = co_await say(wire::encode_info_frame("OutdatedCursor", "the stream begins after the requested cursor"));
    if (!told) co_return;
  }
  co_await with_scope([this](scope& inside) -> task<> {
    inside_ = &inside;
    inside.spawn(&session::watch, this);
    co_await pump();
    inside_ = nullptr;
  });
  inside_ = nullptr;
  log::info("consumer leaves", {{"peer", peer_}, {"next", reader_.next_seq()}, {"too_slow", end_ == ending::too_slow}});
  const bytes_view unsent = reader_.rest_of_frame();
  std::vector<std::byte> rest(unsent.begin(), unsent.end());
  reader_.release();  // the goodbye takes as long as the peer lets it, and the log may want the segment meanwhile
  if (end_ == ending::too_slow) {
    ++service_.count_.too_slow;
    (void)co_await timeout(service_.wanted_.goodbye_time, tell_too_slow(std::move(rest)));
    co_await socket_.close(http::ws::close_code::policy_violation, "ConsumerTooSlow");
  } else if (end_ == ending::drained) {
    co_await socket_.close(http::ws::close_code::going_away, "relay stops");
  } else {
    co_await socket_.close(http::ws::close_code::normal);
  }
}

task<> consumer_service::session::refuse(std::string error, std::string message) {
  log::info("consumer refused", {{"peer", peer_}, {"error", error}});
  end_ = ending::refused;
  reader_.release();
  if (co_await say(wire::encode_error_frame(error, message))) {
    co_await socket_.close(http::ws::close_code::policy_violation, error);
  }
}

/// Sends what the log has, as it comes, until something ends it.
task<> consumer_service::session::pump() {
  while (end_ == ending::none) {
    std::array<iovec, 1> probe;
    if (reader_.gather(probe, 1).empty()) {
      if (service_.draining_) {
        end_ = ending::drained;
        break;
      }
      if (!co_await log_.appended().wait()) break;
      continue;
    }
    if (auto written = co_await write_batch(socket_); !written) {
      if (end_ == ending::none) end_ = written.error() == errc::timed_out ? ending::too_slow : ending::gone;
    }
  }
}

/// Writes whole frames, as many as fit one write; pongs have their turn between two batches.
task<result<>> consumer_service::session::write_batch(http::websocket& socket) {
  auto turn = co_await socket.write_turn();
  if (!turn) co_return fail(turn.error());
  do {
    std::array<iovec, pieces_a_write> space;
    const auto pieces = reader_.gather(space, bytes_a_write);
    const std::int64_t before = reader_.next_seq();
    auto written = co_await timeout(service_.wanted_.stall_time, socket.stream().write_some(pieces));
    if (!written) co_return fail(written.error());
    reader_.consume(*written);
    service_.count_.bytes += *written;
    service_.count_.events += static_cast<std::uint64_t>(reader_.next_seq() - before);
  } while (!reader_.at_border());
  co_return {};
}

/// Reads what the consumer sends, to answer pings and to notice that it goes.
task<> consumer_service::session::watch() {
  while (co_await socket_.receive()) {
  }
  if (end_ == ending::none) end_ = ending::gone;
  if (inside_ != nullptr) inside_->cancel();
}

task<result<>> consumer_service::session::tell_too_slow(std::vector<std::byte> rest) {
  if (!rest.empty()) {
    auto turn = co_await socket_.write_turn();
    if (!turn) co_return fail(turn.error());
    if (auto written = co_await socket_.stream().write_all(std::move(rest)); !written) co_return written;
  }
  co_return co_await say(wire::encode_error_frame("ConsumerTooSlow", "the consumer reads slower than the stream grows"));
}

}  // namespace tide::relay
