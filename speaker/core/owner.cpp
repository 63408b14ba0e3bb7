#include "speaker/core/owner.h"

#include <cstdint>

namespace fairlead::speaker {
namespace {

/// FNV-1a over node and VIP, then the finalizer of splitmix64: FNV alone leaves the high bits of short inputs alike.
std::uint64_t score(std::string_view node, const Ip& vip) {
  std::uint64_t h = 0xcbf29ce484222325ULL;
  const auto add = [&](std::uint8_t b) { h = (h ^ b) * 0x100000001b3ULL; };
  for (const char c : node) add(static_cast<std::uint8_t>(c));
  add(0);
  for (const std::uint8_t b : vip.octets()) add(b);
  h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9ULL;
  h = (h ^ (h >> 27)) * 0x94d049bb133111ebULL;
  return h ^ (h >> 31);
}

}  // namespace

std::optional<std::string> owner(const Ip& vip, std::span<const std::string> candidates) {
  const std::string* best = nullptr;
  std::uint64_t best_score = 0;
  for (const std::string& node : candidates) {
    const std::uint64_t s = score(node, vip);
    if (best == nullptr || s > best_score || (s == best_score && node < *best)) {
      best = &node;
      best_score = s;
    }
  }
  if (best == nullptr) return std::nullopt;
  return *best;
}

}  // namespace fairlead::speaker
