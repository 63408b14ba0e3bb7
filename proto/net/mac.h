#pragma once
/// A 48-bit Ethernet address.
#include <array>
#include <compare>
#include <cstdint>
#include <string>

namespace fairlead {

struct Mac {
  std::array<std::uint8_t, 6> octets{};
  auto operator<=>(const Mac&) const = default;
  bool is_zero() const { return octets == std::array<std::uint8_t, 6>{}; }
  bool is_multicast() const { return (octets[0] & 1) != 0; }  // broadcast included
  std::string str() const;                                    // "02:00:00:00:00:01"
};

inline constexpr Mac kBroadcast{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

}  // namespace fairlead
