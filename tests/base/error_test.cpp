#include <tide/base/result.hpp>

#include <gtest/gtest.h>

#include <cerrno>
#include <set>
#include <string>

namespace {

TEST(Error, EveryCodeHasAMessageOfItsOwn) {
  std::set<std::string> messages;
  for (int code = 1; code <= static_cast<int>(tide::errc::other_process); ++code) {
    messages.insert(tide::make_error_code(static_cast<tide::errc>(code)).message());
  }
  EXPECT_EQ(messages.size(), static_cast<std::size_t>(tide::errc::other_process));
  EXPECT_FALSE(messages.contains("unknown tide error"));
  EXPECT_EQ(tide::make_error_code(static_cast<tide::errc>(999)).message(), "unknown tide error");
}

TEST(Error, CancelledAndTimedOutAreNotTheKernelsCodes) {
  EXPECT_NE(tide::make_error_code(tide::errc::canceled), std::errc::operation_canceled);
  EXPECT_NE(tide::make_error_code(tide::errc::timed_out), std::errc::timed_out);
  EXPECT_STREQ(tide::error_category().name(), "tide");
}

tide::result<int> half(int value) {
  if (value % 2 != 0) return tide::fail(tide::errc::malformed);
  return value / 2;
}

tide::result<> twice_halved(int value) {
  const auto once = half(value);
  if (!once) return tide::fail(once.error());
  const auto again = half(*once);
  if (!again) return tide::fail(again.error());
  return {};
}

TEST(Result, CarriesTheValueOrTheErrorOn) {
  EXPECT_EQ(half(8), 4);
  EXPECT_TRUE(twice_halved(8));
  EXPECT_EQ(twice_halved(6).error(), tide::errc::malformed);
}

TEST(Result, TakesErrnoInBothSigns) {
  const tide::result<> positive = tide::fail_errno(ENOENT);
  const tide::result<> negative = tide::fail_errno(-ENOENT);
  EXPECT_EQ(positive.error(), std::errc::no_such_file_or_directory);
  EXPECT_EQ(negative.error(), positive.error());
}

}  // namespace
