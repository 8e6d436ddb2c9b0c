// The relay killed with SIGKILL at random moments of a running replay and started again: no sequence number is used again,
// no event is lost, none comes twice to a consumer that resumes with its cursor.
//
// TIDE_RELAY_KILLS=N kills more often, TIDE_RELAY_SEED=N repeats a run.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <format>
#include <functional>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <apps/relay/practice/network.hpp>
#include <tests/support/run.hpp>

#include "frames.hpp"
#include "peers.hpp"
#include "relay_process.hpp"
#include "scratch.hpp"

namespace {

using relay_test::consumer;
using relay_test::recordings;
using relay_test::relay_process;
using relay_test::scratch;
using relay_test::seq_of;
using tide::task;
namespace practice = tide::relay::practice;

unsigned from_environment(const char* name, unsigned otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : static_cast<unsigned>(std::strtoul(text, nullptr, 10));
}

const practice::frame_file& recording() {
  static const practice::frame_file file = practice::frame_file::load(practice::default_frames()).value();
  return file;
}

/// What a consumer has seen over all its connections: every event's place in the stream and in its host's recording.
class collected {
 public:
  void take(const std::string& frame) {
    const std::int64_t seq = seq_of(frame);
    if (seq != last_ + 1) throw std::runtime_error(std::format("after {} came {}", last_, seq));
    played_.take(frame);
    last_ = seq;
    hashes_.push_back(std::hash<std::string>()(frame));
  }
  [[nodiscard]] std::int64_t last() const { return last_; }
  [[nodiscard]] const std::vector<std::size_t>& hashes() const { return hashes_; }

 private:
  recordings played_{recording()};
  std::int64_t last_ = 0;
  std::vector<std::size_t> hashes_;
};

/// Reads with its cursor until the stream ends, or up to `until`.
task<> resume(tide::net::address relay, collected& seen, std::int64_t until) {
  auto one = co_await consumer::try_open(relay, std::to_string(seen.last()));
  if (!one) co_return;  // killed meanwhile
  while (seen.last() < until) {
    auto frame = co_await one->try_next();
    if (!frame) co_return;
    seen.take(*frame);
  }
}

TEST(RelayKill, NothingIsLostNothingComesTwiceNoNumberIsUsedAgain) {
  const unsigned kills = from_environment("TIDE_RELAY_KILLS", 50);
  const unsigned seed = from_environment("TIDE_RELAY_SEED", std::random_device()());
  std::printf("seed %u (TIDE_RELAY_SEED)\n", seed);
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> moment_us(0, 120'000);
  const scratch directory;
  auto hosts = practice::network_thread::start({.frames = &recording(), .hosts = 8, .rate = 4000}).value();
  std::vector<std::string> arguments{"--data", directory.path().string(), "--dev"};
  for (const std::string& url : hosts.urls()) arguments.insert(arguments.end(), {"--host", url});

  collected seen;
  std::chrono::steady_clock::duration slowest_start{};
  unsigned served = 0;
  unsigned started = 0;
  while (served < kills) {  // those that were killed before they served are extra
    ++started;
    relay_process relay(arguments);
    // The moment is the fault that is injected, not a wait for something to happen.
    std::jthread killer([&relay, moment = std::chrono::microseconds(moment_us(random))] {
      std::this_thread::sleep_for(moment);
      relay.kill(SIGKILL);
    });
    if (relay.wait_until_serving()) {
      ++served;
      slowest_start = std::max(slowest_start, relay.started_in());
      support::run_here(
          [&](tide::scope&) { return resume(relay.address(), seen, std::numeric_limits<std::int64_t>::max()); });
    }
    killer.join();
    ASSERT_EQ(relay.wait(), -SIGKILL) << relay.log();
  }

  // In peace: it goes on, stops in good order, and the whole stream reads as it was seen piece by piece.
  relay_process relay(arguments);
  ASSERT_TRUE(relay.wait_until_serving()) << relay.log();
  const std::int64_t end = seen.last() + 500;
  support::run_here([&](tide::scope&) { return resume(relay.address(), seen, end); });
  EXPECT_EQ(seen.last(), end);
  collected again;
  support::run_here([&](tide::scope&) { return resume(relay.address(), again, end); });
  EXPECT_EQ(again.hashes(), seen.hashes());
  relay.kill(SIGTERM);
  EXPECT_EQ(relay.wait(), 0) << relay.log();
  const auto slowest_ms = std::chrono::duration_cast<std::chrono::milliseconds>(slowest_start).count();
  std::printf("%u kills, %u of them while serving, %lld events, slowest start to serving %lld ms\n", started, served,
              static_cast<long long>(end), static_cast<long long>(slowest_ms));
  RecordProperty("slowest_start_ms", static_cast<int>(slowest_ms));
}

}  // namespace
