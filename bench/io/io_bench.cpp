// tide-bench-io: bytes between two tasks of one thread, through a duplex, through a copy between two of them, and by memcpy,
// by the paired method (harness/paired.hpp).
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <exception>
#include <format>
#include <functional>
#include <optional>
#include <print>
#include <string>
#include <type_traits>
#include <vector>

#include <tide/io/copy.hpp>
#include <tide/io/duplex.hpp>
#include <tide/runtime/run.hpp>

#include "harness/contest.hpp"
#include "harness/machine.hpp"

namespace {

using clock_type = std::chrono::steady_clock;
using std::chrono::nanoseconds;

struct options {
  std::size_t pairs = 20;
  unsigned window_ms = 50;
  std::size_t capacity = std::size_t{64} * 1024;
  std::string only;
  std::string json;
  bool queue_with_others = false;
};

bench::window window_of(std::size_t messages, clock_type::time_point since) {
  return {.messages = static_cast<double>(messages),
          .wall_ns = static_cast<double>(nanoseconds(clock_type::now() - since).count()),
          .cpu_ns = 0,
          .waited_ns = 0};
}

template <class End>
tide::task<> write_until(End& to, std::size_t chunk, clock_type::time_point end) {
  const std::vector<std::byte> bytes(chunk);
  for (bool over = false; !over; over = clock_type::now() >= end) {
    for (int i = 0; i < 32; ++i) {
      if (!co_await to.write_all(bytes)) co_return;
    }
  }
  co_await to.shutdown();
}
template <class End>
tide::task<> read_to_end(End& from, std::size_t chunk) {
  std::vector<std::byte> memory(chunk);
  for (tide::result<std::size_t> size(1); size && *size > 0;) size = co_await from.read_some(memory);
}
template <class End>
tide::task<> echo(End& end) {
  std::vector<std::byte> memory(64);
  while (true) {
    const auto size = co_await end.read_some(memory);
    if (!size || *size == 0) co_return;
    if (!co_await end.write_all(tide::bytes_view(memory).first(*size))) co_return;
  }
}

/// Chunks from one task to another: `copies` duplexes in a row, joined by copies.
template <class End>
bench::window stream(std::size_t chunk, std::size_t capacity, bool through_copy, nanoseconds length) {
  bench::window seen;
  tide::run([&](tide::scope& scope) -> tide::task<> {
    auto first = End::make({.capacity = capacity});
    auto second = End::make({.capacity = capacity});
    End& reader = through_copy ? second.second : first.second;
    const auto since = clock_type::now();
    scope.spawn(write_until<End>, std::ref(first.first), chunk, since + length);
    scope.spawn(read_to_end<End>, std::ref(reader), chunk);
    if (through_copy) {
      scope.spawn([](End& from, End& to) -> tide::task<> { co_await tide::copy_bidirectional(from, to); },
                  std::ref(first.second), std::ref(second.first));
      scope.spawn([](End& end) -> tide::task<> { co_await end.shutdown(); }, std::ref(second.second));
    }
    co_await scope.join();
    seen = window_of(static_cast<std::size_t>(reader.received().bytes / chunk), since);
  });
  return seen;
}

template <class End>
bench::window ping_pong(std::size_t capacity, nanoseconds length) {
  bench::window seen;
  tide::run([&](tide::scope& scope) -> tide::task<> {
    auto pair = End::make({.capacity = capacity});
    scope.spawn(echo<End>, std::ref(pair.second));
    std::vector<std::byte> memory(64);
    const auto since = clock_type::now();
    std::size_t rounds = 0;
    while (clock_type::now() < since + length) {
      for (int i = 0; i < 100; ++i, ++rounds) {
        if (!co_await pair.first.write_all(memory)) co_return;
        static_cast<void>(co_await pair.first.read_some(memory));
      }
    }
    seen = window_of(rounds, since);
    co_await pair.first.shutdown();
    co_await scope.join();
  });
  return seen;
}

bench::window copy_memory(std::size_t chunk, nanoseconds length) {
  const std::vector<std::byte> from(chunk);
  std::vector<std::byte> to(chunk);
  const auto since = clock_type::now();
  std::size_t chunks = 0;
  while (clock_type::now() < since + length) {
    for (int i = 0; i < 32; ++i, ++chunks) {
      std::memcpy(to.data(), from.data(), chunk);
      asm volatile("" : : "r"(to.data()) : "memory");
    }
  }
  return window_of(chunks, since);
}

std::vector<bench::contest> cases(std::size_t capacity) {
  using local = tide::local::duplex_end;
  using shared = tide::duplex_end;
  constexpr std::size_t large = std::size_t{64} * 1024;
  const auto memory = [](std::size_t chunk) { return [=](nanoseconds length) { return copy_memory(chunk, length); }; };
  const auto direct = [=]<class End>(std::type_identity<End>, std::size_t chunk) {
    return [=](nanoseconds length) { return stream<End>(chunk, capacity, false, length); };
  };
  const auto copied = [=]<class End>(std::type_identity<End>, std::size_t chunk) {
    return [=](nanoseconds length) { return stream<End>(chunk, capacity, true, length); };
  };
  constexpr std::type_identity<local> one{};
  constexpr std::type_identity<shared> any{};
  constexpr bench::target half{.kind = bench::bound::ratio_at_most, .value = 42.0 / 20.0};
  constexpr bench::target nine_tenths{.kind = bench::bound::ratio_at_most, .value = 1 / 0.9};
  std::vector<bench::contest> all;
  all.push_back({"local-64K", "ns/chunk", "memcpy", direct(one, large), memory(large), half});
  all.push_back({"shared-64K", "ns/chunk", "memcpy", direct(any, large), memory(large), half});
  for (const std::size_t chunk : {large, large / 4, std::size_t{4096}, std::size_t{512}}) {
    all.push_back(
        {std::format("copy-{}", chunk), "ns/chunk", "one duplex", copied(one, chunk), direct(one, chunk), nine_tenths});
  }
  all.push_back({"shared-copy-64K", "ns/chunk", "one duplex", copied(any, large), direct(any, large), {}});
  all.push_back({"ping-pong-64B",
                 "ns/round",
                 "shared",
                 [=](nanoseconds length) { return ping_pong<local>(capacity, length); },
                 [=](nanoseconds length) { return ping_pong<shared>(capacity, length); },
                 {bench::bound::ours_at_most, 250}});
  return all;
}

int run(const options& chosen) {
  if (!chosen.queue_with_others) static_cast<void>(bench::run_first());
  bench::report out(chosen.json);
  bench::pin_to(0);
  const bench::paired_options how{.pairs = chosen.pairs, .length = std::chrono::milliseconds(chosen.window_ms)};
  for (bench::contest& each : cases(chosen.capacity)) {
    each.wall = true;
    if (each.name.contains(chosen.only)) bench::take(each, "io", how, out);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  options chosen;
  CLI::App app("Duplexes and copies in one thread, by paired windows");
  app.add_option("--pairs", chosen.pairs, "pairs of windows a case")->check(CLI::Range(1, 1000));
  app.add_option("--window-ms", chosen.window_ms, "length of a window")->check(CLI::Range(5, 10'000));
  app.add_option("--capacity", chosen.capacity, "bytes each way")->check(CLI::Range(1, 1 << 30));
  app.add_option("--only", chosen.only, "only cases whose name contains this");
  app.add_flag("--queue-with-others", chosen.queue_with_others, "do not run before other processes");
  app.add_option("--json", chosen.json, "append one JSON object a finding to this file");
  CLI11_PARSE(app, argc, argv);
  try {
    return run(chosen);
  } catch (const std::exception& error) {
    std::println(stderr, "{}", error.what());
    return 1;
  }
}
