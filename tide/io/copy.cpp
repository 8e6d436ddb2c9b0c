#include <tide/io/copy_options.hpp>

#include <string>

#include <tide/io/detail/copy_session.hpp>

namespace tide {
namespace {

class copy_error_category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "tide.copy"; }
  [[nodiscard]] std::string message(int value) const override {
    switch (static_cast<copy_errc>(value)) {
      case copy_errc::idle: return "nothing moved for too long";
      case copy_errc::half_closed: return "one side had ended and the other moved nothing for too long";
      case copy_errc::write_stalled: return "the sink took nothing for too long";
      case copy_errc::mutual_write_stall: return "both sides write and neither reads";
      case copy_errc::deadline: return "the deadline of the copy has passed";
      case copy_errc::other_failed: return "the other direction had failed";
      case copy_errc::drain_deadline: return "what had been read could not be delivered in time";
    }
    return "unknown error";
  }
};

}  // namespace

const std::error_category& copy_category() noexcept {
  static const copy_error_category category;
  return category;
}

std::error_code make_error_code(copy_errc code) noexcept { return {static_cast<int>(code), copy_category()}; }

void copy_control::stop() noexcept {
  stopped_ = true;
  if (running_ != nullptr) running_->stop();
}

copy_control::progress copy_control::a_to_b() const noexcept {
  if (running_ == nullptr) return {};
  const auto& flow = running_->flow(0);
  return {flow.read, flow.written};
}

copy_control::progress copy_control::b_to_a() const noexcept {
  if (running_ == nullptr) return {};
  const auto& flow = running_->flow(1);
  return {flow.read, flow.written};
}

}  // namespace tide
