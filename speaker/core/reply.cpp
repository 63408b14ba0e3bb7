#include "speaker/core/reply.h"

#include "proto/arp/arp.h"
#include "proto/net/ethernet.h"

namespace fairlead::speaker {
namespace {

Ignored ignored(arp::Drop drop) {
  switch (drop) {
    case arp::Drop::truncated: return Ignored::truncated;
    case arp::Drop::not_ethernet_ipv4: return Ignored::not_ethernet_ipv4;
    case arp::Drop::unknown_op: break;
  }
  return Ignored::unknown_op;
}

}  // namespace

std::string_view name(Ignored reason) {
  switch (reason) {
    case Ignored::truncated: return "truncated";
    case Ignored::not_ethernet_ipv4: return "not_ethernet_ipv4";
    case Ignored::unknown_op: return "unknown_op";
    case Ignored::not_arp: return "not_arp";
    case Ignored::own_frame: return "own_frame";
    case Ignored::not_for_us: return "not_for_us";
    case Ignored::not_a_request: return "not_a_request";
    case Ignored::bad_sender: return "bad_sender";
    case Ignored::announcement: return "announcement";
    case Ignored::not_our_vip: return "not_our_vip";
  }
  return "unknown";
}

std::variant<Bytes, Ignored> answer_arp(ByteView bytes, const Interface& on, const Announces& announces) {
  const auto frame = ethernet::parse(bytes);
  if (!frame) return Ignored::truncated;
  if (frame->type != ethernet::kArp) return Ignored::not_arp;
  if (frame->source == on.mac) return Ignored::own_frame;
  if (frame->destination != kBroadcast && frame->destination != on.mac) return Ignored::not_for_us;
  const arp::Parsed parsed = arp::parse(frame->payload);
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

std::vector<Bytes> gratuitous_arp(const Ip4& vip, const Interface& on) {
  std::vector<Bytes> out;
  for (const arp::Op op : {arp::Op::request, arp::Op::reply}) {
    // RFC 5227: the target hardware address of an announcement is ignored; zeros in the request, ours in the reply.
    const arp::Packet packet{op, on.mac, vip, op == arp::Op::request ? Mac{} : on.mac, vip};
    out.push_back(ethernet::build(kBroadcast, on.mac, ethernet::kArp, arp::build(packet)));
  }
  return out;
}

}  // namespace fairlead::speaker
