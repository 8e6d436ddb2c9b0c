#include "echo/tide_server.hpp"

#include <atomic>
#include <cstdint>
#include <utility>

#include <tide/runtime/run.hpp>

#include "echo/server_support.hpp"

namespace bench {
namespace {

std::atomic<const tide::ring::counters*> ring_counters = nullptr;  // for the signal handler

std::uint64_t enters() {
  const tide::ring::counters* counters = ring_counters.load(std::memory_order_relaxed);
  return counters == nullptr ? 0 : counters->enters;
}

tide::task<> accept_all(tide::scope& scope, std::uint16_t port, tide::task<> (*session)(tide::net::tcp_stream)) {
  ring_counters.store(&tide::executor::current()->ring().count(), std::memory_order_relaxed);
  auto listener = tide::net::tcp_listener::bind({"127.0.0.1", port}).value();
  announce_port(listener.local_address().value().port());
  while (auto peer = co_await listener.accept()) scope.spawn(session, std::move(*peer));
}

}  // namespace

int serve(int argc, char** argv, tide::task<> (*session)(tide::net::tcp_stream)) {
  answer_signals(enters);
  const std::uint16_t port = port_of(argc, argv);
  return tide::run([=](tide::scope& scope) { return accept_all(scope, port, session); });
}

}  // namespace bench
