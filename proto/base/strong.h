#pragma once
/// Numbers that must not be mixed up, as one-field structs. Host byte order.
#include <compare>
#include <cstdint>
#include <functional>

namespace fairlead {

struct IfIndex {
  int value = 0;  // the kernel's, from 1
  auto operator<=>(const IfIndex&) const = default;
};

struct Port {
  std::uint16_t value = 0;  // 0: none
  auto operator<=>(const Port&) const = default;
};

/// IANA protocol numbers of the three that a Service may have.
enum class Protocol : std::uint8_t { tcp = 6, udp = 17, sctp = 132 };

constexpr const char* name(Protocol p) {
  return p == Protocol::tcp ? "TCP" : p == Protocol::udp ? "UDP" : "SCTP";
}

}  // namespace fairlead

template <>
struct std::hash<fairlead::IfIndex> {
  std::size_t operator()(fairlead::IfIndex i) const noexcept { return std::hash<int>()(i.value); }
};
