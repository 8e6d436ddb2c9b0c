// What the compiler must refuse, and says why: each case is compiled by a test of its own (CMakeLists.txt here), and the
// whole once without any of them.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <tide/runtime/scope.hpp>
#include <tide/runtime/task.hpp>
#include <tide/sync/channel.hpp>
#include <tide/sync/mutex.hpp>
#include <tide/sync/oneshot.hpp>
#include <tide/sync/spsc.hpp>

namespace {

tide::task<> nothing() { co_return; }
[[maybe_unused]] tide::task<> count_up(int& counter) {
  ++counter;
  co_return;
}
[[maybe_unused]] tide::task<int> answer() { co_return 42; }

struct throws_when_moved {
  throws_when_moved() = default;
  throws_when_moved(throws_when_moved&&) noexcept(false) {}
};

}  // namespace

tide::task<> misuse(tide::scope& scope) {
  co_await nothing();
  [[maybe_unused]] int counter = 0;
  [[maybe_unused]] auto ends = tide::spsc<int>::create(4);
  [[maybe_unused]] auto once = tide::oneshot<int>::create();
  [[maybe_unused]] tide::mutex lock;
  scope.spawn(count_up, std::ref(counter));
#if MISUSE == 1
  nothing();
#elif MISUSE == 2
  scope.spawn(count_up, counter);  // a reference to the copy in the frame would change that one
#elif MISUSE == 3
  auto second = ends.sender;
#elif MISUSE == 4
  auto second = ends.receiver;
#elif MISUSE == 5
  auto second = once.sender;
#elif MISUSE == 6
  tide::channel<throws_when_moved> channel(1);
#elif MISUSE == 7
  auto thrower = tide::spsc<throws_when_moved>::create(1);
#elif MISUSE == 8
  scope.spawn(answer());  // whose value nobody would get
#elif MISUSE == 9
  lock.lock();  // that nobody waits for
#elif MISUSE == 10
  auto reference = [](int& of) -> tide::task<int&> { co_return of; }(counter);
#endif
  co_await scope.join();
}
