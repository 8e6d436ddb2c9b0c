// Chapter 11 of the guide: streams that are joined in memory, and copies between streams.
#include <array>
#include <print>
#include <string>

#include <tide/tide.hpp>

using namespace std::chrono_literals;

template <tide::stream S>
tide::task<> shout(S& peer) {  // answers once the question has ended
  std::string question;
  std::array<std::byte, 16> buffer;
  while (auto size = co_await peer.read_some(buffer)) {
    if (*size == 0) break;  // the end of the stream
    question += tide::text_of(std::span(buffer).first(*size));
  }
  for (char& letter : question) letter = static_cast<char>(std::toupper(letter));
  co_await peer.write_all(question);
  co_await peer.shutdown();
}

tide::task<> ask(tide::local::duplex_end& peer, std::string_view question) {
  co_await peer.write_all(question);
  co_await peer.shutdown();  // no more from here; the answer still comes
  while (true) {
    auto data = co_await peer.peek();  // the bytes where they lie
    if (!data || data->empty()) break;
    std::print("{}", tide::text_of(data->first));
    peer.consume(data->first.size());
  }
  std::println("");
}

tide::task<> directly(tide::scope& scope) {
  auto [here, there] = tide::local::duplex(64 * 1024);
  scope.spawn(shout<tide::local::duplex_end>, std::ref(there));
  co_await ask(here, "joined in memory");
  co_await scope.join();
}

tide::task<> through_a_copy(tide::scope& scope) {
  auto [client, left] = tide::local::duplex(64 * 1024);
  auto [right, server] = tide::local::duplex(64 * 1024);
  scope.spawn(shout<tide::local::duplex_end>, std::ref(server));
  scope.spawn(ask, std::ref(client), "through a copy");
  const auto done = co_await tide::copy_bidirectional(left, right, {.idle = 5min, .write_stall = 30s});
  std::println("{} bytes there, {} back: {}", done.a_to_b.bytes, done.b_to_a.bytes, done.complete());
  co_await scope.join();
}

tide::task<> both_only_write(tide::scope& scope) {
  auto [client, left] = tide::local::duplex(16);
  auto [right, server] = tide::local::duplex(16);
  const auto write = [](tide::local::duplex_end& end) -> tide::task<> {
    const auto written = co_await end.write_all(std::string(1000, 'x'));  // nobody reads
    if (!written) std::println("{}", written.error().message());
  };
  scope.spawn(write, std::ref(client));
  scope.spawn(write, std::ref(server));
  const auto done = co_await tide::copy_bidirectional(left, right);
  if (done.error == tide::copy_errc::mutual_write_stall) {
    std::println("{} bytes wait to be read, {} to be written", done.stall->a_to_b_full, done.stall->a_wants);
  }
  co_await scope.join();
}

int main() {
  tide::run([](tide::scope& scope) -> tide::task<> {
    co_await directly(scope);
    co_await through_a_copy(scope);
    co_await both_only_write(scope);
  });
}
