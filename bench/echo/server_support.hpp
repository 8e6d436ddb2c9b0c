// What every echo server of this folder shares: its command line, its listening socket and its control signals.
//
//   int main(int argc, char** argv) {
//     bench::answer_signals(enters);                           // SIGUSR1: print the counters, SIGTERM: leave
//     tide::descriptor listener = bench::listen_on(bench::port_of(argc, argv));
//     bench::announce(listener.get());                         // "port N"
//     …
//   }
//
// The signals are answered in their handlers and not by a thread: a second thread would make every use of a descriptor in
// the process dearer.
#pragma once

#include <cstdint>

#include <tide/base/descriptor.hpp>

namespace bench {

/// The value of `--port N`, or 0 for any free port. Ends the process with status 2 on anything else.
[[nodiscard]] std::uint16_t port_of(int argc, char** argv);

/// A listening TCP socket on 127.0.0.1. TCP_NODELAY is set and inherited by the accepted sockets. Throws std::system_error.
[[nodiscard]] tide::descriptor listen_on(std::uint16_t port);

/// Prints the port that the socket is bound to, as "port N".
void announce(int listener);
void announce_port(std::uint16_t port);

/// `enters` gives the calls of io_uring_enter so far; null for servers without a ring. It is called in a signal handler.
void answer_signals(std::uint64_t (*enters)());

/// Calls of operator new in this process (counting_new.cpp).
[[nodiscard]] std::uint64_t allocations() noexcept;

}  // namespace bench
