#pragma once
/// Plain text. Pure.
#include <string>
#include <string_view>

namespace fairlead {

/// Without blanks at either end. Line breaks too: a YAML block ("|") ends with one.
constexpr std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n\v\f";
  const auto first = text.find_first_not_of(kBlanks);
  return first == std::string_view::npos ? "" : text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

/// Control characters as they are written in C: "\n", "\x1b". For lines that people read.
inline void append_visible(std::string& out, char c) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const auto code = static_cast<unsigned char>(c);
  if (code >= 0x20 && code != 0x7f) out += c;
  else if (c == '\n') out += "\\n";
  else (out += "\\x").append({kDigits[code >> 4], kDigits[code & 15]});
}

}  // namespace fairlead
