// The relay, put together: hosts in, one event log, consumers and pages out.
//
//   auto relay = relay::open(settings, hosts).value();
//   co_await relay->run(stop_signal());      // until that task ends; then drains
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include <apps/relay/consumer.hpp>
#include <apps/relay/event_log.hpp>
#include <apps/relay/host_table.hpp>
#include <apps/relay/options.hpp>
#include <apps/relay/subscriber.hpp>
#include <tide/http/server.hpp>
#include <tide/net/tcp.hpp>
#include <tide/runtime/scope.hpp>

namespace tide::relay {

/// What the status line, the summary, /_health and /metrics tell.
struct snapshot {
  std::size_t hosts = 0;
  std::size_t hosts_connected = 0;
  std::size_t consumers = 0;
  std::int64_t oldest = 0;
  std::int64_t sequence = 0;
  std::int64_t lag = 0;  ///< events that the consumer furthest behind still has to get
  std::uint64_t events_in = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t malformed = 0;
  std::uint64_t events_out = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t too_slow = 0;
};

class relay {
 public:
  /// Opens the state under settings.data and binds the port. The error says what and where.
  static std::expected<std::unique_ptr<relay>, std::string> open(const settings& wanted,
                                                                 const std::vector<std::string>& hosts);

  /// Serves and follows until `stop` ends; then takes no more events, gives consumers what there is, and returns.
  task<> run(task<> stop);
  [[nodiscard]] snapshot now() const;
  [[nodiscard]] net::address address() const { return listener_.local_address().value_or(net::address()); }
  [[nodiscard]] const event_log_recovery& recovery() const noexcept { return log_.recovery(); }

 private:
  relay(const settings& wanted, net::tcp_listener listener, event_log log, host_table hosts);
  task<> handle(http::exchange& x);
  task<> serve();
  [[nodiscard]] std::string health() const;
  [[nodiscard]] std::string metrics() const;

  settings wanted_;
  net::tcp_listener listener_;
  event_log log_;
  host_table hosts_;
  consumer_service consumers_;
  std::vector<std::unique_ptr<subscriber>> followed_;
  http::server server_;
};

}  // namespace tide::relay
