#include "proto/runtime/yaml_scalar.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <optional>
#include <string>

namespace fairlead::runtime {
namespace {

bool all_of(std::string_view text, std::string_view set) {
  return !text.empty() && text.find_first_not_of(set) == std::string_view::npos;
}

constexpr std::string_view kDigits = "0123456789";

bool is_integer(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  return all_of(text, kDigits);
}

bool is_float(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  const auto mantissa = text.substr(0, text.find_first_of("eE"));
  if (mantissa.size() < text.size()) {
    auto exponent = text.substr(mantissa.size() + 1);
    if (!is_integer(exponent)) return false;
  }
  const auto dot = mantissa.find('.');
  if (dot == std::string_view::npos) return all_of(mantissa, kDigits);
  const auto before = mantissa.substr(0, dot);
  const auto after = mantissa.substr(dot + 1);
  return !(before.empty() && after.empty()) && (before.empty() || all_of(before, kDigits)) &&
         (after.empty() || all_of(after, kDigits));
}

template <class T>
std::optional<T> number(std::string_view text, int base) {
  T value{};
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || stop != text.data() + text.size()) return std::nullopt;
  return value;
}

Json to_float(std::string_view text) {
  if (text[0] == '+') text.remove_prefix(1);
  double value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || stop != text.data() + text.size()) return std::string(text);  // 1e999: JSON has no such number
  return value;
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

}  // namespace

Json resolve_scalar(std::string_view text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
  if (is_one_of(text, {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})) return true;
  if (is_one_of(text, {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})) return false;
  if (text.starts_with("0x") && text.size() > 2) {
    if (const auto n = number<std::uint64_t>(text.substr(2), 16)) return *n;
  }
  if (text.starts_with("0o") && text.size() > 2) {
    if (const auto n = number<std::uint64_t>(text.substr(2), 8)) return *n;
  }
  if (is_integer(text)) {
    const auto digits = text[0] == '+' ? text.substr(1) : text;
    if (digits[0] != '-') {
      if (const auto n = number<std::uint64_t>(digits, 10)) return *n;
    } else if (const auto n = number<std::int64_t>(digits, 10)) {
      return *n;
    }
    return to_float(text);
  }
  if (is_float(text)) return to_float(text);
  return std::string(text);
}

}  // namespace fairlead::runtime
