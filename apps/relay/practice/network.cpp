#include <apps/relay/practice/network.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <deque>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include <apps/relay/practice/feed.hpp>
#include <apps/relay/practice/live_counters.hpp>
#include <apps/relay/practice/pace.hpp>
#include <nlohmann/json.hpp>
#include <tide/http/server.hpp>
#include <tide/runtime/scope.hpp>
#include <tide/runtime/time.hpp>

namespace tide::relay::practice {
namespace {

http::response json(int status, const nlohmann::json& body) {
  return {.status = status, .fields = {{"Content-Type", "application/json"}}, .body = body.dump() + "\n"};
}

/// Absent or empty is 0, and so is anything below; no value for what is no number.
std::optional<std::int64_t> read_cursor(const std::optional<std::string>& text) {
  if (!text || text->empty()) return 0;
  std::int64_t number = 0;
  const auto [end, problem] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (problem != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return std::max<std::int64_t>(number, 0);
}

task<> read_until_end(http::websocket& socket, scope& ended) {
  while (co_await socket.receive()) {
  }
  ended.cancel();
}

}  // namespace

struct network::host {
  net::tcp_listener listener;
  std::span<const wire::frame> recording;
  bool repeat;
  double rate;  // events a second; 0: no pace
  live_counters& counters;
  http::server server{{.name = "tide-practice"}};

  task<> serve();
  task<> answer(http::exchange& x);
  task<> subscribe(http::exchange& x);
  task<bool> send(http::websocket& socket, std::int64_t after);
};

task<> network::host::serve() {
  // Errors of accept are waited out by the server; it ends when it is cancelled.
  (void)co_await server.serve(listener, [this](http::exchange& x) { return answer(x); });
}

task<> network::host::answer(http::exchange& x) {
  const std::string_view path = x.request().path();
  if (path == "/xrpc/com.atproto.sync.subscribeRepos") {
    co_await subscribe(x);
  } else if (path == "/xrpc/com.atproto.server.describeServer") {
    (void)co_await x.reply(json(200, {{"did", "did:web:localhost"}, {"availableUserDomains", {".test"}}}));
  } else if (path == "/_health" || path == "/xrpc/_health") {
    (void)co_await x.reply(json(200, {{"version", "tide-practice"}, {"frames", recording.size()}}));
  } else {
    (void)co_await x.reply(json(404, {{"error", "NotFound"}, {"message", "no such resource"}}));
  }
}

task<> network::host::subscribe(http::exchange& x) {
  const auto cursor = read_cursor(x.request().query("cursor"));
  if (!cursor) {
    (void)co_await x.reply(json(400, {{"error", "InvalidRequest"}, {"message", "cursor is not a number"}}));
    co_return;
  }
  auto socket = co_await x.accept_websocket();
  if (!socket) co_return;
  ++counters.connections;
  if (*cursor > feed::last(recording, repeat)) {
    const auto refusal = wire::encode_error_frame("FutureCursor", "the cursor is beyond the last event");
    if (co_await socket->send(http::ws::opcode::binary, refusal))
      co_await socket->close(http::ws::close_code::policy_violation, "FutureCursor");
    co_return;
  }
  co_await with_scope([&](scope& inside) -> task<> {
    inside.spawn(&read_until_end, std::ref(*socket), std::ref(inside));
    if (!co_await send(*socket, *cursor)) inside.cancel();
    co_await inside.join();
  });
}

/// True when the recording has ended, false when the connection has.
task<bool> network::host::send(http::websocket& socket, std::int64_t after) {
  feed source(recording, repeat, after);
  std::optional<pace> rhythm;
  if (rate > 0) rhythm.emplace(rate, clock::now());
  while (true) {
    std::size_t most = std::numeric_limits<std::size_t>::max();
    if (rhythm) {
      if (!co_await sleep_until(rhythm->next())) co_return false;
      most = rhythm->due(clock::now());
      rhythm->sent(most, clock::now());
    }
    while (most > 0) {
      const auto batch = source.next(most);
      if (batch.events == 0) co_return true;
      const auto turn = co_await socket.write_turn();
      if (!turn || !co_await socket.stream().write_all(batch.bytes)) co_return false;
      counters.events += batch.events;
      counters.bytes += batch.payload;
      most -= batch.events;
    }
  }
}

struct network::state {
  std::deque<host> hosts;
  std::vector<std::string> urls;
  std::shared_ptr<live_counters> counters = std::make_shared<live_counters>();
};

result<network> network::bind(const network_options& wanted) {
  const bool ports_fit = wanted.first_port == 0 || wanted.first_port + wanted.hosts <= 65'536;
  if (wanted.frames == nullptr || wanted.hosts == 0 || !std::isfinite(wanted.rate) || wanted.rate < 0 || !ports_fit)
    return fail(std::make_error_code(std::errc::invalid_argument));
  auto made = std::make_unique<state>();
  for (unsigned i = 0; i < wanted.hosts; ++i) {
    const auto port = static_cast<std::uint16_t>(wanted.first_port == 0 ? 0 : wanted.first_port + i);
    auto listener = net::tcp_listener::bind(net::address(wanted.address, port));
    if (!listener) return fail(listener.error());
    const auto where = listener->local_address();
    if (!where) return fail(where.error());
    made->urls.push_back("ws://" + where->to_string());
    made->hosts.push_back({.listener = std::move(*listener),
                           .recording = wanted.frames->frames(i % wanted.frames->hosts()),
                           .repeat = wanted.repeat,
                           .rate = wanted.rate / wanted.hosts,
                           .counters = *made->counters});
  }
  return network(std::move(made));
}

network::network(std::unique_ptr<state> made) noexcept : state_(std::move(made)) {}
network::network(network&&) noexcept = default;
network& network::operator=(network&&) noexcept = default;
network::~network() = default;

task<> network::serve() {
  co_await with_scope([this](scope& inside) -> task<> {
    for (host& each : state_->hosts) inside.spawn(each.serve());
    co_await inside.join();
  });
}

const std::vector<std::string>& network::urls() const noexcept { return state_->urls; }
network_counters network::count() const noexcept { return state_->counters->snapshot(); }
std::shared_ptr<const live_counters> network::shared_counters() const noexcept { return state_->counters; }

}  // namespace tide::relay::practice
