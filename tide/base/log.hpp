// The logging front: structured lines from any thread, with no set-up.
//
//   tide::log::info("host connected", {{"host", name}, {"cursor", cursor}});
//   2026-11-21T08:30:00.123Z info  host connected host=pds.example cursor=42
//
// A line is formatted on the caller's stack and handed to the sink whole, so lines of several threads never mix. Without
// set-up the sink writes to standard error with one write(2). A program that must never wait for a slow terminal or disk
// gives a sink of its own (apps/relay hands lines to spdlog's bounded queue).
#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <system_error>

namespace tide::log {

enum class level : unsigned char { debug, info, warning, error, off };

/// A named value of a line. Borrows the name and text values: both must live until the call returns, as temporaries do.
class field {
 public:
  field(std::string_view name, std::string_view value) noexcept : name_(name), text_(value) {}
  field(std::string_view name, const char* value) noexcept : field(name, std::string_view(value)) {}
  field(std::string_view name, bool value) noexcept : field(name, value ? "true" : "false") {}
  template <std::integral T>
  field(std::string_view name, T value) noexcept : name_(name), length_(print(number_, sizeof number_, value)) {}
  template <std::floating_point T>
  field(std::string_view name, T value) noexcept
      : name_(name), length_(print(number_, sizeof number_, static_cast<double>(value), 3)) {}
  field(std::string_view name, const std::error_code& code) noexcept;

  [[nodiscard]] std::string_view name() const noexcept { return name_; }
  [[nodiscard]] std::string_view value() const noexcept { return length_ == 0 ? text_ : std::string_view(number_, length_); }

 private:
  template <class T>
  static unsigned char print(char* out, std::size_t size, T value) noexcept {
    return static_cast<unsigned char>(std::to_chars(out, out + size, value).ptr - out);
  }
  static unsigned char print(char* out, std::size_t size, double value, int digits) noexcept {
    const auto end = std::to_chars(out, out + size, value, std::chars_format::fixed, digits);
    return end.ec == std::errc() ? static_cast<unsigned char>(end.ptr - out) : print(out, size, 0);
  }
  std::string_view name_;
  std::string_view text_;
  unsigned char length_ = 0;
  char number_[47];
};

/// Takes whole lines without their line end. Called from any thread, also from several at once.
class sink {
 public:
  virtual ~sink() = default;
  virtual void write(level severity, std::string_view line) noexcept = 0;
};

/// Replaces the sink for the whole process; nullptr brings back standard error. The caller keeps the sink alive until it has
/// been replaced and no thread logs any more. Returns the sink before.
sink* set_sink(sink* replacement) noexcept;
/// Lines below this severity are dropped before they are formatted. Default: info.
void set_level(level lowest) noexcept;
[[nodiscard]] bool enabled(level severity) noexcept;

void write(level severity, std::string_view event, std::initializer_list<field> fields = {}) noexcept;

inline void debug(std::string_view event, std::initializer_list<field> fields = {}) noexcept {
  write(level::debug, event, fields);
}
inline void info(std::string_view event, std::initializer_list<field> fields = {}) noexcept {
  write(level::info, event, fields);
}
inline void warning(std::string_view event, std::initializer_list<field> fields = {}) noexcept {
  write(level::warning, event, fields);
}
inline void error(std::string_view event, std::initializer_list<field> fields = {}) noexcept {
  write(level::error, event, fields);
}

}  // namespace tide::log
