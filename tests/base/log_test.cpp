#include <tide/base/log.hpp>

#include <gtest/gtest.h>

#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace {

class collector final : public tide::log::sink {
 public:
  collector() : before_(tide::log::set_sink(this)) {}
  ~collector() override {
    tide::log::set_sink(before_);
    tide::log::set_level(tide::log::level::info);
  }
  void write(tide::log::level, std::string_view line) noexcept override {
    const std::scoped_lock guard(mutex_);
    lines_.emplace_back(line);
  }
  [[nodiscard]] std::vector<std::string> lines() const {
    const std::scoped_lock guard(mutex_);
    return lines_;
  }

 private:
  tide::log::sink* before_;
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

/// The line without its time: what a test can compare.
std::string after_time(const std::string& line) { return line.substr(line.find(' ') + 1); }

TEST(Log, WritesNamedValues) {
  collector seen;
  tide::log::info("host connected", {{"host", "pds.example"}, {"cursor", 42}, {"live", true}});
  ASSERT_EQ(seen.lines().size(), 1U);
  EXPECT_EQ(after_time(seen.lines()[0]), "info  host connected host=pds.example cursor=42 live=true");
  EXPECT_EQ(seen.lines()[0][seen.lines()[0].find(' ') - 1], 'Z');
}

TEST(Log, QuotesWhatAReaderCouldNotSplit) {
  collector seen;
  tide::log::warning("odd", {{"text", "two words"}, {"quote", "a\"b"}, {"line", "x\ny"}, {"nothing", ""}});
  EXPECT_EQ(after_time(seen.lines().at(0)), R"(warn  odd text="two words" quote="a\"b" line="x\ny" nothing="")");
}

TEST(Log, DropsLinesBelowTheLevel) {
  collector seen;
  tide::log::debug("unseen");
  tide::log::set_level(tide::log::level::debug);
  tide::log::debug("seen");
  tide::log::set_level(tide::log::level::off);
  tide::log::error("unseen");
  ASSERT_EQ(seen.lines().size(), 1U);
  EXPECT_EQ(after_time(seen.lines()[0]), "debug seen");
}

TEST(Log, CutsALineThatIsTooLongAndSaysSo) {
  collector seen;
  tide::log::info("long", {{"value", std::string(5000, 'x')}});
  EXPECT_LE(seen.lines().at(0).size(), 2048U);
  EXPECT_TRUE(seen.lines().at(0).ends_with("..."));
}

TEST(LogThreads, LinesOfSeveralThreadsStayWhole) {
  collector seen;
  {
    std::vector<std::jthread> writers;
    for (int writer = 0; writer < 4; ++writer) {
      writers.emplace_back([writer] {
        for (int line = 0; line < 200; ++line) tide::log::info("line", {{"writer", writer}, {"line", line}});
      });
    }
  }
  const auto lines = seen.lines();
  ASSERT_EQ(lines.size(), 800U);
  for (const auto& line : lines) ASSERT_TRUE(after_time(line).starts_with("info  line writer="));
}

}  // namespace
