// Code that cannot be a coroutine, on the ring: a function with a stack of its own.
#include <algorithm>
#include <chrono>
#include <print>
#include <string>
#include <vector>

#include <tide/runtime/fiber.hpp>
#include <tide/tide.hpp>

using namespace std::chrono_literals;

// A library calls us back in the middle of its own functions, where no co_await can stand.
bool slower(int left, int right) {
  tide::fiber::await(tide::sleep(100us));  // the fiber waits, other tasks run
  return left < right;
}

int sort_slowly() {
  std::vector numbers{3, 1, 2};
  std::ranges::sort(numbers, slower);
  return numbers.front();
}

tide::task<> both(tide::scope& scope) {
  tide::fiber::spawn(scope, [] { std::println("a fiber of the scope"); });
  const int least = co_await tide::fiber::call(sort_slowly);  // its value, or its exception
  std::println("the least is {}", least);
}

int main() { return tide::run(both); }
