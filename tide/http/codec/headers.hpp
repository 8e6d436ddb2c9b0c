// The header fields of a message, in the order they came, looked up without regard to case.
//
//   tide::http::headers fields;
//   fields.add("Content-Type", "application/json");
//   if (auto type = fields.get("content-type")) use(*type);
//   if (fields.has_token("connection", "upgrade")) …       // one of a comma-separated list
#pragma once

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tide::http {

struct header {
  std::string name;
  std::string value;
  friend bool operator==(const header&, const header&) = default;
};

/// Owns its texts. Names and values are kept as given: serialize() refuses what would break a message.
class headers {
 public:
  headers() = default;
  headers(std::initializer_list<header> fields) : fields_(fields) {}

  void add(std::string_view name, std::string_view value) { fields_.push_back({std::string(name), std::string(value)}); }
  /// Takes away all fields of that name, then adds this one.
  void set(std::string_view name, std::string_view value);
  void remove(std::string_view name);
  void clear() noexcept { fields_.clear(); }

  /// The first value of that name. The view lives until the fields change.
  [[nodiscard]] std::optional<std::string_view> get(std::string_view name) const noexcept;
  [[nodiscard]] std::vector<std::string_view> get_all(std::string_view name) const;
  [[nodiscard]] std::size_t count(std::string_view name) const noexcept;
  /// True when one of the comma-separated values of that name is this token; both without regard to case.
  [[nodiscard]] bool has_token(std::string_view name, std::string_view token) const noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return fields_.size(); }
  [[nodiscard]] bool empty() const noexcept { return fields_.empty(); }
  [[nodiscard]] auto begin() const noexcept { return fields_.begin(); }
  [[nodiscard]] auto end() const noexcept { return fields_.end(); }
  friend bool operator==(const headers&, const headers&) = default;

 private:
  std::vector<header> fields_;
};

/// ASCII only, as HTTP names are.
[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept;
/// A method or a field name: one or more token characters of RFC 9110.
[[nodiscard]] bool is_token(std::string_view text) noexcept;
/// A field value that stays in its line: no control characters but tab.
[[nodiscard]] bool is_field_value(std::string_view text) noexcept;

}  // namespace tide::http
