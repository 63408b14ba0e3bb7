#include "proto/nft/skeleton.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace fairlead::nft {
namespace {

constexpr std::string_view kMarker = "skeleton-";
constexpr std::string_view kSpread = "spread-";
constexpr std::uint64_t kPrime = 0x100000001b3ULL;

std::uint64_t mix(std::uint64_t a, std::uint64_t b) { return (a ^ b) * kPrime + (b >> 29); }

}  // namespace

std::uint64_t text_hash(std::string_view text) {
  std::uint64_t state = 0xcbf29ce484222325ULL;
  for (const char c : text) state = (state ^ static_cast<unsigned char>(c)) * kPrime;
  return state;
}

bool is_rare_class(std::string_view chain) {
  if (!chain.starts_with(kSpread)) return false;
  const std::string_view digits = chain.substr(kSpread.size());
  std::size_t k = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), k);
  return error == std::errc() && stop == digits.data() + digits.size() && k > kTemplateSpread;
}

void Skeleton::add_chain(const Part& part) {
  if (part.name.starts_with(kMarker)) {
    marker_ = part.name;
  } else if (is_rare_class(part.name)) {
    rare_rules_[part.name];
  } else {
    chains_[part.name] = mix(chains_[part.name], part.hash);
  }
}

void Skeleton::add_rule(const Part& part) {
  if (is_rare_class(part.name)) {
    ++rare_rules_[part.name];
  } else if (!part.name.starts_with(kMarker)) {
    chains_[part.name] = mix(chains_[part.name], part.hash);
  }
}

void Skeleton::add_set(const Part& part) {
  // Anonymous sets ("__set0") belong to their rule and cannot be changed.
  if (!part.name.starts_with("__")) sets_[part.name] = part.hash;
}

bool Skeleton::has_damaged_class() const {
  // Three rules: one for each family, and the counted drop.
  return std::any_of(rare_rules_.begin(), rare_rules_.end(), [](const auto& chain) { return chain.second != 3; });
}

std::uint64_t Skeleton::fingerprint() const {
  std::uint64_t state = 0;
  for (const auto* parts : {&chains_, &sets_}) {
    for (const auto& [part_name, hash] : *parts) state = mix(mix(state, text_hash(part_name)), hash);
  }
  return state;
}

std::string marker_name(std::uint64_t template_hash, std::uint64_t fingerprint) {
  char text[64];
  std::snprintf(text, sizeof text, "skeleton-%016llx-%016llx", static_cast<unsigned long long>(template_hash),
                static_cast<unsigned long long>(fingerprint));
  return text;
}

}  // namespace fairlead::nft
