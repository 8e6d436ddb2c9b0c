#include <apps/relay/practice/error.hpp>

#include <string>

namespace tide::relay::practice {
namespace {

class category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "practice"; }
  std::string message(int value) const override {
    switch (static_cast<practice_errc>(value)) {
      case practice_errc::no_frames: return "no recorded frames";
      case practice_errc::truncated_record: return "a record runs past the end of the file";
      case practice_errc::missing_host: return "a host number without records";
    }
    return "unknown practice error";
  }
};

}  // namespace

const std::error_category& practice_category() noexcept {
  static const category instance;
  return instance;
}

std::error_code make_error_code(practice_errc code) noexcept { return {static_cast<int>(code), practice_category()}; }

}  // namespace tide::relay::practice
