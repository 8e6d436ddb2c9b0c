// Runs the guests in their hosts' loops: both must get on.
#include <gtest/gtest.h>

#include <string>

#include "examples/program.hpp"

namespace {

class ExampleGuests : public testing::TestWithParam<const char*> {};

/// The lines of one of the two, in their order.
std::string lines_of(const std::string& who, const std::string& output) {
  std::string found;
  for (std::size_t at = 0; at < output.size();) {
    const auto end = output.find('\n', at) + 1;
    if (output.compare(at, who.size(), who) == 0) found += output.substr(at, end - at);
    at = end;
  }
  return found;
}

TEST_P(ExampleGuests, BothGetOn) {
  const auto [status, output] = support::run_program({TIDE_EXAMPLE_FOLDER "/example_guest_" + std::string(GetParam())});
  EXPECT_EQ(status, 0);
  EXPECT_EQ(lines_of("host", output), "host: tick 1\nhost: tick 2\nhost: tick 3\n");
  EXPECT_EQ(lines_of("guest", output), "guest: 1 hello\nguest: 2 hello\nguest: 3 hello\n");
}

INSTANTIATE_TEST_SUITE_P(Hosts, ExampleGuests, testing::Values(TIDE_EXAMPLE_GUESTS),
                         [](const auto& host) { return std::string(host.param); });

}  // namespace
