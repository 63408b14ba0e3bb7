#pragma once
/// Neighbour Solicitation and Neighbour Advertisement over Ethernet: RFC 4861 sections 4.3, 4.4 and 7.1, with the probe of
/// RFC 4862 section 5.4 (a solicitation from ::); which Ethernet address a group has: RFC 2464 section 7.
/// Pure: no I/O, no clock. Ethernet framing is net/ethernet.h's.
#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

#include "proto/base/bytes.h"
#include "proto/net/ip.h"
#include "proto/net/mac.h"

namespace fairlead::ndp {

enum class Type : std::uint8_t { solicitation = 135, advertisement = 136 };

/// Why a packet was refused, in the order of the checks: IPv6, then RFC 4861 sections 7.1.1 and 7.1.2. Also the `reason`
/// label of fairlead_ndp_drops_total.
enum class Drop {
  truncated,              // shorter than its headers say; the capture may have cut it
  not_ipv6,
  not_icmp6,              // or behind extension headers, fragments among them: RFC 6980 forbids these
  bad_source,             // a group or the loopback address as the sender
  unknown_type,           // neither of the two messages
  bad_hop_limit,          // not 255: it came through a router
  bad_checksum,
  bad_code,
  too_short,              // less than 24 octets of ICMP
  target_is_multicast,
  solicited_to_group,     // an advertisement to a group says that it was asked for
  bad_option,             // of length zero, cut, or a link-layer address that is not Ethernet's
  probe_to_unicast,       // from ::, and not to a solicited-node group
  probe_with_link_address,
};
std::string_view name(Drop drop);

struct Packet {
  Type type = Type::solicitation;
  Ip6 source;  // :: in a probe
  Ip6 destination;
  Ip6 target;
  // In an advertisement only; read as false from a solicitation.
  bool is_router = false;
  bool is_solicited = false;
  bool is_override = false;
  std::optional<Mac> link_address;  // the source's in a solicitation, the target's in an advertisement
  bool operator==(const Packet&) const = default;
};
using Parsed = std::variant<Packet, Drop>;

/// Reads one packet from an Ethernet payload, IPv6 header first. Octets past its end are padding and are ignored, and so
/// are options that the message does not define; of two link-layer addresses the first counts.
/// Any input is safe. Says nothing about whether we should answer: that is speaker/core/reply.h.
Parsed parse(ByteView payload);
/// IPv6 header, message, checksum; the link-layer address as its option.
Bytes build(const Packet& packet);

inline constexpr Ip6 kAllNodes{{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
/// ff02::1:ffXX:XXXX of an address (RFC 4291 section 2.7.1): where it is asked for.
Ip6 solicited_node(const Ip6& address);
bool is_solicited_node(const Ip6& address);
/// 33:33:XX:XX:XX:XX of a group (RFC 2464 section 7).
Mac group_mac(const Ip6& group);

}  // namespace fairlead::ndp
