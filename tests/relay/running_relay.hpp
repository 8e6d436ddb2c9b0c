// A whole relay inside a test, on the test's executor.
//
//   relay_test::with_relay({.urls = {host.url()}}, [&](relay_test::running& r) -> tide::task<> {
//     auto consumer = co_await relay_test::consumer::open(r.relay.address(), "0");  …
//   });                                                         // then it is stopped, and drains
#pragma once

#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <apps/relay/relay.hpp>
#include <tests/support/event.hpp>
#include <tests/support/run.hpp>

#include "peers.hpp"
#include "scratch.hpp"

namespace relay_test {

inline tide::relay::settings small_settings(const scratch& directory) {
  tide::relay::settings wanted;
  wanted.listen = {"127.0.0.1", 0};
  wanted.data = directory.path();
  wanted.dev = true;
  wanted.segment_bytes = 1 << 20;
  wanted.segments = 16;
  return wanted;
}

struct running {
  tide::relay::relay& relay;
  tide::scope& scope;   ///< for what lives as long as the relay
  support::event stop;  ///< set it to stop the relay before the body ends
  support::event stopped;

  [[nodiscard]] tide::net::address address() const { return relay.address(); }
};

/// Runs a relay that follows `urls`, then `body(running&)`, then stops the relay.
template <class Body>
void with_relay(const tide::relay::settings& wanted, const std::vector<std::string>& urls, Body body) {
  support::run_here([&](tide::scope& scope) -> tide::task<> {
    auto opened = tide::relay::relay::open(wanted, urls);
    if (!opened) throw std::runtime_error(opened.error());
    running here{**opened, scope, {}, {}};
    scope.spawn(
        [](running& r) -> tide::task<> {
          co_await r.relay.run([](support::event& told) -> tide::task<> { co_await told; }(r.stop));
          r.stopped.set();
        },
        std::ref(here));
    std::exception_ptr failed;
    try {
      co_await body(here);
    } catch (...) {
      failed = std::current_exception();
    }
    here.stop.set();
    co_await here.stopped;
    if (failed) std::rethrow_exception(failed);
  });
}

}  // namespace relay_test
