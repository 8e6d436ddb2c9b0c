// Log lines through spdlog's queue: a slow terminal or disk never stalls the run loop; what does not fit is dropped and
// counted.
//
//   const relay::log_sink sink;      // for as long as it lives, tide::log goes to standard error through a thread
#pragma once

#include <memory>

#include <tide/base/log.hpp>

namespace tide::relay {

class log_sink final : public log::sink {
 public:
  log_sink();
  ~log_sink() override;
  void write(log::level severity, std::string_view line) noexcept override;

 private:
  struct parts;
  std::unique_ptr<parts> parts_;
};

}  // namespace tide::relay
