// The text that Prometheus reads (exposition format 0.0.4).
//
//   tide::metrics::text page;
//   page.counter("relay_events_total", "Events given out.", events);
//   page.gauge("relay_host_lag", "Events behind.", lag, {{"host", name}});
//   reply(page.str());                     // Content-Type: tide::metrics::text::content_type
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace tide::metrics {

struct label {
  std::string_view name;
  std::string_view value;
};

/// Builds one page. Samples of one name stand together: write them one after another. Names are not checked.
class text {
 public:
  static constexpr std::string_view content_type = "text/plain; version=0.0.4; charset=utf-8";

  /// A value that only grows.
  void counter(std::string_view name, std::string_view help, std::uint64_t value, std::initializer_list<label> labels = {}) {
    sample(name, help, "counter", std::to_string(value), labels);
  }
  /// A value that goes up and down.
  void gauge(std::string_view name, std::string_view help, double value, std::initializer_list<label> labels = {});

  [[nodiscard]] const std::string& str() const noexcept { return page_; }

 private:
  void sample(std::string_view name, std::string_view help, std::string_view type, std::string_view value,
              std::initializer_list<label> labels);
  std::string page_;
  std::string last_;  // the name whose help and type stand already
};

}  // namespace tide::metrics
