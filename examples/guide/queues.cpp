// Work of several kinds on one executor, by weights.
#include <chrono>
#include <print>

#include <tide/runtime/task_queue.hpp>
#include <tide/tide.hpp>

using namespace std::chrono_literals;

tide::task<> count(unsigned& turns, const bool& enough) {
  while (!enough) {
    ++turns;
    co_await tide::yield();
  }
}

tide::task<> share(tide::scope& scope) {
  tide::executor& here = *tide::executor::current();
  tide::task_queue& serving = here.make_queue({.name = "serving", .shares = 200});
  tide::task_queue& compaction = here.make_queue({.name = "compaction", .shares = 100});
  unsigned served = 0;
  unsigned compacted = 0;
  bool enough = false;
  scope.spawn_into(serving, count, std::ref(served), std::cref(enough));
  scope.spawn_into(compaction, count, std::ref(compacted), std::cref(enough));
  (void)co_await tide::sleep(50ms);
  enough = true;
  co_await scope.join();
  std::println("{} turns of serving, {} of compaction", served, compacted);
}

int main() { return tide::run(share); }
