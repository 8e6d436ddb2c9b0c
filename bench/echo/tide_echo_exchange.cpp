// The echo server on the runtime, each answer and the receive behind it one exchange.
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <tide/net/tcp.hpp>
#include <tide/runtime/run.hpp>

#include "echo/server_support.hpp"

namespace {

std::atomic<const tide::ring::counters*> ring_counters = nullptr;  // for the signal handler

std::uint64_t enters() {
  const tide::ring::counters* counters = ring_counters.load(std::memory_order_relaxed);
  return counters == nullptr ? 0 : counters->enters;
}

tide::task<> session(tide::net::tcp_stream peer) {
  std::array<std::byte, 4096> buffer;
  auto size = co_await peer.read_some(buffer);
  while (size && *size != 0) size = co_await peer.exchange(std::span(buffer).first(*size), buffer);
}

tide::task<> serve(tide::scope& scope, std::uint16_t port) {
  ring_counters.store(&tide::executor::current()->ring().count(), std::memory_order_relaxed);
  auto listener = tide::net::tcp_listener::bind({"127.0.0.1", port}).value();
  bench::announce_port(listener.local_address().value().port());
  while (auto peer = co_await listener.accept()) scope.spawn(session, std::move(*peer));
}

}  // namespace

int main(int argc, char** argv) {
  bench::answer_signals(enters);
  const std::uint16_t port = bench::port_of(argc, argv);
  return tide::run([port](tide::scope& scope) { return serve(scope, port); });
}
