#include <gtest/gtest.h>

#include <tide/metrics/text.hpp>

namespace {

TEST(MetricsText, NamesHelpAndTypeOnceForAllSamplesOfAName) {
  tide::metrics::text page;
  page.gauge("lag", "Events behind.", 2.5, {{"host", "a"}});
  page.gauge("lag", "Events behind.", 0, {{"host", "b"}});
  EXPECT_EQ(page.str(),
            "# HELP lag Events behind.\n"
            "# TYPE lag gauge\n"
            "lag{host=\"a\"} 2.5\n"
            "lag{host=\"b\"} 0\n");
}

TEST(MetricsText, CountersKeepAll64Bits) {
  tide::metrics::text page;
  page.counter("bytes_total", "Bytes.", 18446744073709551615U);
  EXPECT_NE(page.str().find("bytes_total 18446744073709551615\n"), std::string::npos);
}

TEST(MetricsText, LabelsAndHelpAreEscaped) {
  tide::metrics::text page;
  page.counter("x", "a\\b\nc", 1, {{"l", "q\"s\\n\n"}, {"m", ""}});
  EXPECT_EQ(page.str(),
            "# HELP x a\\\\b\\nc\n"
            "# TYPE x counter\n"
            "x{l=\"q\\\"s\\\\n\\n\",m=\"\"} 1\n");
}

}  // namespace
