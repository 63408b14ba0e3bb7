#include "proto/bird/symbol.h"

#include <algorithm>
#include <cstdio>

namespace fairlead::bird {
namespace {

constexpr std::size_t kMaxSymbol = 63;
constexpr std::size_t kMaxName = 40;  // room for the prefix, the hash, and what BIRD appends to dynamic names

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_word(char c) { return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '_'; }

}  // namespace

bool is_symbol(std::string_view text) {
  return !text.empty() && text.size() <= kMaxSymbol && std::all_of(text.begin(), text.end(), is_word) &&
         !(text.front() >= '0' && text.front() <= '9');
}

std::uint32_t stable_number(std::string_view text) {
  std::uint32_t hash = 2166136261U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash == 0 ? 1 : hash;
}

std::string symbol(std::string_view prefix, std::string_view name) {
  const bool is_plain = !name.empty() && name.size() <= kMaxName &&
                        std::all_of(name.begin(), name.end(), [](char c) { return is_lower_or_digit(c) || c == '-'; });
  std::string out(prefix);
  for (const char c : name.substr(0, is_plain ? kMaxName : kMaxName - 9)) out += is_word(c) ? c : '_';
  if (!is_plain) {
    char hash[16];
    std::snprintf(hash, sizeof hash, "_%08x", stable_number(name));
    out += hash;
  }
  return out;
}

bool is_string(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return c == '"' || static_cast<unsigned char>(c) < ' ' || c == '\x7f'; });
}

}  // namespace fairlead::bird
