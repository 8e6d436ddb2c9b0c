#include <tide/http/codec/url.hpp>

#include <gtest/gtest.h>

namespace {

using tide::http::parse_url;
using tide::http::url;

TEST(HttpUrl, ReadsSchemeHostPortAndTarget) {
  EXPECT_EQ(parse_url("ws://host.example:8080/path?query=1"), (url{"ws", "host.example", 8080, "/path?query=1"}));
  EXPECT_EQ(parse_url("wss://pds.example"), (url{"wss", "pds.example", 443, "/"}));
  EXPECT_EQ(parse_url("HTTP://Host?x=1#part"), (url{"http", "host", 80, "/?x=1"}));
  EXPECT_EQ(parse_url("https://127.0.0.1:1/"), (url{"https", "127.0.0.1", 1, "/"}));
}

TEST(HttpUrl, ReadsIpv6Literals) {
  EXPECT_EQ(parse_url("ws://[::1]:2583/x"), (url{"ws", "::1", 2583, "/x"}));
  EXPECT_EQ(parse_url("wss://[2001:DB8::1]"), (url{"wss", "2001:db8::1", 443, "/"}));
  EXPECT_EQ(parse_url("ws://[::ffff:10.0.0.1]/")->host, "::ffff:10.0.0.1");
}

TEST(HttpUrl, HostFieldNamesThePortOnlyWhereItIsNotTheDefault) {
  EXPECT_EQ(parse_url("ws://h:80/")->host_field(), "h");
  EXPECT_EQ(parse_url("wss://h:80/")->host_field(), "h:80");
  EXPECT_EQ(parse_url("ws://[::1]:81/")->host_field(), "[::1]:81");
  EXPECT_TRUE(parse_url("wss://h")->secure());
  EXPECT_FALSE(parse_url("ws://h")->secure());
}

TEST(HttpUrl, RefusesWhatIsNotAnAbsoluteUrlOfTheFourSchemes) {
  for (const auto* text : {"",
                           "host",
                           "/path",
                           "ftp://h/",
                           "ws:/h",
                           "ws://",
                           "ws:///x",
                           "ws://h:0/",
                           "ws://h:65536/",
                           "ws://h:/",
                           "ws://h:1x/",
                           "ws://h:-1/",
                           "ws://user@h/",
                           "ws://user:pw@h/",
                           "ws://h /",
                           "ws://h/\r\nX: y",
                           "ws://h/\x01",
                           "ws://h\\x/",
                           "ws://[::1",
                           "ws://[]/",
                           "ws://[::1]x/",
                           "ws://[::g]/",
                           "ws://::1/",
                           "ws://a,b/",
                           "ws://h/\xc3\xa9"}) {
    EXPECT_EQ(parse_url(text), tide::fail(tide::errc::malformed)) << text;
  }
}

}  // namespace
