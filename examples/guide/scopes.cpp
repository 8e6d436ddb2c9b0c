// Tasks that run together, and who waits for them.
#include <chrono>
#include <exception>
#include <functional>
#include <print>
#include <stdexcept>
#include <string>
#include <string_view>

#include <tide/tide.hpp>

using namespace std::chrono_literals;

tide::task<> worker(std::string name, int rounds) {
  for (int i = 1; i <= rounds; ++i) {
    if (!co_await tide::sleep(2ms)) {  // errc::canceled: somebody asked us to end
      std::println("{} was cancelled in round {}", name, i);
      co_return;
    }
  }
  std::println("{} is done", name);
}

tide::task<> together() {
  co_await tide::with_scope([](tide::scope& scope) -> tide::task<> {
    scope.spawn(worker, "short", 2);
    scope.spawn(worker, "long", 1000);
    (void)co_await tide::sleep(20ms);
  });  // "long" is cancelled and joined here
}

tide::task<int> parse(std::string text) {
  if (text.empty()) throw std::invalid_argument("nothing to parse");
  co_return static_cast<int>(text.size());
}

tide::task<> one_fails() {
  try {
    co_await tide::with_scope([](tide::scope& scope) -> tide::task<> {
      scope.spawn(worker, "bystander", 1000);
      auto size = scope.spawn_joinable(parse, "");
      const auto got = co_await size;
      std::println("size {}", got.value());
    });
  } catch (const std::invalid_argument& error) {
    std::println("came out of the scope: {}", error.what());
  }
}

int main() {
  return tide::run([](tide::scope&) -> tide::task<> {
    co_await together();
    co_await one_fails();
  });
}
