#include "proto/ndp/ndp.h"

#include <algorithm>

#include "proto/net/checksum.h"

namespace fairlead::ndp {
namespace {

constexpr std::uint8_t kIcmp6 = 58;
constexpr std::uint8_t kHopLimit = 255;  // a router would have decremented it: proof that the sender is on the link
constexpr std::size_t kMessage = 24;     // octets of ICMP before the options
constexpr std::uint8_t kSourceLinkAddress = 1;
constexpr std::uint8_t kTargetLinkAddress = 2;
constexpr std::uint8_t kRouter = 0x80;
constexpr std::uint8_t kSolicited = 0x40;
constexpr std::uint8_t kOverride = 0x20;

constexpr Ip6 kSolicitedNode{{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff}};
constexpr std::size_t kSolicitedNodeOctets = 13;

/// The link-layer address that `type` defines; false when an option is malformed.
bool read_options(Reader& r, Type type, std::optional<Mac>& link_address) {
  const auto wanted = type == Type::solicitation ? kSourceLinkAddress : kTargetLinkAddress;
  while (r.left() > 0) {
    const auto kind = r.u8();
    const auto length = r.u8();  // in units of eight octets, these two included
    if (length == 0) return false;
    Reader value(r.view(std::size_t{length} * 8 - 2));
    if (!r.ok()) return false;
    if (kind != wanted) continue;
    if (length != 1) return false;  // Ethernet's is one unit (RFC 2464 section 6)
    if (!link_address) link_address = Mac{value.bytes<6>()};
  }
  return true;
}

}  // namespace

std::string_view name(Drop drop) {
  switch (drop) {
    case Drop::truncated: return "truncated";
    case Drop::not_ipv6: return "not_ipv6";
    case Drop::not_icmp6: return "not_icmp6";
    case Drop::bad_source: return "bad_source";
    case Drop::unknown_type: return "unknown_type";
    case Drop::bad_hop_limit: return "bad_hop_limit";
    case Drop::bad_checksum: return "bad_checksum";
    case Drop::bad_code: return "bad_code";
    case Drop::too_short: return "too_short";
    case Drop::target_is_multicast: return "target_is_multicast";
    case Drop::solicited_to_group: return "solicited_to_group";
    case Drop::bad_option: return "bad_option";
    case Drop::probe_to_unicast: return "probe_to_unicast";
    case Drop::probe_with_link_address: return "probe_with_link_address";
  }
  return "unknown";
}

Parsed parse(ByteView payload) {
  Reader header(payload);
  const auto version = header.be32() >> 28;
  const auto length = header.be16();
  const auto next_header = header.u8();
  const auto hop_limit = header.u8();
  Packet p;
  p.source = Ip6{header.bytes<16>()};
  p.destination = Ip6{header.bytes<16>()};
  if (!header.ok()) return Drop::truncated;
  if (version != 6) return Drop::not_ipv6;
  if (next_header != kIcmp6) return Drop::not_icmp6;
  const ByteView message = header.view(length);
  if (!header.ok()) return Drop::truncated;
  if (p.source.is_multicast() || Ip(p.source).is_loopback()) return Drop::bad_source;

  Reader r(message);
  const auto type = r.u8();
  const auto code = r.u8();
  r.skip(2);  // the checksum
  const auto flags = r.u8();
  r.skip(3);  // reserved: ignored by the receiver
  p.target = Ip6{r.bytes<16>()};
  if (type != static_cast<std::uint8_t>(Type::solicitation) && type != static_cast<std::uint8_t>(Type::advertisement)) {
    return Drop::unknown_type;
  }
  p.type = Type{type};
  if (hop_limit != kHopLimit) return Drop::bad_hop_limit;
  if (checksum_in_ipv6(p.source, p.destination, kIcmp6, message) != 0) return Drop::bad_checksum;
  if (code != 0) return Drop::bad_code;
  if (message.size() < kMessage) return Drop::too_short;
  if (p.target.is_multicast()) return Drop::target_is_multicast;
  if (p.type == Type::advertisement) {
    p.is_router = (flags & kRouter) != 0;
    p.is_solicited = (flags & kSolicited) != 0;
    p.is_override = (flags & kOverride) != 0;
    if (p.is_solicited && p.destination.is_multicast()) return Drop::solicited_to_group;
  }
  if (!read_options(r, p.type, p.link_address)) return Drop::bad_option;
  if (p.type == Type::solicitation && p.source.is_unspecified()) {
    if (!is_solicited_node(p.destination)) return Drop::probe_to_unicast;
    if (p.link_address) return Drop::probe_with_link_address;
  }
  return p;
}

Bytes build(const Packet& p) {
  Writer message;
  message.u8(static_cast<std::uint8_t>(p.type));
  message.u8(0);
  message.be16(0);
  const int flags = p.type == Type::solicitation ? 0
                                                 : (p.is_router ? kRouter : 0) | (p.is_solicited ? kSolicited : 0) |
                                                       (p.is_override ? kOverride : 0);
  message.u8(static_cast<std::uint8_t>(flags));
  message.zeros(3);
  message.bytes(p.target.octets);
  if (p.link_address) {
    message.u8(p.type == Type::solicitation ? kSourceLinkAddress : kTargetLinkAddress);
    message.u8(1);
    message.bytes(p.link_address->octets);
  }
  Bytes body = std::move(message).take();
  const auto checksum = checksum_in_ipv6(p.source, p.destination, kIcmp6, body);
  body[2] = static_cast<std::uint8_t>(checksum >> 8);
  body[3] = static_cast<std::uint8_t>(checksum);

  Writer w;
  w.be32(6U << 28);
  w.be16(static_cast<std::uint16_t>(body.size()));
  w.u8(kIcmp6);
  w.u8(kHopLimit);
  w.bytes(p.source.octets);
  w.bytes(p.destination.octets);
  w.bytes(body);
  return std::move(w).take();
}

Ip6 solicited_node(const Ip6& address) {
  Ip6 out = kSolicitedNode;
  std::copy(address.octets.begin() + kSolicitedNodeOctets, address.octets.end(), out.octets.begin() + kSolicitedNodeOctets);
  return out;
}

bool is_solicited_node(const Ip6& address) {
  return std::equal(kSolicitedNode.octets.begin(), kSolicitedNode.octets.begin() + kSolicitedNodeOctets, address.octets.begin());
}

Mac group_mac(const Ip6& group) {
  return Mac{{0x33, 0x33, group.octets[12], group.octets[13], group.octets[14], group.octets[15]}};
}

}  // namespace fairlead::ndp
