// Executors and plain threads side by side, each on a thread of its own, all joined at the end.
//
//   together all;
//   all.executor([&](tide::scope& scope) -> tide::task<> { … });
//   all.thread([&] { … });
//   all.join();
#pragma once

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/run.hpp"

namespace sync_test {

class together {
 public:
  together() = default;
  together(const together&) = delete;
  together& operator=(const together&) = delete;
  ~together() { join(); }

  template <class F>
  void executor(F main) {
    threads_.emplace_back([body = std::move(main)] { support::run_here(body); });
  }
  template <class F>
  void thread(F main) {
    threads_.emplace_back(std::move(main));
  }
  void join() {
    for (std::thread& each : threads_) each.join();
    threads_.clear();
  }

 private:
  std::vector<std::thread> threads_;
};

/// Lets everything that can run on this executor do so.
inline tide::task<> settle() {
  for (int turns = 0; turns < 5; ++turns) co_await tide::yield();
}

/// Names the cases of a typed suite: each type says its own.
struct case_names {
  template <class Case>
  static std::string GetName(int) {
    return Case::name;
  }
};

}  // namespace sync_test
