#include <tide/base/log.hpp>

#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstring>

namespace tide::log {
namespace {

// The one piece of process-wide state of the library: where lines go. Both are read on every line.
std::atomic<sink*> current_sink{nullptr};
std::atomic<level> lowest_level{level::info};

/// A line in the making; what does not fit is cut and marked, never allocated for.
class line_buffer {
 public:
  void append(std::string_view text) noexcept {
    const std::size_t room = sizeof data_ - size_;
    const std::size_t taken = text.size() < room ? text.size() : room;
    std::memcpy(data_ + size_, text.data(), taken);
    size_ += taken;
    cut_ = cut_ || taken < text.size();
  }
  void append(char symbol) noexcept { append(std::string_view(&symbol, 1)); }
  /// A value is quoted when a reader of key=value lines could not find its end otherwise.
  void append_value(std::string_view text) noexcept {
    bool plain = !text.empty();
    for (const char symbol : text)
      plain = plain && symbol > ' ' && symbol < 0x7f && symbol != '"' && symbol != '=' && symbol != '\\';
    if (plain) return append(text);
    append('"');
    for (const char symbol : text) {
      if (symbol == '"' || symbol == '\\') {
        append('\\');
        append(symbol);
      } else if (symbol == '\n') {
        append("\\n");
      } else if (static_cast<unsigned char>(symbol) < 0x20 || symbol == 0x7f) {
        char code[8];
        append(std::string_view(code, static_cast<std::size_t>(
                                          std::snprintf(code, sizeof code, "\\x%02x", static_cast<unsigned char>(symbol)))));
      } else {
        append(symbol);
      }
    }
    append('"');
  }
  std::string_view finish() noexcept {
    if (cut_) std::memcpy(data_ + sizeof data_ - 3, "...", 3);
    return {data_, size_};
  }

 private:
  char data_[2048];
  std::size_t size_ = 0;
  bool cut_ = false;
};

constexpr std::string_view names[] = {"debug", "info ", "warn ", "error"};

void append_time(line_buffer& line) noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  tm parts{};
  ::gmtime_r(&now.tv_sec, &parts);
  char text[40];
  const int length =
      std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ ", parts.tm_year + 1900, parts.tm_mon + 1,
                    parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, now.tv_nsec / 1'000'000);
  line.append(std::string_view(text, static_cast<std::size_t>(length)));
}

void write_to_standard_error(std::string_view line) noexcept {
  char newline = '\n';
  iovec parts[2] = {{const_cast<char*>(line.data()), line.size()}, {&newline, 1}};
  [[maybe_unused]] const auto written = ::writev(STDERR_FILENO, parts, 2);  // nothing sensible to do when stderr is gone
}

}  // namespace

field::field(std::string_view name, const std::error_code& code) noexcept : name_(name) {
  // error_code::message() returns a string of its own; the number and category are enough to find it, and the text follows
  // where it fits.
  try {
    const std::string message = code.message();
    length_ = static_cast<unsigned char>(message.copy(number_, sizeof number_));
  } catch (...) {
    length_ = print(number_, sizeof number_, code.value());
  }
}

sink* set_sink(sink* replacement) noexcept { return current_sink.exchange(replacement); }
void set_level(level lowest) noexcept { lowest_level.store(lowest); }
bool enabled(level severity) noexcept { return severity >= lowest_level.load() && severity < level::off; }

void write(level severity, std::string_view event, std::initializer_list<field> fields) noexcept {
  if (!enabled(severity)) return;
  line_buffer line;
  append_time(line);
  line.append(names[static_cast<unsigned char>(severity)]);
  line.append(' ');
  line.append(event);
  for (const field& each : fields) {
    line.append(' ');
    line.append(each.name());
    line.append('=');
    line.append_value(each.value());
  }
  const std::string_view whole = line.finish();
  if (sink* to = current_sink.load()) return to->write(severity, whole);
  write_to_standard_error(whole);
}

}  // namespace tide::log
