#include "proto/api/bgp.h"

#include <charconv>

namespace fairlead::api {
namespace {

/// Decimal digits only, nothing around them.
std::optional<std::uint32_t> part(std::string_view text, std::uint32_t most) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  std::uint32_t out = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || out > most) return std::nullopt;
  return out;
}

}  // namespace

std::optional<CommunityValue> parse_community(std::string_view text) {
  static constexpr std::string_view kLarge = "large:";
  CommunityValue out;
  out.is_large = text.starts_with(kLarge);
  if (out.is_large) text.remove_prefix(kLarge.size());
  const std::size_t count = out.is_large ? 3 : 2;
  for (std::size_t i = 0; i < count; ++i) {
    const auto colon = text.find(':');
    if ((colon == std::string_view::npos) != (i + 1 == count)) return std::nullopt;
    const auto value = part(text.substr(0, colon), out.is_large ? UINT32_MAX : UINT16_MAX);
    if (!value) return std::nullopt;
    out.parts[i] = *value;
    text.remove_prefix(colon == std::string_view::npos ? text.size() : colon + 1);
  }
  return out;
}

std::string CommunityValue::str() const {
  const std::string first = std::to_string(parts[0]) + ":" + std::to_string(parts[1]);
  return is_large ? "large:" + first + ":" + std::to_string(parts[2]) : first;
}

}  // namespace fairlead::api
