#include <algorithm>
#include <set>

#include "proto/runtime/json.h"
#include "proto/runtime/yaml.h"

namespace fairlead::runtime {
namespace {

bool is_plain_text(std::string_view text) {
  static constexpr std::string_view kSafe =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-";
  static const std::set<std::string_view> kWords = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan"};
  if (text.empty() || text.find_first_not_of(kSafe) != std::string_view::npos || text[0] == '-' || text[0] == '.') return false;
  if (text.find_first_not_of("0123456789._-eExXoabcdfABCDF") == std::string_view::npos &&
      text[0] >= '0' && text[0] <= '9' && text.find('.') == text.rfind('.')) {
    return false;  // looks like a number or a date to somebody; 10.0.0.7 does not
  }
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return !kWords.contains(lower);
}

std::string scalar(const Json& value) {
  if (value.is_string() && is_plain_text(value.get_ref<const std::string&>())) return value.get<std::string>();
  return to_text(value);  // a JSON string is a double-quoted YAML scalar
}

/// With its colon. A key that its colon follows has at most 1024 characters (YAML 1.2.2 section 7.4.2); a longer one says
/// that it is a key.
std::string key(const std::string& text, std::size_t indent) {
  constexpr std::size_t kLongest = 1000;
  const std::string written = scalar(Json(text));
  if (written.size() <= kLongest) return written + ":";
  return "? " + written + "\n" + std::string(indent, ' ') + ":";
}

void emit(const Json& value, std::size_t indent, std::string& out) {
  for (auto at = value.begin(); at != value.end(); ++at) {
    const std::size_t start = out.size();
    out.append(indent, ' ');
    if (value.is_array()) {
      out += "- ";
      if (!at->is_structured() || at->empty()) {
        out += scalar(*at) + "\n";
        continue;
      }
      out.resize(start);
      emit(*at, indent + 2, out);
      out[start + indent] = '-';  // over the first blank of the nested block
      continue;
    }
    out += key(at.key(), indent);
    if (!at->is_structured() || at->empty()) {
      out += " " + scalar(*at) + "\n";
    } else {
      out += "\n";
      emit(*at, indent + 2, out);
    }
  }
}

}  // namespace

std::string to_yaml(const Json& value) {
  if (!value.is_structured() || value.empty()) return scalar(value) + "\n";
  std::string out;
  emit(value, 0, out);
  return out;
}

}  // namespace fairlead::runtime
