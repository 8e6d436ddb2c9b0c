#include <tide/http/codec/message.hpp>

#include <gtest/gtest.h>

#include <tide/http/codec/error.hpp>

namespace {

using namespace tide::http;
using strings = std::vector<std::string>;

TEST(HttpHeaders, AreFoundWithoutRegardToCase) {
  headers fields{{"Content-Type", "a"}, {"X", "1"}, {"x", "2"}};
  EXPECT_EQ(fields.get("content-type"), "a");
  EXPECT_EQ(fields.get("X"), "1");
  EXPECT_EQ(fields.get_all("x"), (std::vector<std::string_view>{"1", "2"}));
  EXPECT_EQ(fields.count("x"), 2u);
  EXPECT_EQ(fields.get("y"), std::nullopt);
  fields.set("X", "3");
  EXPECT_EQ(fields.get_all("x"), (std::vector<std::string_view>{"3"}));
  fields.remove("CONTENT-TYPE");
  EXPECT_EQ(fields.size(), 1u);
}

TEST(HttpHeaders, TokensAreReadFromListsAndRepeatedFields) {
  const headers fields{{"Connection", "keep-alive, Upgrade"}, {"Connection", " x ,,y"}};
  EXPECT_TRUE(fields.has_token("connection", "upgrade"));
  EXPECT_TRUE(fields.has_token("connection", "x"));
  EXPECT_TRUE(fields.has_token("connection", "y"));
  EXPECT_FALSE(fields.has_token("connection", "keep"));
  EXPECT_FALSE(fields.has_token("upgrade", "upgrade"));
}

TEST(HttpRequest, SplitsItsTarget) {
  request it{.target = "/xrpc/a%20b?cursor=12&q=a%20b+c&empty=&flag&cursor=13#part"};
  EXPECT_EQ(it.path(), "/xrpc/a%20b");
  EXPECT_EQ(it.query("cursor"), "12");
  EXPECT_EQ(it.query_all("cursor"), (strings{"12", "13"}));
  EXPECT_EQ(it.query("q"), "a b c");
  EXPECT_EQ(it.query("empty"), "");
  EXPECT_EQ(it.query("flag"), "");
  EXPECT_EQ(it.query("none"), std::nullopt);
  it.target = "/x?%63ursor=7&q=%zz%4";
  EXPECT_EQ(it.query("cursor"), "7");
  EXPECT_EQ(it.query("q"), "%zz%4");
  it.target = "http://host:1?x=1";
  EXPECT_EQ(it.path(), "/");
  EXPECT_EQ(it.query("x"), "1");
  it.target = "http://host/p/q";
  EXPECT_EQ(it.path(), "/p/q");
  it.target = "*";
  EXPECT_EQ(it.path(), "*");
  EXPECT_EQ(it.query_string(), "");
}

TEST(HttpSerialize, WritesMessages) {
  EXPECT_EQ(serialize(request{.target = "/x", .fields = {{"Host", "h"}}}), "GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(serialize(request{.method = "POST", .fields = {{"Host", "h"}}, .body = "abc"}),
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_EQ(serialize(response{.status = 404}), "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(serialize(response{.status = 200, .protocol = version::http_1_0, .body = "ok"}),
            "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_EQ(serialize(response{.status = 299, .reason = "Fine", .fields = {{"Content-Length", "0"}}}),
            "HTTP/1.1 299 Fine\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(serialize(response{.status = 204}), "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(serialize(response{.status = 101}), "HTTP/1.1 101 Switching Protocols\r\n\r\n");
  EXPECT_EQ(serialize_head(response{.fields = {{"Transfer-Encoding", "chunked"}}}),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
}

TEST(HttpSerialize, RefusesTextThatWouldBreakTheMessage) {
  using namespace std::string_literals;
  const auto refused = tide::fail(http_errc::unsafe_text);
  for (const auto& bad : {"a\r\nX: y"s, "a\nb"s, "a\rb"s, "a\0b"s, "a\x7f"s, "a\x1b"s}) {
    EXPECT_EQ(serialize(response{.fields = {{"Location", bad}}}), refused);
    EXPECT_EQ(serialize_head(response{.fields = {{"Location", bad}}}), refused);
    EXPECT_EQ(serialize(response{.reason = bad}), refused);
    EXPECT_EQ(serialize(request{.fields = {{"X", bad}}}), refused);
    EXPECT_EQ(serialize(request{.fields = {{bad, "x"}}}), refused);
    EXPECT_EQ(serialize(request{.method = bad}), refused);
    EXPECT_EQ(serialize(request{.target = bad}), refused);
  }
  EXPECT_EQ(serialize(request{.target = "/a b"}), refused);
  EXPECT_EQ(serialize(request{.target = ""}), refused);
  EXPECT_EQ(serialize(request{.fields = {{"A B", "x"}}}), refused);
  EXPECT_EQ(serialize(request{.fields = {{"", "x"}}}), refused);
  EXPECT_EQ(serialize(request{.fields = {{"A:", "x"}}}), refused);
  EXPECT_EQ(serialize(response{.status = 99}), refused);
  EXPECT_EQ(serialize(response{.status = 1000}), refused);
}

TEST(HttpSerialize, RefusesFalseBodyLengths) {
  const auto refused = tide::fail(http_errc::unsafe_text);
  EXPECT_EQ(serialize(response{.fields = {{"Content-Length", "4"}}, .body = "abc"}), refused);
  EXPECT_EQ(serialize(response{.fields = {{"Content-Length", "3"}, {"content-length", "3"}}, .body = "abc"}), refused);
  EXPECT_EQ(serialize(response{.fields = {{"Transfer-Encoding", "chunked"}}, .body = "abc"}), refused);
  EXPECT_EQ(serialize(response{.status = 204, .body = "abc"}), refused);
  EXPECT_EQ(serialize(request{.fields = {{"Transfer-Encoding", "chunked"}}}), refused);
  EXPECT_EQ(serialize_head(response{.fields = {{"Transfer-Encoding", "chunked"}, {"Content-Length", "3"}}}), refused);
}

TEST(HttpError, EachErrorHasItsStatus) {
  const std::pair<http_errc, int> expected[] = {
      {http_errc::malformed, 400},          {http_errc::conflicting_framing, 400},
      {http_errc::bad_host, 400},           {http_errc::incomplete, 400},
      {http_errc::bad_handshake, 400},      {http_errc::method_not_allowed, 405},
      {http_errc::body_too_large, 413},     {http_errc::target_too_long, 414},
      {http_errc::upgrade_required, 426},   {http_errc::headers_too_large, 431},
      {http_errc::unsupported_method, 501}, {http_errc::unsupported_transfer_coding, 501},
      {http_errc::upgrade_refused, 502},    {http_errc::unsupported_version, 505},
      {http_errc::unsafe_text, 500}};
  for (const auto& [code, status] : expected) {
    const std::error_code error = code;
    EXPECT_EQ(status_of(error), status) << error.message();
    EXPECT_NE(error.message(), "unknown HTTP error");
    EXPECT_NE(reason_phrase(status), "Unknown");
  }
  EXPECT_EQ(status_of(tide::make_error_code(tide::errc::closed)), 500);
}

}  // namespace
