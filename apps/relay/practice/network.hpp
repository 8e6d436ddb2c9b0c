// A practice network: hosts on this machine that replay recorded frames over real WebSockets, as AT Protocol hosts do.
//
//   auto frames = frame_file::load(default_frames()).value();
//   auto network = network::bind({.frames = &frames, .hosts = 8, .rate = 2000}).value();
//   for (const std::string& url : network.urls()) subscribe(url);      // "ws://127.0.0.1:41234"
//   co_await network.serve();                                           // until cancelled
//
//   auto beside = network_thread::start({.frames = &frames}).value();   // on a thread of its own
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <apps/relay/practice/frame_file.hpp>
#include <tide/base/result.hpp>
#include <tide/runtime/task.hpp>

namespace tide::relay::practice {

struct network_options {
  const frame_file* frames = nullptr;  ///< outlives the network
  unsigned hosts = 8;                  ///< with more than the recording has, hosts share recordings in turn
  double rate = 0;     ///< events a second of all hosts together, to one consumer of each; 0: as fast as they are read
  bool repeat = true;  ///< play the recording again and again, sequence numbers going on
  std::string address = "127.0.0.1";  ///< in numbers
  std::uint16_t first_port = 0;       ///< of host 0, the others follow; 0: the kernel picks all
};

struct live_counters;

struct network_counters {
  std::uint64_t connections = 0;  ///< consumers that have come
  std::uint64_t events = 0;       ///< handed to the kernel
  std::uint64_t bytes = 0;        ///< of these events
};

/// Each host answers
///   GET /xrpc/com.atproto.sync.subscribeRepos?cursor=N   a WebSocket with the events after N (absent: 0) at the pace of its
///   share
///                                                        of the rate; FutureCursor beyond the end; 400 for what is no
///                                                        number
///   GET /xrpc/com.atproto.server.describeServer, /_health   JSON
/// After the last event of a recording that is not repeated the connection stays open. Belongs to one executor. Move-only,
/// though not while it serves.
class network {
 public:
  /// Listens. Errors: those of bind(2); invalid_argument for options that cannot be.
  static result<network> bind(const network_options& wanted);
  network(network&&) noexcept;
  network& operator=(network&&) noexcept;
  ~network();

  /// Until cancelled, which ends the connections too.
  task<> serve();
  /// One a host.
  [[nodiscard]] const std::vector<std::string>& urls() const noexcept;
  [[nodiscard]] network_counters count() const noexcept;
  /// The same counters while they run, for other threads; they may outlive the network.
  [[nodiscard]] std::shared_ptr<const live_counters> shared_counters() const noexcept;

 private:
  struct host;
  struct state;
  explicit network(std::unique_ptr<state> made) noexcept;
  std::unique_ptr<state> state_;
};

/// A network on a thread and an executor of its own. Move-only; when it goes, hosts and connections end and the thread is
/// joined.
class network_thread {
 public:
  /// Returns when all hosts listen. Errors: those of network::bind and executor::create.
  static result<network_thread> start(const network_options& wanted);
  network_thread(network_thread&&) noexcept;
  network_thread& operator=(network_thread&&) noexcept;
  ~network_thread();

  [[nodiscard]] const std::vector<std::string>& urls() const noexcept;
  /// Any thread.
  [[nodiscard]] network_counters count() const noexcept;

 private:
  struct shared_part;
  struct state;
  explicit network_thread(std::unique_ptr<state> made) noexcept;
  std::unique_ptr<state> state_;
};

}  // namespace tide::relay::practice
