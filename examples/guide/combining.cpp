// Time limits, and several operations as one.
#include <chrono>
#include <print>
#include <string>
#include <string_view>
#include <utility>

#include <tide/tide.hpp>

using namespace std::chrono_literals;

tide::task<tide::result<std::string>> ask(std::string name, tide::clock::duration takes) {
  if (auto slept = co_await tide::sleep(takes); !slept) co_return tide::fail(slept.error());
  co_return "answer of " + name;
}

tide::task<> limits() {
  const auto late = co_await tide::timeout(5ms, ask("a slow one", 1h));
  std::println("{}", late ? *late : late.error().message());
}

tide::task<> several() {
  const auto [left, right] = co_await tide::all(ask("left", 1ms), ask("right", 2ms));
  std::println("{}, {}", left.value(), right.value());

  const auto [first, given] = co_await tide::race(ask("the tortoise", 1h), ask("the hare", 1ms));
  std::println("number {} was first: {}", first, std::get<1>(given).value());
}

tide::task<> to_its_end() {
  // The time-out asks `ask` to end, but a shielded operation is waited for.
  const auto saved = co_await tide::timeout(1ms, tide::shield(ask("a save", 10ms)));
  std::println("{}", saved ? *saved : saved.error().message());
}

int main() {
  return tide::run([](tide::scope&) -> tide::task<> {
    co_await limits();
    co_await several();
    co_await to_its_end();
  });
}
