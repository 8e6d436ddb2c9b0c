#include <apps/relay/status.hpp>

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <format>

#include <tide/runtime/time.hpp>

namespace tide::relay {
namespace {

double seconds_since(clock::time_point then) { return std::chrono::duration<double>(clock::now() - then).count(); }

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace

status_line::status_line(const relay& of) : relay_(of), first_(of.now()), terminal_(::isatty(STDOUT_FILENO) == 1) {}

void status_line::hint() const {
  const std::string at = relay_.address().to_string();
  print(
      std::format("The relay serves on {0}. Try, in another terminal:\n"
                  "  curl http://{0}/_health\n"
                  "  curl http://{0}/metrics\n"
                  "  curl -N --http1.1 -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' \\\n"
                  "       -H 'Sec-WebSocket-Key: dGlkZXBvb2wgcmVsYXkgMQ==' --output - --max-time 2 \\\n"
                  "       'http://{0}/xrpc/com.atproto.sync.subscribeRepos?cursor=0' | head -c 400 | strings\n"
                  "Kill it with -9 and start it again: it goes on where it was. Ctrl-C stops it in good order.\n",
                  at));
}

task<> status_line::run() {
  if (!terminal_) co_return;
  auto at = clock::now();
  std::uint64_t events = relay_.now().events_in;
  while (co_await sleep(std::chrono::milliseconds(500))) {
    const snapshot s = relay_.now();
    const double passed = seconds_since(at);
    const double rate = static_cast<double>(s.events_in - events) / passed;
    at = clock::now();
    events = s.events_in;
    print(std::format("\r\033[Khosts {}/{}  events/s {:.0f}  consumers {}  sequence {}  lag {}", s.hosts_connected, s.hosts,
                      rate, s.consumers, s.sequence, s.lag));
  }
}

void status_line::summary() const {
  const snapshot s = relay_.now();
  const double passed = seconds_since(began_);
  const std::uint64_t events = s.events_in - first_.events_in;
  print(std::format(
      "{}Ran {:.1f} s: {} events from {} hosts ({:.0f}/s), sequence {} to {}, {} sent to consumers, {} cut off as too slow, "
      "{} malformed frames.\n",
      terminal_ ? "\r\033[K" : "", passed, events, s.hosts, static_cast<double>(events) / passed, first_.sequence,
      s.sequence, s.events_out, s.too_slow, s.malformed));
}

}  // namespace tide::relay
