#include <tide/http/server.hpp>

#include <exception>

#include <tide/base/log.hpp>
#include <tide/http/connection.hpp>
#include <tide/runtime/time.hpp>

namespace tide::http {
namespace {

response plain(int status, std::string text) {
  response answer{.status = status, .body = std::move(text) + "\n"};
  answer.fields.add("Content-Type", "text/plain; charset=utf-8");
  if (status == 503) answer.fields.add("Retry-After", "10");
  return answer;
}

}  // namespace

// ---- exchange ---------------------------------------------------------------------------------------------------------

task<result<>> exchange::send(response answer) {
  answered_ = true;
  if (!wanted_.name.empty()) answer.fields.set("Server", wanted_.name);
  if (!keep_alive_ && answer.status != 101) answer.fields.set("Connection", "close");
  auto bytes = serialize(answer);
  if (!bytes) co_return fail(bytes.error());
  if (request_.method == "HEAD") bytes->resize(bytes->size() - answer.body.size());
  co_return co_await timeout(wanted_.write_time, stream_.write_all(std::move(*bytes)));
}

task<result<>> exchange::reply(response answer) {
  auto sent = co_await send(std::move(answer));
  if (!sent) keep_alive_ = false;
  co_return sent;
}

task<result<websocket>> exchange::accept_websocket(websocket_options wanted) {
  auto accept = ws::check_upgrade(request_);
  if (!accept) {
    (void)co_await reply(ws::refusal(accept.error()));
    co_return fail(accept.error());
  }
  if (auto sent = co_await send(ws::upgrade_response(*accept)); !sent) co_return fail(sent.error());
  upgraded_ = true;
  co_return websocket(std::move(stream_), ws::codec::server(wanted.codec), std::move(early_), wanted);
}

// ---- connection -------------------------------------------------------------------------------------------------------

task<bool> connection::read_request() {
  auto deadline = clock::now() + (parser_.idle() && input_.empty() ? wanted_.idle_time : wanted_.request_time);
  while (true) {
    const bool idle = parser_.idle();
    auto progress = parser_.feed(input_.bytes());
    if (!progress) {
      refused_ = progress.error();
      co_return false;
    }
    input_.remove_prefix(progress->consumed);
    if (progress->state == parse_state::message_complete || progress->state == parse_state::upgrade) co_return true;
    if (progress->state == parse_state::headers_complete || !input_.empty()) continue;
    if (idle && !parser_.idle()) deadline = clock::now() + wanted_.request_time;
    auto next = co_await with_deadline(deadline, stream_.receive());
    if (!next || next->empty()) {
      if (next && !parser_.idle()) refused_ = make_error_code(http_errc::incomplete);
      if (!next && next.error() == errc::timed_out && !parser_.idle()) refused_ = next.error();
      co_return false;
    }
    input_ = std::move(*next);
  }
}

task<bool> connection::answer(const handler& handle) {
  ++count_.requests;
  exchange one(parser_.message(), stream_, wanted_, peer_);
  one.keep_alive_ = parser_.keep_alive();
  one.early_ = std::move(input_);
  int unanswered = 404;
  try {
    co_await handle(one);
  } catch (const std::exception& error) {
    log::error("request handler failed", {{"path", one.request_.path()}, {"error", error.what()}});
    one.keep_alive_ = false;
    unanswered = 500;
  }
  if (one.upgraded_) co_return false;
  if (!one.answered_) {
    (void)co_await one.reply(plain(unanswered, std::string(reason_phrase(unanswered))));
  }
  input_ = std::move(one.early_);
  co_return one.keep_alive_;
}

task<> connection::refuse(response answer) {
  ++count_.refused;
  if (!wanted_.name.empty()) answer.fields.set("Server", wanted_.name);
  answer.fields.set("Connection", "close");
  if (auto bytes = serialize(answer)) (void)co_await timeout(wanted_.write_time, stream_.write_all(std::move(*bytes)));
}

/// Says that no more will come, then reads on a little: closing with unread bytes would reset the connection and could take
/// the answer with it.
task<> connection::linger() {
  if (!stream_ || !co_await stream_.shutdown()) co_return;
  const auto deadline = clock::now() + std::chrono::seconds(1);
  for (std::size_t read = 0; read < 256 * 1024;) {
    auto rest = co_await with_deadline(deadline, stream_.receive());
    if (!rest || rest->empty()) break;
    read += rest->size();
  }
}

task<> connection::serve(net::tcp_stream stream, const handler& handle, const server_options& wanted,
                         server_counters& count) {
  struct counted {
    explicit counted(std::size_t& number) noexcept : open(number) { ++open; }
    ~counted() { --open; }
    std::size_t& open;
  };
  ++count.connections;
  const counted open(count.open);
  connection self(std::move(stream), wanted, count);
  if (count.open > wanted.connections) {
    co_await self.refuse(plain(503, "too many connections"));
    co_return co_await self.linger();
  }
  bool more = true;
  while (more) {
    more = co_await self.read_request();
    if (more) more = co_await self.answer(handle);
  }
  if (self.refused_) {
    const int status = self.refused_ == errc::timed_out ? 408 : status_of(self.refused_);
    co_await self.refuse(plain(status, self.refused_.message()));
  }
  co_await self.linger();
}

// ---- server -----------------------------------------------------------------------------------------------------------

task<result<>> server::serve(net::tcp_listener& listener, handler handle) {
  co_return co_await with_scope([&](scope& inside) -> task<result<>> {
    while (true) {
      auto peer = co_await listener.accept();
      if (peer) {
        inside.spawn(&connection::serve, std::move(*peer), std::cref(handle), std::cref(wanted_), std::ref(count_));
      } else if (peer.error() == errc::canceled) {
        co_return fail(errc::canceled);
      } else {
        log::warning("cannot accept a connection", {{"error", peer.error()}});
        if (auto waited = co_await sleep(std::chrono::milliseconds(100)); !waited) co_return waited;
      }
    }
  });
}

}  // namespace tide::http
