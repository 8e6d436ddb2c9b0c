// Runs a coroutine to its end on an executor of its own: the shortest way into a test of anything that awaits.
//
//   run_here([](tide::scope& scope) -> tide::task<> { … });
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <utility>

#include <tide/runtime/executor.hpp>
#include <tide/runtime/scope.hpp>
#include <tide/runtime/task.hpp>
#include <tide/runtime/time.hpp>

namespace support {

/// Not 0 in the second run of a suite, on a ring that is as unkind as a kernel may be (tide_test(… UNKIND)). Another seed:
/// TIDE_UNKIND_SEED=7 build/release/bin/tide_net_tests
inline std::uint64_t unkind_seed() {
  const char* const text = std::getenv("TIDE_UNKIND_SEED");
  return text == nullptr ? 0 : std::strtoull(text, nullptr, 10);
}

inline std::unique_ptr<tide::executor> make_executor(tide::executor::options wanted = {}) {
  if (const auto seed = unkind_seed(); seed != 0) {
    wanted.ring.unkind_seed = seed;
    wanted.ring.entries = 16;
    wanted.ring.completions = 32;
  }
  return tide::executor::create(wanted).value();
}

template <class F>
auto run_here(F main, const tide::executor::options& wanted = {}) {
  return make_executor(wanted)->run(std::move(main));
}

}  // namespace support
