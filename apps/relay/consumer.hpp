// Serves com.atproto.sync.subscribeRepos: each consumer reads the event log at its own pace, sent from where it lies.
//
//   consumer_service consumers(log, settings);
//   co_await consumers.subscribe(exchange);      // one consumer, until it goes, is cut off, or the relay drains
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include <apps/relay/event_log.hpp>
#include <tide/base/intrusive_list.hpp>
#include <tide/http/server.hpp>
#include <tide/runtime/task.hpp>

namespace tide::relay {

struct consumer_options {
  clock::duration stall_time = std::chrono::seconds(30);   ///< without a byte taken while there is something to send
  clock::duration goodbye_time = std::chrono::seconds(5);  ///< for the last frames of a consumer that is cut off
  std::size_t most = 2000;                                 ///< consumers at once
};

struct consumer_counters {
  std::uint64_t connected = 0;
  std::uint64_t too_slow = 0;
  std::uint64_t events = 0;  ///< sent, over all consumers
  std::uint64_t bytes = 0;
};

class consumer_service {
 public:
  consumer_service(event_log& log, const consumer_options& wanted);
  consumer_service(const consumer_service&) = delete;
  consumer_service& operator=(const consumer_service&) = delete;
  ~consumer_service();

  task<> subscribe(http::exchange& x);
  /// From now on a consumer that has everything is told goodbye.
  void drain();

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// Events that the one furthest behind still has to get.
  [[nodiscard]] std::int64_t lag() const noexcept;
  [[nodiscard]] const consumer_counters& count() const noexcept { return count_; }

 private:
  class session;
  void cut_those_behind();

  event_log& log_;
  consumer_options wanted_;
  consumer_counters count_;
  intrusive_list<session> sessions_;
  std::size_t size_ = 0;
  bool draining_ = false;
};

}  // namespace tide::relay
