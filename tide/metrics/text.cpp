#include <tide/metrics/text.hpp>

#include <charconv>

namespace tide::metrics {
namespace {

void append_escaped(std::string& to, std::string_view value, bool quotes) {
  for (const char symbol : value) {
    if (symbol == '\\') {
      to += "\\\\";
    } else if (symbol == '\n') {
      to += "\\n";
    } else if (symbol == '"' && quotes) {
      to += "\\\"";
    } else {
      to += symbol;
    }
  }
}

}  // namespace

void text::gauge(std::string_view name, std::string_view help, double value, std::initializer_list<label> labels) {
  char number[32];
  const auto end = std::to_chars(number, number + sizeof number, value).ptr;
  sample(name, help, "gauge", std::string_view(number, static_cast<std::size_t>(end - number)), labels);
}

void text::sample(std::string_view name, std::string_view help, std::string_view type, std::string_view value,
                  std::initializer_list<label> labels) {
  if (last_ != name) {
    last_ = name;
    page_.append("# HELP ").append(name).append(" ");
    append_escaped(page_, help, false);
    page_.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
  }
  page_.append(name);
  char before = '{';
  for (const label& each : labels) {
    page_.append(1, before).append(each.name).append("=\"");
    append_escaped(page_, each.value, true);
    page_.append("\"");
    before = ',';
  }
  if (labels.size() != 0) page_.append("}");
  page_.append(" ").append(value).append("\n");
}

}  // namespace tide::metrics
