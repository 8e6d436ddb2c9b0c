// Follows one host for ever: connects with its cursor, checks each frame, appends it to the event log, reconnects.
//
//   subscriber follow(host, log, settings);
//   scope.spawn(&subscriber::run, std::ref(follow));     // until the scope is cancelled
#pragma once

#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>

#include <apps/relay/event_log.hpp>
#include <apps/relay/host_table.hpp>
#include <tide/http/client.hpp>
#include <tide/runtime/executor.hpp>
#include <tide/runtime/task.hpp>

namespace tide::relay {

struct subscriber_options {
  bool private_addresses = false;                               ///< connect to loopback and private addresses too (--dev)
  clock::duration first_wait = std::chrono::milliseconds(500);  ///< before the second try; doubled for each after it
  clock::duration longest_wait = std::chrono::seconds(60);
};

struct subscriber_counters {
  std::uint64_t connections = 0;
  std::uint64_t events = 0;      ///< appended
  std::uint64_t duplicates = 0;  ///< at or below the cursor: dropped
  std::uint64_t ignored = 0;     ///< of a kind that the relay does not know
  std::uint64_t malformed = 0;   ///< each has cost the connection
};

class subscriber {
 public:
  enum class state : std::uint8_t { waiting, connecting, connected };

  subscriber(host_table::entry& host, event_log& log, const subscriber_options& wanted);

  task<> run();
  [[nodiscard]] state now() const noexcept { return state_; }
  [[nodiscard]] std::string_view url() const noexcept { return host_.url(); }
  [[nodiscard]] std::int64_t cursor() const noexcept { return host_.cursor(); }
  [[nodiscard]] const subscriber_counters& count() const noexcept { return count_; }

 private:
  /// One connection, to its end; why it ended.
  task<std::string> follow();
  /// Empty: go on. Else why the connection must end.
  task<std::string> take(const http::websocket_message& message);
  [[nodiscard]] clock::duration next_wait();

  host_table::entry& host_;
  event_log& log_;
  subscriber_options wanted_;
  state state_ = state::waiting;
  subscriber_counters count_;
  unsigned failures_ = 0;
  std::minstd_rand random_;
};

}  // namespace tide::relay
