#include <tide/http/codec/parser.hpp>

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace tide::http;
using namespace std::string_literals;
using tide::bytes_of;

/// What a parser said about a whole input, in a form that can be compared.
struct outcome {
  std::vector<std::string> messages;
  std::error_code error;
  std::size_t consumed = 0;
  bool upgraded = false;
  friend bool operator==(const outcome&, const outcome&) = default;
};

std::string text_of_fields(const headers& fields) {
  std::string out;
  for (const auto& field : fields) out.append(field.name).append("=").append(field.value).append(";");
  return out;
}
std::string describe(const request& it) {
  return it.method + " " + it.target + (it.protocol == version::http_1_0 ? " 1.0 " : " 1.1 ") + text_of_fields(it.fields) +
         "|" + it.body;
}
std::string describe(const response& it) {
  return std::to_string(it.status) + " " + it.reason + " " + text_of_fields(it.fields) + "|" + it.body;
}

/// Feeds the pieces one after the other, as bytes from a socket would come; stops at an upgrade.
template <class Parser>
outcome parse(const std::vector<std::string_view>& pieces, const limits& bounds = {}) {
  Parser parser(bounds);
  outcome out;
  for (const auto piece : pieces) {
    auto left = bytes_of(piece);
    while (true) {
      const auto step = parser.feed(left);
      if (!step) {
        out.error = step.error();
        out.consumed = 0;
        return out;
      }
      out.consumed += step->consumed;
      left = left.subspan(step->consumed);
      if (step->state == parse_state::message_complete || step->state == parse_state::upgrade) {
        out.messages.push_back(describe(parser.message()) + (parser.keep_alive() ? " keep" : " close"));
      }
      if (step->state == parse_state::upgrade) {
        out.upgraded = true;
        return out;
      }
      if (step->state == parse_state::need_more) break;
    }
  }
  return out;
}

/// Parses the input whole, then split at every offset and byte for byte, and expects the same each time.
template <class Parser>
outcome parse_at_every_split(std::string_view input, const limits& bounds = {}) {
  const outcome whole = parse<Parser>({input}, bounds);
  for (std::size_t cut = 0; cut <= input.size(); ++cut) {
    EXPECT_EQ(parse<Parser>({input.substr(0, cut), input.substr(cut)}, bounds), whole)
        << "cut at " << cut << " of " << input;
  }
  std::vector<std::string_view> single;
  for (std::size_t i = 0; i < input.size(); ++i) single.push_back(input.substr(i, 1));
  EXPECT_EQ(parse<Parser>(single, bounds), whole) << "byte for byte: " << input;
  return whole;
}
outcome parse_request(std::string_view input, const limits& bounds = {}) {
  return parse_at_every_split<request_parser>(input, bounds);
}
outcome parse_response(std::string_view input, const limits& bounds = {}) {
  return parse_at_every_split<response_parser>(input, bounds);
}

int status_for(std::string_view input, const limits& bounds = {}) {
  const auto out = parse_request(input, bounds);
  return out.error ? status_of(out.error) : 0;
}

TEST(HttpRequestParser, ReadsARequestAtEverySplit) {
  const auto out = parse_request("GET /xrpc/a?cursor=1 HTTP/1.1\r\nHost: h\r\nX-Empty:\r\nX:  a b \t\r\n\r\n");
  EXPECT_EQ(out.messages, std::vector<std::string>{"GET /xrpc/a?cursor=1 1.1 Host=h;X-Empty=;X=a b;| keep"});
  EXPECT_FALSE(out.error);
}

TEST(HttpRequestParser, ReadsBodiesAndPipelinedRequests) {
  const auto out = parse_request(
      "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
      "POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: t\r\n\r\n"
      "\r\nGET /c HTTP/1.0\r\n\r\n");
  EXPECT_FALSE(out.error) << out.error.message();
  EXPECT_EQ(out.messages,
            (std::vector<std::string>{"POST /a 1.1 Host=h;Content-Length=5;|hello keep",
                                      "POST /b 1.1 Host=h;Transfer-Encoding=chunked;|abcde keep", "GET /c 1.0 | close"}));
}

TEST(HttpRequestParser, TellsWhenTheHeadIsThereBeforeTheBody) {
  request_parser parser;
  const std::string_view head = "POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
  const auto input = std::string(head) + "ok";
  auto step = parser.feed(bytes_of(input));
  ASSERT_TRUE(step);
  EXPECT_EQ(step->state, parse_state::headers_complete);
  EXPECT_EQ(step->consumed, head.size());
  EXPECT_EQ(parser.message().target, "/a");
  step = parser.feed({});
  ASSERT_TRUE(step);
  EXPECT_EQ(step->state, parse_state::need_more);
  step = parser.feed(bytes_of("ok"));
  ASSERT_TRUE(step);
  EXPECT_EQ(step->state, parse_state::message_complete);
  EXPECT_EQ(parser.message().body, "ok");
}

TEST(HttpRequestParser, HandshakeSplitAtEveryOffsetLeavesTheBytesAfterIt) {
  const std::string_view head =
      "GET /xrpc/com.atproto.sync.subscribeRepos?cursor=3 HTTP/1.1\r\nHost: h:1\r\nUpgrade: websocket\r\nConnection: "
      "Upgrade\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
  const auto input = std::string(head) + "\x81\x85";
  const auto out = parse_request(input);
  EXPECT_TRUE(out.upgraded);
  EXPECT_EQ(out.consumed, head.size());
}

TEST(HttpRequestParser, AnUpgradeThatIsNotTakenIsAnOrdinaryRequest) {
  request_parser parser;
  const std::string_view first = "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
  const std::string_view second = "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n";
  auto step = parser.feed(bytes_of(first));
  ASSERT_TRUE(step);
  EXPECT_EQ(step->state, parse_state::upgrade);
  step = parser.feed(bytes_of(second));
  ASSERT_TRUE(step);
  EXPECT_EQ(step->state, parse_state::message_complete);
  EXPECT_EQ(parser.message().target, "/2");
}

TEST(HttpRequestParser, KeepAliveFollowsVersionAndConnection) {
  const auto keeps = [](std::string_view input) {
    request_parser parser;
    EXPECT_TRUE(parser.feed(bytes_of(input)));
    return parser.keep_alive();
  };
  EXPECT_TRUE(keeps("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(keeps("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
}

TEST(HttpRequestParser, FinishTellsWhetherAMessageWasCutOff) {
  request_parser parser;
  EXPECT_TRUE(parser.idle());
  EXPECT_TRUE(parser.finish());
  ASSERT_TRUE(parser.feed(bytes_of("GET / HTTP/1.1\r\nHost: h\r\n\r\n")));
  EXPECT_TRUE(parser.idle());
  EXPECT_TRUE(parser.finish());
  ASSERT_TRUE(parser.feed(bytes_of("GET")));
  EXPECT_FALSE(parser.idle());
  EXPECT_EQ(parser.finish().error(), http_errc::incomplete);
  EXPECT_EQ(parser.feed(bytes_of(" ")).error(), http_errc::incomplete);
}

TEST(HttpRequestParser, RefusesWhatIsNotHttp) {
  EXPECT_EQ(status_for("\x16\x03\x01\x02"), 400);
  EXPECT_EQ(status_for("GET\r\n\r\n"), 400);
  EXPECT_EQ(status_for("GET /\r\n\r\n"), 400);
  EXPECT_EQ(status_for("GET /\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(status_for("PRI *\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(status_for("GET / HTTP/1.1\nHost: h\n\n"), 400);
  EXPECT_EQ(status_for("GET / HTTP/1.1\r\nHost: h\n\r\n"), 400);
  EXPECT_EQ(status_for("GET / HTTP/1.1\r\nHost : h\r\n\r\n"), 400);
  EXPECT_EQ(status_for("GET / HTTP/1.1\r\nHo st: h\r\n\r\n"), 400);
  EXPECT_EQ(status_for("GET / HTTP/1.1\r\n: h\r\n\r\n"), 400);
  EXPECT_EQ(status_for("GET / HTTP/1.1\r\nHost: h\r\nnonsense\r\n\r\n"), 400);
  EXPECT_EQ(status_for("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n"s), 400);
  EXPECT_EQ(status_for("GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(status_for("GET /\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(status_for("GET / HTTX/1.1\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(status_for("GET / RTSP/1.0\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(status_for("SOURCE / ICE/1.0\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(status_for("GET / HTTP/1.1\r\n Host: h\r\n\r\n"), 400);
}

TEST(HttpRequestParser, RefusesFoldedLines) {
  EXPECT_EQ(status_for("GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n"), 400);
  EXPECT_EQ(status_for("GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n\tb\r\n\r\n"), 400);
}

TEST(HttpRequestParser, NeedsOneHost) {
  EXPECT_EQ(status_for("GET / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(status_for("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
  EXPECT_EQ(parse_request("GET / HTTP/1.1\r\n\r\n").error, http_errc::bad_host);
  EXPECT_EQ(status_for("GET / HTTP/1.0\r\n\r\n"), 0);
}

TEST(HttpRequestParser, RefusesAmbiguousBodies) {
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\n";
  for (const auto* fields :
       {"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        "Content-Length: 3\r\nContent-Length: 3\r\n", "Content-Length: 3\r\nContent-Length: 4\r\n", "Content-Length: -1\r\n",
        "Content-Length: +3\r\n", "Content-Length: 3, 3\r\n", "Content-Length: 0x3\r\n",
        "Content-Length: 99999999999999999999\r\n", "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n"}) {
    EXPECT_EQ(status_for(head + fields + "\r\nabc"), 400) << fields;
    EXPECT_EQ(parse_request(head + fields + "\r\nabc").error, http_errc::conflicting_framing) << fields;
  }
  EXPECT_EQ(parse_request("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").error,
            http_errc::conflicting_framing);
}

TEST(HttpRequestParser, RefusesOtherTransferCodings) {
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\n";
  EXPECT_EQ(status_for(head + "Transfer-Encoding: gzip\r\n\r\n"), 501);
  EXPECT_EQ(status_for(head + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), 501);
  EXPECT_EQ(status_for(head + "Transfer-Encoding: xchunked\r\n\r\n"), 501);
  EXPECT_EQ(status_for(head + "Transfer-Encoding: identity\r\n\r\n"), 501);
  EXPECT_EQ(status_for(head + "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n"), 0);
}

TEST(HttpRequestParser, RefusesBadChunks) {
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const auto* chunk : {"x\r\n", "-1\r\n", "0x3\r\nabc\r\n", "3 \r\nabc\r\n", "\r\n", "3\nabc\r\n", "3\r\nabcd\r\n",
                            "3\r\nabc\n", "ffffffffffffffffff\r\n"}) {
    EXPECT_EQ(status_for(head + chunk), 400) << chunk;
  }
}

TEST(HttpRequestParser, RefusesMethodsItDoesNotKnow) {
  EXPECT_EQ(status_for("FROB / HTTP/1.1\r\nHost: h\r\n\r\n"), 501);
  EXPECT_EQ(status_for("GETX / HTTP/1.1\r\nHost: h\r\n\r\n"), 501);
  EXPECT_EQ(status_for("get / HTTP/1.1\r\nHost: h\r\n\r\n"), 501);
  EXPECT_EQ(status_for("DESCRIBE / HTTP/1.1\r\nHost: h\r\n\r\n"), 501);
}

TEST(HttpRequestParser, RefusesOtherVersions) {
  EXPECT_EQ(status_for("GET / HTTP/2.0\r\nHost: h\r\n\r\n"), 505);
  EXPECT_EQ(status_for("GET / HTTP/0.9\r\nHost: h\r\n\r\n"), 505);
  EXPECT_EQ(status_for("GET / HTTP/1.2\r\nHost: h\r\n\r\n"), 505);
  EXPECT_EQ(status_for("GET / HTTP/3.0\r\nHost: h\r\n\r\n"), 505);
  EXPECT_EQ(status_for("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505);
}

TEST(HttpRequestParser, LimitsTheRequestLine) {
  const limits small{.request_line = 64, .header_block = 64};
  const auto line_of = [](std::size_t size) {  // up to the end of the version
    return "GET /" + std::string(size - 14, 'a') + " HTTP/1.1";
  };
  EXPECT_EQ(line_of(64).size(), 64u);
  EXPECT_EQ(status_for(line_of(64) + "\r\nHost: h\r\n\r\n", small), 0);
  EXPECT_EQ(status_for(line_of(65) + "\r\nHost: h\r\n\r\n", small), 414);
  EXPECT_EQ(status_for("GET " + std::string(100, ' ') + "/ HTTP/1.1\r\n", small), 414);
  std::string empty_lines;
  for (int i = 0; i < 50; ++i) empty_lines += "\r\n";
  EXPECT_EQ(status_for(empty_lines, small), 414);

  const auto refused = [&](std::string_view input) { return parse<request_parser>({input}).error; };
  EXPECT_FALSE(refused(line_of(8192)));
  EXPECT_EQ(refused(line_of(8193)), http_errc::target_too_long);
  EXPECT_EQ(refused("GET /" + std::string(1'000'000, 'a')), http_errc::target_too_long);
}

TEST(HttpRequestParser, LimitsTheHeaderBlock) {
  const limits small{.request_line = 64, .header_block = 64};
  const std::string line = "GET / HTTP/1.1";
  const auto block_of = [](std::size_t size) { return "\r\nHost: " + std::string(size - 12, 'h') + "\r\n\r\n"; };
  EXPECT_EQ(block_of(64).size(), 64u);
  EXPECT_EQ(status_for(line + block_of(64), small), 0);
  EXPECT_EQ(status_for(line + block_of(65), small), 431);
  EXPECT_EQ(status_for(line + "\r\n" + std::string(100, 'x'), small), 431);
  const limits long_line{.request_line = 1024, .header_block = 64};
  EXPECT_EQ(status_for(line + block_of(64), long_line), 0);
  EXPECT_EQ(status_for(line + block_of(65), long_line), 431);

  const auto refused = [&](std::string_view input) { return parse<request_parser>({input}).error; };
  EXPECT_FALSE(refused(line + block_of(32768)));
  EXPECT_EQ(refused(line + block_of(32769)), http_errc::headers_too_large);
}

TEST(HttpRequestParser, LimitsTheNumberOfHeaders) {
  std::string head = "GET / HTTP/1.1\r\nHost: h\r\n";
  for (int i = 0; i < 99; ++i) head += "a:b\r\n";
  EXPECT_FALSE(parse<request_parser>({head + "\r\n"}).error);
  EXPECT_EQ(status_for(head + "a:b\r\n\r\n"), 431);
}

TEST(HttpRequestParser, LimitsTheBody) {
  const limits small{.body = 8};
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\n";
  EXPECT_EQ(status_for(head + "Content-Length: 8\r\n\r\n12345678", small), 0);
  EXPECT_EQ(status_for(head + "Content-Length: 9\r\n\r\n", small), 413);
  EXPECT_EQ(status_for(head + "Transfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n4\r\n1234\r\n0\r\n\r\n", small), 0);
  EXPECT_EQ(status_for(head + "Transfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n5\r\n", small), 413);
  EXPECT_EQ(status_for(head + "Transfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n", small), 413);
  EXPECT_EQ(parse<request_parser>({head + "Content-Length: 1048577\r\n\r\n"}).error, http_errc::body_too_large);
}

TEST(HttpRequestParser, LimitsTheFramingOfChunks) {
  const limits small{.request_line = 128, .header_block = 128};
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(status_for(head + std::string(200, '0') + "1\r\na\r\n0\r\n\r\n", small), 431);
  EXPECT_EQ(status_for(head + "1;" + std::string(200, 'x') + "\r\na\r\n0\r\n\r\n", small), 431);
  EXPECT_EQ(status_for(head + "0\r\nA: " + std::string(200, 'x') + "\r\n\r\n", small), 431);
  std::string many = head;
  for (int i = 0; i < 100; ++i) many += "1\r\na\r\n";
  EXPECT_EQ(status_for(many + "0\r\n\r\n", small), 0);
}

TEST(HttpRequestParser, AnErrorStays) {
  request_parser parser;
  EXPECT_EQ(parser.feed(bytes_of("\x01")).error(), http_errc::malformed);
  EXPECT_EQ(parser.feed(bytes_of("GET / HTTP/1.1\r\n")).error(), http_errc::malformed);
  EXPECT_EQ(parser.finish().error(), http_errc::malformed);
}

TEST(HttpResponseParser, ReadsResponsesAtEverySplit) {
  const auto out = parse_response(
      "HTTP/1.1 100 Continue\r\n\r\n"
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
      "HTTP/1.1 204 No Content\r\n\r\n"
      "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"
      "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
      "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  EXPECT_FALSE(out.error) << out.error.message();
  EXPECT_EQ(out.messages,
            (std::vector<std::string>{"100 Continue | keep", "200 OK Content-Length=2;|ok keep", "204 No Content | keep",
                                      "304 Not Modified Content-Length=5;| keep", "200  Transfer-Encoding=chunked;|ab keep",
                                      "404 Not Found Content-Length=0;| keep"}));
}

TEST(HttpResponseParser, UpgradeLeavesTheBytesAfterIt) {
  const std::string_view head =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n";
  const auto out = parse_response(std::string(head) + "\x82\x01z");
  EXPECT_TRUE(out.upgraded);
  EXPECT_EQ(out.consumed, head.size());
}

TEST(HttpResponseParser, ABodyWithoutLengthEndsWithTheConnection) {
  const std::string_view head = "HTTP/1.1 200 OK\r\n\r\n";
  for (const std::string_view body : {"", "abc"}) {
    response_parser parser;
    auto step = parser.feed(bytes_of(head));
    ASSERT_TRUE(step);
    EXPECT_EQ(step->state, parse_state::headers_complete);
    step = parser.feed(bytes_of(body));
    ASSERT_TRUE(step);
    EXPECT_EQ(step->state, parse_state::need_more);
    EXPECT_EQ(parser.finish(), parse_state::message_complete);
    EXPECT_EQ(parser.message().body, body);
    EXPECT_FALSE(parser.keep_alive());
  }
  response_parser parser;
  ASSERT_TRUE(parser.feed(bytes_of(head)));
  EXPECT_EQ(parser.finish(), parse_state::message_complete);
}

TEST(HttpResponseParser, FinishInsideAMessageIsAnError) {
  response_parser parser;
  EXPECT_EQ(parser.finish(), parse_state::need_more);
  ASSERT_TRUE(parser.feed(bytes_of("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")));
  ASSERT_TRUE(parser.feed(bytes_of("o")));
  EXPECT_EQ(parser.finish(), tide::fail(http_errc::incomplete));
}

TEST(HttpResponseParser, AnswersToHeadHaveNoBody) {
  response_parser parser;
  parser.expect_no_body();
  const std::string_view head = "HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n";
  const std::string_view next = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n";
  auto step = parser.feed(bytes_of(std::string(head) + std::string(next)));
  ASSERT_TRUE(step);
  EXPECT_EQ(step->state, parse_state::message_complete);
  EXPECT_EQ(step->consumed, head.size());
  step = parser.feed(bytes_of(next));
  ASSERT_TRUE(step);
  EXPECT_EQ(step->state, parse_state::headers_complete);
}

TEST(HttpResponseParser, RefusesBadResponses) {
  const limits small{.request_line = 64, .header_block = 64, .body = 8};
  for (const auto* input :
       {"GET / HTTP/1.1\r\n", "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 200 OK\nX: y\n\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n123456789",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"}) {
    EXPECT_TRUE(parse_response(input, small).error) << input;
  }
  EXPECT_EQ(parse_response("HTTP/1.1 200 " + std::string(200, 'x'), small).error, http_errc::headers_too_large);
}

}  // namespace
