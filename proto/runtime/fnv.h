#pragma once
/// FNV-1a, 64 bits: the same number for the same text, in every version of every program.
#include <cstdint>
#include <string_view>

namespace fairlead::runtime {

inline std::uint64_t fnv1a(std::string_view bytes) {
  std::uint64_t sum = 0xcbf29ce484222325U;
  for (const char c : bytes) sum = (sum ^ static_cast<std::uint8_t>(c)) * 0x100000001b3U;
  return sum;
}

}  // namespace fairlead::runtime
