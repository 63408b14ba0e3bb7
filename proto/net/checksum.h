#pragma once
/// The Internet checksum (RFC 1071), as ICMPv6 uses it over the pseudo-header (RFC 8200 section 8.1). Pure.
#include <cstdint>

#include "proto/base/bytes.h"
#include "proto/net/ip.h"

namespace fairlead {

/// Of an upper-layer message inside IPv6, its own checksum field included: 0 when that field is right, and what belongs
/// into it while it holds zeros.
std::uint16_t checksum_in_ipv6(const Ip6& source, const Ip6& destination, std::uint8_t next_header, ByteView message);

}  // namespace fairlead
