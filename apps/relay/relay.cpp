#include <apps/relay/relay.hpp>

#include <algorithm>
#include <format>

#include <tide/base/log.hpp>
#include <tide/metrics/text.hpp>
#include <tide/runtime/time.hpp>

namespace tide::relay {
namespace {

constexpr std::string_view stream_path = "/xrpc/com.atproto.sync.subscribeRepos";
constexpr auto drain_time = std::chrono::seconds(5);

http::response page(int status, std::string_view type, std::string body) {
  http::response answer{.status = status, .body = std::move(body)};
  answer.fields.add("Content-Type", type);
  answer.fields.add("Access-Control-Allow-Origin", "*");
  return answer;
}

http::response problem(int status, std::string_view error, std::string_view message) {
  return page(status, "application/json", std::format("{{\"error\":\"{}\",\"message\":\"{}\"}}\n", error, message));
}

}  // namespace

std::expected<std::unique_ptr<relay>, std::string> relay::open(const settings& wanted,
                                                               const std::vector<std::string>& hosts) {
  const auto say = [](std::string what, const std::error_code& why) {
    return std::unexpected(std::move(what) + ": " + why.message());
  };
  std::error_code made;
  std::filesystem::create_directories(wanted.data, made);
  if (made) return say(wanted.data.string(), made);
  auto table = host_table::open(wanted.data / "hosts.pool");
  if (!table) return say((wanted.data / "hosts.pool").string(), table.error());
  event_log_options log_options{.path = wanted.data / "events.pool"};
  log_options.segment_bytes = wanted.segment_bytes;
  log_options.segments = wanted.segments;
  auto log = event_log::open(log_options, [&](std::uint32_t host, std::int64_t sequence) {
    if (host_table::entry* known = table->find(host)) known->advance(sequence);
  });
  if (!log) return say(log_options.path.string(), log.error());
  auto listener = net::tcp_listener::bind(wanted.listen);
  if (!listener) return say("cannot listen on " + wanted.listen.to_string(), listener.error());
  std::unique_ptr<relay> whole(new relay(wanted, std::move(*listener), std::move(*log), std::move(*table)));
  for (const std::string& url : hosts) {
    auto entry = whole->hosts_.find_or_add(url);
    if (!entry) return say(url, entry.error());
    const subscriber_options options{.private_addresses = wanted.dev || wanted.practice};
    whole->followed_.push_back(std::make_unique<subscriber>(**entry, whole->log_, options));
  }
  return whole;
}

relay::relay(const settings& wanted, net::tcp_listener listener, event_log log, host_table hosts)
    : wanted_(wanted),
      listener_(std::move(listener)),
      log_(std::move(log)),
      hosts_(std::move(hosts)),
      consumers_(log_, {.stall_time = wanted.stall, .most = wanted.most_consumers}),
      server_({.name = "tide-relay (atproto-relay)"}) {}

task<> relay::serve() {
  (void)co_await server_.serve(listener_, [this](http::exchange& x) { return handle(x); });
}

task<> relay::run(task<> stop) {
  co_await with_scope([this, &stop](scope& serving) -> task<> {
    serving.spawn(&relay::serve, this);
    co_await with_scope([this, &stop](scope& following) -> task<> {
      for (auto& each : followed_) following.spawn(&subscriber::run, each.get());
      co_await std::move(stop);
    });
    consumers_.drain();
    for (const auto deadline = clock::now() + drain_time; consumers_.size() != 0 && clock::now() < deadline;) {
      if (!co_await sleep(std::chrono::milliseconds(10))) break;
    }
  });
}

task<> relay::handle(http::exchange& x) {
  const std::string_view path = x.request().path();
  if (path == stream_path) co_return co_await consumers_.subscribe(x);
  const bool reads = x.request().method == "GET" || x.request().method == "HEAD";
  const bool known = path == "/_health" || path == "/metrics" || path == "/";
  http::response answer;
  if (known && !reads) {
    answer = problem(405, "MethodNotAllowed", "only GET");
    answer.fields.add("Allow", "GET, HEAD");
  } else if (path == "/_health" || path == "/xrpc/_health") {
    answer = page(200, "application/json", health());
  } else if (path == "/metrics") {
    answer = page(200, metrics::text::content_type, metrics());
  } else if (path == "/") {
    answer = page(
        200, "text/plain; charset=utf-8",
        std::format("This is a relay of the AT Protocol.\n\nStream:  {}?cursor=N\nHealth:  /_health\nMetrics: /metrics\n",
                    stream_path));
  } else if (path.starts_with("/xrpc/")) {
    answer = problem(501, "MethodNotImplemented", "this relay does not serve that method");
  } else {
    answer = problem(404, "NotFound", "no such page");
  }
  (void)co_await x.reply(std::move(answer));
}

snapshot relay::now() const {
  snapshot s;
  s.hosts = followed_.size();
  for (const auto& each : followed_) {
    s.hosts_connected += each->now() == subscriber::state::connected ? 1 : 0;
    s.events_in += each->count().events;
    s.duplicates += each->count().duplicates;
    s.malformed += each->count().malformed;
  }
  s.consumers = consumers_.size();
  s.oldest = log_.oldest_seq();
  s.sequence = log_.last_seq();
  s.lag = consumers_.lag();
  s.events_out = consumers_.count().events;
  s.bytes_out = consumers_.count().bytes;
  s.too_slow = consumers_.count().too_slow;
  return s;
}

std::string relay::health() const {
  const snapshot s = now();
  return std::format(
      R"({{"status":"ok","version":"{}","seq":{},"oldestSeq":{},"hosts":{},"hostsConnected":{},"consumers":{}}})"
      "\n",
      TIDE_VERSION, s.sequence, s.oldest, s.hosts, s.hosts_connected, s.consumers);
}

std::string relay::metrics() const {
  const snapshot s = now();
  tide::metrics::text page;
  page.counter("relay_events_received_total", "Events taken from hosts and committed.", s.events_in);
  page.counter("relay_events_duplicate_total", "Events of hosts at or below their cursor, dropped.", s.duplicates);
  page.counter("relay_frames_malformed_total", "Frames that cost a host its connection.", s.malformed);
  page.counter("relay_events_sent_total", "Events sent, over all consumers.", s.events_out);
  page.counter("relay_bytes_sent_total", "Bytes sent, over all consumers.", s.bytes_out);
  page.counter("relay_consumers_too_slow_total", "Consumers cut off with ConsumerTooSlow.", s.too_slow);
  page.counter("relay_http_requests_total", "HTTP requests, WebSocket upgrades among them.", server_.count().requests);
  page.counter("relay_http_refused_total", "Requests answered with an error of their syntax.", server_.count().refused);
  page.gauge("relay_sequence", "Sequence number of the newest event.", static_cast<double>(s.sequence));
  page.gauge("relay_sequence_oldest", "Sequence number of the oldest event of the window.", static_cast<double>(s.oldest));
  page.gauge("relay_log_bytes", "Bytes of the events of the window.", static_cast<double>(log_.bytes()));
  page.gauge("relay_consumers", "Consumers connected.", static_cast<double>(s.consumers));
  page.gauge("relay_consumer_lag_events", "Events that the consumer furthest behind still has to get.",
             static_cast<double>(s.lag));
  page.gauge("relay_hosts", "Hosts followed.", static_cast<double>(s.hosts));
  page.gauge("relay_hosts_connected", "Hosts connected.", static_cast<double>(s.hosts_connected));
  for (const auto& each : followed_) {
    page.gauge("relay_host_cursor", "Highest sequence number of the host that is committed.",
               static_cast<double>(each->cursor()), {{"host", each->url()}});
  }
  for (const auto& each : followed_) {
    page.counter("relay_host_connections_total", "Connections made to the host.", each->count().connections,
                 {{"host", each->url()}});
  }
  return page.str();
}

}  // namespace tide::relay
