// What the echo servers on the runtime share: all but what a session does.
//
//   tide::task<> session(tide::net::tcp_stream peer) { … }
//   int main(int argc, char** argv) { return bench::serve(argc, argv, session); }
#pragma once

#include <tide/net/tcp.hpp>

namespace bench {

/// Serves connections, a session each, until a signal ends the process. For main: its command line, its status.
[[nodiscard]] int serve(int argc, char** argv, tide::task<> (*session)(tide::net::tcp_stream));

}  // namespace bench
