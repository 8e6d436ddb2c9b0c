// The guide's first program: an executor, a task, a pause.
#include <chrono>
#include <print>

#include <tide/tide.hpp>

using namespace std::chrono_literals;

tide::task<int> slow_sum(int a, int b) {
  (void)co_await tide::sleep(10ms);  // the thread does other things meanwhile
  co_return a + b;
}

int main() {
  return tide::run([](tide::scope&) -> tide::task<> {
    const int sum = co_await slow_sum(40, 2);
    std::println("the sum is {}", sum);
  });
}
