#include <tide/pool/pool.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <vector>

#include "support.hpp"

namespace {

struct session_state {
  std::uint64_t id;
  std::uint64_t bytes;
};

/// The program of the first page; `resumed` is what it found.
void run_program(std::vector<session_state>& resumed) {
  const auto resume = [&](session_state& state) { resumed.push_back(state); };

  auto pool = tide::pool::open("sessions.pool", {.type = tide::pool::type_of<session_state>()}).value();
  for (auto& state : pool.recovered<session_state>()) resume(state);  // what the last process left
  auto state = pool.make<session_state>(42u, 0u).value();             // outlives this process
  state->bytes = 7;
}

TEST(PoolExample, TheStateOfOneRunIsFoundByTheNext) {
  const tide_test::scratch directory{tide_test::disk()};
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(directory.path());
  std::vector<session_state> resumed;
  run_program(resumed);
  EXPECT_TRUE(resumed.empty());
  run_program(resumed);
  ASSERT_EQ(resumed.size(), 1U);
  EXPECT_EQ(resumed[0].id, 42U);
  EXPECT_EQ(resumed[0].bytes, 7U);
  resumed.clear();
  run_program(resumed);
  EXPECT_EQ(resumed.size(), 2U);
  std::filesystem::current_path(before);
}

TEST(PoolExample, TheStateOfAKilledRunIsFoundByTheNext) {
  const tide_test::scratch directory{tide_test::disk()};
  const auto path = directory / "sessions.pool";
  tide_test::child victim([&] {
    auto pool = tide::pool::open(path, {.type = tide::pool::type_of<session_state>()}).value();
    auto state = pool.make<session_state>(1u, 2u).value();
    ::raise(SIGKILL);
    return 0;
  });
  ASSERT_EQ(victim.wait(), -SIGKILL);
  auto pool = tide::pool::open(path).value();
  std::vector<session_state> resumed;
  for (auto& state : pool.recovered<session_state>()) resumed.push_back(state);
  ASSERT_EQ(resumed.size(), 1U);
  EXPECT_EQ(resumed[0].id, 1U);
  EXPECT_EQ(resumed[0].bytes, 2U);
}

}  // namespace
