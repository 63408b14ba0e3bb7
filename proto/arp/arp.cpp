#include "proto/arp/arp.h"

namespace fairlead::arp {
namespace {

constexpr std::uint16_t kEthernet = 1;
constexpr std::uint16_t kIpv4 = 0x0800;

}  // namespace

std::string_view name(Drop drop) {
  switch (drop) {
    case Drop::truncated: return "truncated";
    case Drop::not_ethernet_ipv4: return "not_ethernet_ipv4";
    case Drop::unknown_op: return "unknown_op";
  }
  return "unknown";
}

Parsed parse(ByteView payload) {
  Reader r(payload);
  const auto htype = r.be16();
  const auto ptype = r.be16();
  const auto hlen = r.u8();
  const auto plen = r.u8();
  const auto op = r.be16();
  const Mac sender_mac{r.bytes<6>()};
  const Ip4 sender_ip{r.bytes<4>()};
  const Mac target_mac{r.bytes<6>()};
  const Ip4 target_ip{r.bytes<4>()};
  if (!r.ok()) return Drop::truncated;
  if (htype != kEthernet || ptype != kIpv4 || hlen != 6 || plen != 4) return Drop::not_ethernet_ipv4;
  if (op != 1 && op != 2) return Drop::unknown_op;
  return Packet{Op{op}, sender_mac, sender_ip, target_mac, target_ip};
}

Bytes build(const Packet& p) {
  Writer w;
  w.be16(kEthernet);
  w.be16(kIpv4);
  w.u8(6);
  w.u8(4);
  w.be16(static_cast<std::uint16_t>(p.op));
  w.bytes(p.sender_mac.octets);
  w.bytes(p.sender_ip.octets);
  w.bytes(p.target_mac.octets);
  w.bytes(p.target_ip.octets);
  return std::move(w).take();
}

}  // namespace fairlead::arp
