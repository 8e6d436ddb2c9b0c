#include <apps/relay/subscriber.hpp>

#include <algorithm>
#include <format>

#include <tide/base/log.hpp>
#include <tide/runtime/time.hpp>

namespace tide::relay {
namespace {
constexpr unsigned messages_a_turn = 16;
}

subscriber::subscriber(host_table::entry& host, event_log& log, const subscriber_options& wanted)
    : host_(host), log_(log), wanted_(wanted), random_(std::random_device()()) {}

clock::duration subscriber::next_wait() {
  const unsigned doublings = std::min(failures_, 10U);
  const auto full = std::min<clock::duration>(wanted_.first_wait * (1U << doublings), wanted_.longest_wait);
  // Between half and whole, so that hosts which were lost together do not come back together.
  return full / 2 + clock::duration(std::uniform_int_distribution<clock::rep>(0, (full / 2).count())(random_));
}

task<> subscriber::run() {
  while (true) {
    const std::uint64_t before = count_.events;
    state_ = state::connecting;
    const std::string why = co_await follow();
    state_ = state::waiting;
    if (count_.events != before) failures_ = 0;
    const auto wait = next_wait();
    auto slept = co_await sleep(wait);
    if (!slept) co_return;
    ++failures_;
    log::info("host again", {{"host", url()}, {"cursor", cursor()}, {"ended", why}});
  }
}

task<std::string> subscriber::follow() {
  http::client_options wanted;
  wanted.private_addresses = wanted_.private_addresses;
  wanted.websocket.codec.max_message = wire::max_frame;
  const std::string target = std::format("{}/xrpc/com.atproto.sync.subscribeRepos?cursor={}", url(), cursor());
  auto opened = co_await http::connect_websocket(target, wanted);
  if (!opened) {
    if (opened.error() != errc::canceled) log::warning("host not reached", {{"host", url()}, {"error", opened.error()}});
    co_return opened.error().message();
  }
  http::websocket& socket = opened->socket;
  if (const auto server = opened->handshake.fields.get("Server");
      server && server->find("atproto-relay") != std::string_view::npos) {
    log::warning("host is a relay, not followed", {{"host", url()}});
    failures_ = 10;
    co_await socket.close(http::ws::close_code::policy_violation, "is a relay");
    co_return std::string("is a relay");
  }
  state_ = state::connected;
  ++count_.connections;
  log::info("host connected", {{"host", url()}, {"cursor", cursor()}});
  std::string why;
  // A host that has much to say lets others have their turn: consumers must be able to follow what all hosts bring.
  for (unsigned taken = 0; why.empty(); ++taken) {
    if (taken % messages_a_turn == messages_a_turn - 1) co_await yield();
    auto message = co_await socket.receive();
    if (!message) {
      co_return message.error().message();
    }
    why = co_await take(*message);
  }
  log::warning("host dropped", {{"host", url()}, {"cursor", cursor()}, {"why", why}});
  co_await socket.close(http::ws::close_code::policy_violation, why);
  co_return why;
}

task<std::string> subscriber::take(const http::websocket_message& message) {
  if (message.kind != http::ws::opcode::binary) {
    ++count_.malformed;
    co_return std::string("a text frame on a binary stream");
  }
  const auto frame = wire::decode_frame(message.data);
  if (!frame) {
    ++count_.malformed;
    co_return frame.error().message();
  }
  switch (frame->type) {
    case wire::event_type::commit:
    case wire::event_type::sync:
    case wire::event_type::identity:
    case wire::event_type::account: break;
    case wire::event_type::info:
      log::info("host says", {{"host", url()}, {"name", frame->name}, {"message", frame->message}});
      co_return std::string();
    case wire::event_type::error: co_return std::format("host error {}: {}", frame->error, frame->message);
    case wire::event_type::unknown: ++count_.ignored; co_return std::string();
  }
  if (*frame->seq <= cursor()) {
    ++count_.duplicates;
    co_return std::string();
  }
  while (true) {
    auto appended = log_.append(host_.id(), *frame);
    if (appended) break;
    if (appended.error() != pool_errc::full) co_return appended.error().message();
    // Consumers that were just cut off hold the last free segments: this host waits, the kernel holds its bytes meanwhile.
    if (!co_await log_.room().wait()) co_return std::string("cancelled");
  }
  // After the commit: were the process to die between the two, recovery finds the cursor in the log itself.
  host_.advance(*frame->seq);
  ++count_.events;
  co_return std::string();
}

}  // namespace tide::relay
