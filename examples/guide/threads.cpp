// The run loop and the rest of the process: calls that block, other threads, other executors.
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <print>
#include <thread>

#include <tide/sync/event.hpp>
#include <tide/sync/semaphore.hpp>
#include <tide/tide.hpp>

tide::task<> away() {
  // std::filesystem blocks; here it blocks a thread of a small pool, and the run loop goes on.
  const auto size = co_await tide::blocking([] { return std::filesystem::file_size("/proc/self/exe"); });
  std::println("this program has {} bytes", size.value());
}

tide::task<> from_a_thread() {
  tide::event done;  // works between coroutines, executors and threads
  std::jthread thread([&] { done.set(); });
  (void)co_await done.wait();
  std::println("the thread has spoken");
}

// Two executors, each on a thread of its own, share three permits.
tide::task<> take_turns(tide::semaphore& permits, int& count) {
  for (int i = 0; i < 1000; ++i) {
    auto permit = co_await permits.acquire(3);
    if (!permit) co_return;
    ++count;  // all three permits: nobody else is here
  }
}

int main() {
  const int code = tide::run([](tide::scope&) -> tide::task<> {
    co_await away();
    co_await from_a_thread();
  });
  if (code != 0) return code;

  tide::semaphore permits(3);
  int count = 0;
  const auto run = [&] { tide::run([&](tide::scope&) { return take_turns(permits, count); }); };
  std::thread other(run);
  run();
  other.join();
  std::println("{} turns", count);
  return count == 2000 ? 0 : 1;
}
