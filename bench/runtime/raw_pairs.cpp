// Two threads by hand: a cache line that both spin on, a futex that both sleep on, a list that one fills and the other
// takes.
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "harness/machine.hpp"
#include "runtime/rungs.hpp"

namespace bench {
namespace {

constexpr std::uint32_t over = ~std::uint32_t{0};

void pause() noexcept { __builtin_ia32_pause(); }

/// A word on a cache line of its own.
class alignas(64) word {
 public:
  void set(std::uint32_t to) noexcept { std::atomic_ref(value_).store(to); }
  /// Until it is not `last` any more; gives what it is then.
  std::uint32_t spin(std::uint32_t last) noexcept {
    while (true) {
      if (const std::uint32_t now = std::atomic_ref(value_).load(); now != last) return now;
      pause();
    }
  }
  void set_and_wake(std::uint32_t to) noexcept {
    set(to);
    ::syscall(SYS_futex, &value_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  }
  std::uint32_t sleep(std::uint32_t last) noexcept {
    while (true) {
      if (const std::uint32_t now = std::atomic_ref(value_).load(); now != last) return now;
      ::syscall(SYS_futex, &value_, FUTEX_WAIT_PRIVATE, last, nullptr, nullptr, 0);
    }
  }

 private:
  std::uint32_t value_ = 0;
};

/// Trips to a thread on the other core, which is there for the time of the window.
template <auto Set, auto Wait>
side trips() {
  return [](std::chrono::nanoseconds length) {
    const auto there = std::make_unique<word>();
    const auto back = std::make_unique<word>();
    std::jthread other([&] {
      pin_to(other_core);
      for (std::uint32_t seen = 0; (seen = ((*there).*Wait)(seen)) != over;) ((*back).*Set)(seen);
    });
    std::uint32_t trip = 0;
    const auto go = [&] {
      ((*there).*Set)(++trip);
      ((*back).*Wait)(trip - 1);
    };
    go();  // it has begun
    const stopwatch watch;
    double done = 0;
    for (; watch.within(length); done += 20) {
      for (int i = 0; i < 20; ++i) go();
    }
    const window whole = watch.finish(done);
    ((*there).*Set)(over);
    return whole;
  };
}

struct node {
  node* next = nullptr;
};

/// What a mailbox does, with nothing around it.
class list {
 public:
  void push(node& one) noexcept {
    one.next = newest_;
    while (!newest_.compare_exchange_weak(one.next, &one)) {
    }
  }
  node* take() noexcept { return newest_.load() == nullptr ? nullptr : newest_.exchange(nullptr); }

 private:
  alignas(64) std::atomic<node*> newest_{nullptr};
};

}  // namespace

side raw_line_trips() { return trips<&word::set, &word::spin>(); }
side raw_futex_trips() { return trips<&word::set_and_wake, &word::sleep>(); }

side raw_stream() {
  return [](std::chrono::nanoseconds length) {
    const auto there = std::make_unique<list>();
    const auto taken = std::make_unique<word>();
    std::atomic<bool> ended{false};
    std::jthread other([&] {
      pin_to(other_core);
      for (std::uint32_t count = 0; !ended;) {
        node* each = there->take();
        if (each == nullptr) pause();
        while (each != nullptr) {
          each = each->next;  // before it may be sent again
          if (++count % stream_batch == 0) taken->set(count / stream_batch);
        }
      }
    });
    std::vector<node> nodes(stream_batch);
    std::uint32_t round = 0;
    const auto go = [&] {
      for (node& each : nodes) there->push(each);
      taken->spin(round++);
    };
    go();
    const stopwatch watch;
    double done = 0;
    for (; watch.within(length); done += stream_batch) go();
    const window whole = watch.finish(done);
    ended = true;
    return whole;
  };
}

}  // namespace bench
