#include <tide/http/codec/parser.hpp>

#include <llhttp.h>

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

namespace tide::http {
namespace detail {
namespace {

/// A chunk of one byte costs five bytes of framing ("1 CRLF", CRLF); honest peers stay far below.
constexpr std::size_t framing_per_body_byte = 8;

bool is_method_character(char c) noexcept { return is_token(std::string_view(&c, 1)); }

http_errc error_of(llhttp_errno_t code, std::string_view reason, bool stopped_at_token) noexcept {
  switch (code) {
    case HPE_INVALID_VERSION:
    case HPE_PAUSED_H2_UPGRADE: return http_errc::unsupported_version;
    case HPE_INVALID_METHOD: return stopped_at_token ? http_errc::unsupported_method : http_errc::malformed;
    case HPE_INVALID_CONSTANT:
      return reason.starts_with("Invalid method") ? http_errc::unsupported_method : http_errc::malformed;
    case HPE_UNEXPECTED_CONTENT_LENGTH:
    case HPE_INVALID_CONTENT_LENGTH:
    case HPE_INVALID_TRANSFER_ENCODING:
    case HPE_INVALID_CHUNK_SIZE: return http_errc::conflicting_framing;
    default: return http_errc::malformed;
  }
}

}  // namespace

struct parser_engine {
  enum class phase { line, headers, body, complete };

  parser_engine(llhttp_type_t kind, const limits& bounds) : type(kind), bound(bounds) {
    llhttp_init(&parser, kind, &settings());
    parser.data = this;
  }
  parser_engine(const parser_engine&) = delete;
  parser_engine& operator=(const parser_engine&) = delete;

  result<progress> feed(bytes_view bytes);
  result<parse_state> finish();
  [[nodiscard]] bool idle() const noexcept { return at == phase::complete || (at == phase::line && total == 0); }

  void start_message();
  /// How many bytes may be shown to llhttp before a limit must be looked at again; 0: the limit of this phase is used up.
  [[nodiscard]] std::size_t allowance() const noexcept;
  [[nodiscard]] http_errc limit_error() const noexcept;
  /// Shows one piece to llhttp; returns the bytes it took.
  result<std::size_t> execute(bytes_view piece);

  int stop(http_errc code) noexcept {
    problem = code;
    return -1;
  }
  int add_version(const char* text, std::size_t length);
  int end_version();
  int add_name(const char* text, std::size_t length);
  int end_name();
  int end_value();
  int end_headers();
  int add_body(const char* text, std::size_t length);
  int start_chunk();
  int end_message();
  /// llhttp reads a request line of HTTP/0.9, which ends after the target.
  [[nodiscard]] bool no_version() const noexcept { return at == phase::line && type == HTTP_REQUEST; }
  [[nodiscard]] std::error_code check_fields() const;

  [[nodiscard]] headers& fields() noexcept {
    return type == HTTP_REQUEST ? incoming_request.fields : incoming_response.fields;
  }
  [[nodiscard]] std::string& body() noexcept {
    return type == HTTP_REQUEST ? incoming_request.body : incoming_response.body;
  }

  static parser_engine& self(llhttp_t* parser) noexcept { return *static_cast<parser_engine*>(parser->data); }
  template <int (parser_engine::*Member)(const char*, std::size_t)>
  static int span(llhttp_t* parser, const char* text, std::size_t length) {
    return (self(parser).*Member)(text, length);
  }
  template <int (parser_engine::*Member)()>
  static int point(llhttp_t* parser) {
    return (self(parser).*Member)();
  }
  static const llhttp_settings_t& settings();

  llhttp_type_t type;
  limits bound;
  llhttp_t parser{};
  request incoming_request;
  response incoming_response;
  std::error_code problem;

  phase at = phase::line;
  bool paused_at_headers = false;
  bool no_body_expected = false;
  bool keep_alive = false;
  bool upgraded = false;
  std::size_t total = 0;          // bytes of this message shown to llhttp
  std::size_t line_end = 0;       // of `total`, those up to the end of the request line's version
  std::size_t version_begin = 0;  // where the digits of the version start
  std::size_t head_end = 0;       // of `total`, those up to the end of the header block
  std::size_t body_bytes = 0;
  std::size_t header_lines = 0;
  const char* piece_begin = nullptr;
  std::string line;  // the request line as it came, to see the protocol's name
  std::string name;
  std::string value;
};

const llhttp_settings_t& parser_engine::settings() {
  static const llhttp_settings_t instance = [] {
    llhttp_settings_t out;
    llhttp_settings_init(&out);
    out.on_url = [](llhttp_t* p, const char* text, std::size_t n) {
      self(p).incoming_request.target.append(text, n);
      return 0;
    };
    out.on_method = [](llhttp_t* p, const char* text, std::size_t n) {
      self(p).incoming_request.method.append(text, n);
      return 0;
    };
    out.on_status = [](llhttp_t* p, const char* text, std::size_t n) {
      self(p).incoming_response.reason.append(text, n);
      return 0;
    };
    out.on_header_value = [](llhttp_t* p, const char* text, std::size_t n) {
      self(p).value.append(text, n);
      return 0;
    };
    out.on_version = &span<&parser_engine::add_version>;
    out.on_version_complete = &point<&parser_engine::end_version>;
    out.on_header_field = &span<&parser_engine::add_name>;
    out.on_header_field_complete = &point<&parser_engine::end_name>;
    out.on_header_value_complete = &point<&parser_engine::end_value>;
    out.on_headers_complete = &point<&parser_engine::end_headers>;
    out.on_body = &span<&parser_engine::add_body>;
    out.on_chunk_header = &point<&parser_engine::start_chunk>;
    out.on_message_complete = &point<&parser_engine::end_message>;
    return out;
  }();
  return instance;
}

void parser_engine::start_message() {
  llhttp_reset(&parser);
  incoming_request = {};
  incoming_request.method.clear();
  incoming_request.target.clear();
  incoming_response = {};
  line.clear();
  at = phase::line;
  upgraded = false;
  total = line_end = version_begin = head_end = body_bytes = header_lines = 0;
}

std::size_t parser_engine::allowance() const noexcept {
  switch (at) {
    case phase::line:
      if (type == HTTP_RESPONSE) return bound.request_line + bound.header_block - total;
      // Not more than a header block at once, so that one that starts in this piece cannot pass its own limit unseen.
      return std::min(bound.request_line - total, bound.header_block);
    case phase::headers: return bound.header_block - (total - line_end);
    default: break;
  }
  if ((parser.flags & F_CHUNKED) == 0) return std::numeric_limits<std::size_t>::max();
  const std::size_t framing = total - head_end - body_bytes;
  const std::size_t allowed = bound.header_block + framing_per_body_byte * body_bytes;
  return allowed > framing ? allowed - framing : 0;
}

http_errc parser_engine::limit_error() const noexcept {
  if (at == phase::line && type == HTTP_REQUEST) return http_errc::target_too_long;
  return http_errc::headers_too_large;
}

result<std::size_t> parser_engine::execute(bytes_view piece) {
  const std::string_view text = piece.empty() ? std::string_view("") : text_of(piece);
  if (at == phase::line && type == HTTP_REQUEST) line.append(text);
  piece_begin = text.data();
  const llhttp_errno_t code = llhttp_execute(&parser, text.data(), text.size());
  std::size_t used = text.size();
  if (code == HPE_PAUSED) {
    used = static_cast<std::size_t>(llhttp_get_error_pos(&parser) - text.data());
    llhttp_resume(&parser);
  } else if (code != HPE_OK) {
    if (!problem) {
      const char* const stopped_at = llhttp_get_error_pos(&parser);
      const bool at_token =
          stopped_at != nullptr && stopped_at < text.data() + text.size() && is_method_character(*stopped_at);
      // After its version llhttp still calls a bad line end a bad version.
      const bool version_seen = code == HPE_INVALID_VERSION && at == phase::headers;
      problem = version_seen ? http_errc::malformed : error_of(code, llhttp_get_error_reason(&parser), at_token);
    }
    return fail(problem);
  }
  total += used;
  if (paused_at_headers) head_end = total;
  return used;
}

result<progress> parser_engine::feed(bytes_view bytes) {
  if (problem) return fail(problem);
  if (at == phase::complete) {
    if (bytes.empty()) return progress{0, parse_state::need_more};
    start_message();
  }
  std::size_t consumed = 0;
  while (true) {
    const bool resuming = std::exchange(paused_at_headers, false);
    const std::size_t left = bytes.size() - consumed;
    const std::size_t allowed = allowance();
    if (left == 0 && !resuming) return progress{consumed, parse_state::need_more};
    if (left > 0 && allowed == 0) {
      problem = limit_error();
      return fail(problem);
    }
    const auto used = execute(bytes.subspan(consumed, std::min(left, allowed)));
    if (!used) return fail(used.error());
    consumed += *used;
    if (paused_at_headers) return progress{consumed, parse_state::headers_complete};
    if (at == phase::complete) return progress{consumed, upgraded ? parse_state::upgrade : parse_state::message_complete};
  }
}

result<parse_state> parser_engine::finish() {
  if (problem) return fail(problem);
  if (idle()) return parse_state::need_more;
  if (paused_at_headers) {
    if (const auto step = feed({}); !step) return fail(step.error());
  }
  if (at != phase::complete) static_cast<void>(llhttp_finish(&parser));
  if (at == phase::complete) return upgraded ? parse_state::upgrade : parse_state::message_complete;
  problem = http_errc::incomplete;
  return fail(problem);
}

int parser_engine::add_version(const char* text, std::size_t length) {
  const std::size_t begin = total + static_cast<std::size_t>(text - piece_begin);
  if (version_begin == 0) version_begin = begin;
  line_end = begin + length;
  return 0;
}

int parser_engine::end_version() {
  // llhttp reads RTSP and ICE too.
  constexpr std::string_view protocol = "HTTP/";
  if (type == HTTP_REQUEST &&
      (version_begin < protocol.size() || line.compare(version_begin - protocol.size(), protocol.size(), protocol) != 0)) {
    return stop(http_errc::malformed);
  }
  if (parser.http_major != 1 || parser.http_minor > 1) return stop(http_errc::unsupported_version);
  const auto protocol_version = parser.http_minor == 0 ? version::http_1_0 : version::http_1_1;
  incoming_request.protocol = protocol_version;
  incoming_response.protocol = protocol_version;
  if (type == HTTP_REQUEST) at = phase::headers;
  return 0;
}

int parser_engine::add_name(const char* text, std::size_t length) {
  if (no_version()) return stop(http_errc::malformed);
  name.append(text, length);
  return 0;
}

int parser_engine::end_name() { return ++header_lines > bound.header_count ? stop(http_errc::headers_too_large) : 0; }

int parser_engine::end_value() {
  // Trailers of a chunked body are read and dropped: they must not change what the header said.
  if (at != phase::body) {
    const auto last = value.find_last_not_of(" \t");
    fields().add(name, std::string_view(value).substr(0, last == std::string::npos ? 0 : last + 1));
  }
  name.clear();
  value.clear();
  return 0;
}

std::error_code parser_engine::check_fields() const {
  const headers& fields = type == HTTP_REQUEST ? incoming_request.fields : incoming_response.fields;
  if (type == HTTP_REQUEST) {
    const auto hosts = fields.count("host");
    if (hosts > 1 || (hosts == 0 && incoming_request.protocol == version::http_1_1)) return http_errc::bad_host;
  }
  if (const auto coding = fields.get("transfer-encoding")) {
    if (parser.http_minor == 0 || fields.get("content-length")) return http_errc::conflicting_framing;
    if (fields.count("transfer-encoding") == 1 && equal_ignoring_case(*coding, "chunked")) return {};
    return http_errc::unsupported_transfer_coding;
  }
  if ((parser.flags & F_CONTENT_LENGTH) != 0 && parser.content_length > bound.body && !no_body_expected) {
    return http_errc::body_too_large;
  }
  return {};
}

int parser_engine::end_headers() {
  if (no_version()) return stop(http_errc::malformed);
  if (problem = check_fields(); problem) return -1;
  at = phase::body;
  bool body_follows = (parser.flags & F_CHUNKED) != 0 || parser.content_length > 0;
  if (type == HTTP_RESPONSE) {
    incoming_response.status = parser.status_code;
    const bool never = parser.status_code < 200 || parser.status_code == 204 || parser.status_code == 304;
    if (no_body_expected || never) {
      if (parser.status_code >= 200) no_body_expected = false;
      return parser.status_code == 101 ? 0 : 1;
    }
    body_follows = body_follows || (parser.flags & F_CONTENT_LENGTH) == 0;
  }
  paused_at_headers = body_follows;
  return body_follows ? HPE_PAUSED : 0;
}

int parser_engine::add_body(const char* text, std::size_t length) {
  if (length > bound.body - body_bytes) return stop(http_errc::body_too_large);
  body_bytes += length;
  body().append(text, length);
  return 0;
}

int parser_engine::start_chunk() {
  return parser.content_length > bound.body - body_bytes ? stop(http_errc::body_too_large) : 0;
}

int parser_engine::end_message() {
  at = phase::complete;
  keep_alive = llhttp_should_keep_alive(&parser) != 0;
  upgraded = llhttp_get_upgrade(&parser) != 0;
  return HPE_PAUSED;
}

void parser_engine_deleter::operator()(parser_engine* engine) const noexcept { delete engine; }

}  // namespace detail

request_parser::request_parser(const limits& bounds) : engine_(new detail::parser_engine(HTTP_REQUEST, bounds)) {
  engine_->start_message();
}
result<progress> request_parser::feed(bytes_view bytes) { return engine_->feed(bytes); }
result<> request_parser::finish() {
  const auto end = engine_->finish();
  return end ? result<>() : fail(end.error());
}
request& request_parser::message() noexcept { return engine_->incoming_request; }
bool request_parser::keep_alive() const noexcept { return engine_->keep_alive; }
bool request_parser::idle() const noexcept { return engine_->idle(); }

response_parser::response_parser(const limits& bounds) : engine_(new detail::parser_engine(HTTP_RESPONSE, bounds)) {
  engine_->start_message();
}
result<progress> response_parser::feed(bytes_view bytes) { return engine_->feed(bytes); }
result<parse_state> response_parser::finish() { return engine_->finish(); }
void response_parser::expect_no_body() noexcept { engine_->no_body_expected = true; }
response& response_parser::message() noexcept { return engine_->incoming_response; }
bool response_parser::keep_alive() const noexcept { return engine_->keep_alive; }
bool response_parser::idle() const noexcept { return engine_->idle(); }

}  // namespace tide::http
