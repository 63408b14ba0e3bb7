#pragma once
/// ARP for IPv4 over Ethernet: RFC 826, with the probe and announcement of RFC 5227.
/// Pure: no I/O, no clock. Ethernet framing is net/ethernet.h's.
#include <cstdint>
#include <string_view>
#include <variant>

#include "proto/base/bytes.h"
#include "proto/net/ip.h"
#include "proto/net/mac.h"

namespace fairlead::arp {

enum class Op : std::uint16_t { request = 1, reply = 2 };

/// Why a payload was refused. Also the `reason` label of fairlead_arp_drops_total.
enum class Drop { truncated, not_ethernet_ipv4, unknown_op };
std::string_view name(Drop drop);

struct Packet {
  Op op;
  Mac sender_mac;
  Ip4 sender_ip;  // 0.0.0.0 in a probe (RFC 5227 section 1.1)
  Mac target_mac;
  Ip4 target_ip;
  bool operator==(const Packet&) const = default;
};
using Parsed = std::variant<Packet, Drop>;

/// Reads one packet from an Ethernet payload. Octets past the 28th are padding and are ignored.
/// Any input is safe. Says nothing about whether we should answer: that is speaker/core/reply.h.
Parsed parse(ByteView payload);
/// The 28 octets of the packet.
Bytes build(const Packet& packet);

}  // namespace fairlead::arp
