#include "speaker/core/reply.h"

#include "proto/arp/arp.h"
#include "proto/ndp/ndp.h"
#include "proto/net/ethernet.h"

namespace fairlead::speaker {
namespace {

using Answer = std::variant<Bytes, Ignored>;

Ignored ignored(arp::Drop drop) {
  switch (drop) {
    case arp::Drop::truncated: return Ignored::truncated;
    case arp::Drop::not_ethernet_ipv4: return Ignored::not_ethernet_ipv4;
    case arp::Drop::unknown_op: break;
  }
  return Ignored::unknown_op;
}

Ignored ignored(ndp::Drop drop) {
  switch (drop) {
    case ndp::Drop::truncated: return Ignored::truncated;
    case ndp::Drop::not_ipv6: return Ignored::not_ipv6;
    case ndp::Drop::not_icmp6: return Ignored::not_icmp6;
    case ndp::Drop::bad_source: return Ignored::bad_source;
    case ndp::Drop::unknown_type: return Ignored::unknown_type;
    case ndp::Drop::bad_hop_limit: return Ignored::bad_hop_limit;
    case ndp::Drop::bad_checksum: return Ignored::bad_checksum;
    case ndp::Drop::bad_code: return Ignored::bad_code;
    case ndp::Drop::too_short: return Ignored::too_short;
    case ndp::Drop::target_is_multicast: return Ignored::target_is_multicast;
    case ndp::Drop::solicited_to_group: return Ignored::solicited_to_group;
    case ndp::Drop::bad_option: return Ignored::bad_option;
    case ndp::Drop::probe_to_unicast: return Ignored::probe_to_unicast;
    case ndp::Drop::probe_with_link_address: break;
  }
  return Ignored::probe_with_link_address;
}

Answer answer_arp(const ethernet::Frame& frame, const Interface& on, const Announces& announces) {
  if (frame.destination != kBroadcast && frame.destination != on.mac) return Ignored::not_for_us;
  const arp::Parsed parsed = arp::parse(frame.payload);
  if (const auto* drop = std::get_if<arp::Drop>(&parsed)) return ignored(*drop);
  const auto& packet = std::get<arp::Packet>(parsed);
  if (packet.op != arp::Op::request) return Ignored::not_a_request;
  if (packet.sender_mac.is_multicast() || packet.sender_mac.is_zero()) return Ignored::bad_sender;
  if (packet.sender_mac == on.mac) return Ignored::own_frame;
  if (packet.sender_ip == packet.target_ip) return Ignored::announcement;
  if (!announces(packet.target_ip, on)) return Ignored::not_our_vip;
  const arp::Packet reply{arp::Op::reply, on.mac, packet.target_ip, packet.sender_mac, packet.sender_ip};
  return ethernet::build(packet.sender_mac, on.mac, ethernet::kArp, arp::build(reply));
}

/// From us for a VIP: to the one who asked, or to all nodes.
Bytes advertisement(const Ip6& vip, const Interface& on, bool is_solicited, const Mac& to_mac, const Ip6& to) {
  ndp::Packet packet;
  packet.type = ndp::Type::advertisement;
  packet.source = packet.target = vip;
  packet.destination = to;
  packet.is_router = on.is_router;
  packet.is_solicited = is_solicited;
  packet.is_override = true;
  packet.link_address = on.mac;
  return ethernet::build(to_mac, on.mac, ethernet::kIpv6, ndp::build(packet));
}

Bytes advertisement_to_all(const Ip6& vip, const Interface& on) {
  return advertisement(vip, on, false, ndp::group_mac(ndp::kAllNodes), ndp::kAllNodes);
}

Answer answer_ndp(const ethernet::Frame& frame, const Interface& on, const Announces& announces) {
  if (!frame.destination.is_multicast() && frame.destination != on.mac) return Ignored::not_for_us;
  const ndp::Parsed parsed = ndp::parse(frame.payload);
  if (const auto* drop = std::get_if<ndp::Drop>(&parsed)) return ignored(*drop);
  const auto& packet = std::get<ndp::Packet>(parsed);
  const bool is_to_group = packet.destination.is_multicast() && frame.destination == ndp::group_mac(packet.destination);
  if (frame.destination != on.mac && !is_to_group) return Ignored::not_for_us;
  if (packet.type != ndp::Type::solicitation) return Ignored::not_a_request;
  const Mac sender = packet.link_address.value_or(frame.source);
  if (sender.is_multicast() || sender.is_zero()) return Ignored::bad_sender;
  if (sender == on.mac) return Ignored::own_frame;
  if (packet.source == packet.target) return Ignored::announcement;
  if (!announces(packet.target, on)) return Ignored::not_our_vip;
  // Who probes has no address that an answer could go to: everybody is told (RFC 4861 section 7.2.4).
  if (packet.source.is_unspecified()) return advertisement_to_all(packet.target, on);
  return advertisement(packet.target, on, true, sender, packet.source);
}

}  // namespace

std::string_view name(Ignored reason) {
  switch (reason) {
    case Ignored::truncated: return "truncated";
    case Ignored::other_protocol: return "other_protocol";
    case Ignored::own_frame: return "own_frame";
    case Ignored::not_for_us: return "not_for_us";
    case Ignored::bad_sender: return "bad_sender";
    case Ignored::not_a_request: return "not_a_request";
    case Ignored::announcement: return "announcement";
    case Ignored::not_our_vip: return "not_our_vip";
    case Ignored::not_ethernet_ipv4: return "not_ethernet_ipv4";
    case Ignored::unknown_op: return "unknown_op";
    case Ignored::not_ipv6: return "not_ipv6";
    case Ignored::not_icmp6: return "not_icmp6";
    case Ignored::bad_source: return "bad_source";
    case Ignored::unknown_type: return "unknown_type";
    case Ignored::bad_hop_limit: return "bad_hop_limit";
    case Ignored::bad_checksum: return "bad_checksum";
    case Ignored::bad_code: return "bad_code";
    case Ignored::too_short: return "too_short";
    case Ignored::target_is_multicast: return "target_is_multicast";
    case Ignored::solicited_to_group: return "solicited_to_group";
    case Ignored::bad_option: return "bad_option";
    case Ignored::probe_to_unicast: return "probe_to_unicast";
    case Ignored::probe_with_link_address: return "probe_with_link_address";
  }
  return "unknown";
}

Answer answer(ByteView bytes, const Interface& on, const Announces& announces) {
  const auto frame = ethernet::parse(bytes);
  if (!frame) return Ignored::truncated;
  if (frame->type != ethernet::kArp && frame->type != ethernet::kIpv6) return Ignored::other_protocol;
  if (frame->source == on.mac) return Ignored::own_frame;
  return frame->type == ethernet::kArp ? answer_arp(*frame, on, announces) : answer_ndp(*frame, on, announces);
}

std::vector<Bytes> announcement(const Ip& vip, const Interface& on) {
  if (!vip.is4()) return {advertisement_to_all(vip.v6(), on)};
  std::vector<Bytes> out;
  for (const arp::Op op : {arp::Op::request, arp::Op::reply}) {
    // RFC 5227: the target hardware address of an announcement is ignored; zeros in the request, ours in the reply.
    const arp::Packet packet{op, on.mac, vip.v4(), op == arp::Op::request ? Mac{} : on.mac, vip.v4()};
    out.push_back(ethernet::build(kBroadcast, on.mac, ethernet::kArp, arp::build(packet)));
  }
  return out;
}

Ip6 group_of(const Ip6& vip) { return ndp::solicited_node(vip); }

void Tally::count(const Answer& outcome) {
  if (const auto* reason = std::get_if<Ignored>(&outcome)) {
    ++ignored[static_cast<std::size_t>(*reason)];
  } else {
    ++answered;
  }
}

std::string Tally::str() const {
  std::string out;
  for (std::size_t i = 0; i < kIgnoredReasons; ++i) {
    if (ignored[i] == 0) continue;
    if (!out.empty()) out += ' ';
    out.append(name(static_cast<Ignored>(i))).append("=").append(std::to_string(ignored[i]));
  }
  return out;
}

}  // namespace fairlead::speaker
