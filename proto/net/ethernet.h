#pragma once
/// The 14-byte Ethernet II header (IEEE 802.3 clause 3; RFC 894). No VLAN tag: the kernel has taken it off on the
/// interfaces we listen on. Pure.
#include <cstdint>
#include <optional>

#include "proto/base/bytes.h"
#include "proto/net/mac.h"

namespace fairlead::ethernet {

inline constexpr std::uint16_t kArp = 0x0806;
inline constexpr std::uint16_t kIpv6 = 0x86dd;
inline constexpr std::size_t kMinPayload = 46;  // shorter payloads are padded with zeros on the wire

struct Frame {
  Mac destination;
  Mac source;
  std::uint16_t type = 0;
  ByteView payload;
};

/// None when the frame is shorter than its header.
std::optional<Frame> parse(ByteView frame);
/// Header, payload, and zeros up to the minimum size.
Bytes build(const Mac& destination, const Mac& source, std::uint16_t type, ByteView payload);

}  // namespace fairlead::ethernet
