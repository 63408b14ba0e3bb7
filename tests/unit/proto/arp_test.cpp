#include "proto/arp/arp.h"

#include <gtest/gtest.h>

namespace fairlead::arp {
namespace {

const Bytes kWhoHas = {0, 1, 8, 0, 6, 4, 0, 1,           // Ethernet, IPv4, request
                       2, 0, 0, 0, 0, 1, 10, 0, 0, 1,    // sender
                       0, 0, 0, 0, 0, 0, 10, 0, 0, 7};   // target

Packet who_has() {
  return {Op::request, Mac{{2, 0, 0, 0, 0, 1}}, Ip4{{10, 0, 0, 1}}, Mac{}, Ip4{{10, 0, 0, 7}}};
}
Packet with_op(Op op) {
  Packet p = who_has();
  p.op = op;
  return p;
}
Bytes patched(Bytes bytes, std::size_t at, std::uint8_t value) {
  bytes[at] = value;
  return bytes;
}
Bytes padded(Bytes bytes) {
  bytes.resize(46, 0xee);
  return bytes;
}

TEST(ArpParse, Table) {
  Packet probe = who_has();
  probe.sender_ip = Ip4{};
  const struct {
    const char* name;
    Bytes in;
    Parsed want;
  } cases[] = {
      {"request", kWhoHas, who_has()},
      {"reply", patched(kWhoHas, 7, 2), with_op(Op::reply)},
      {"padding is ignored", padded(kWhoHas), who_has()},
      {"probe", patched(patched(kWhoHas, 14, 0), 17, 0), probe},
      {"op 0", patched(kWhoHas, 7, 0), Drop::unknown_op},
      {"RARP op 3", patched(kWhoHas, 7, 3), Drop::unknown_op},
      {"op 257", patched(kWhoHas, 6, 1), Drop::unknown_op},
      {"IEEE 802 hardware", patched(kWhoHas, 1, 6), Drop::not_ethernet_ipv4},
      {"bad header before bad op", patched(patched(kWhoHas, 7, 9), 4, 8), Drop::not_ethernet_ipv4},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(parse(c.in), c.want);
  }
}

TEST(ArpParse, OtherHardwareOrProtocolIsRefused) {  // htype, ptype, hlen, plen
  for (const std::size_t at : {0, 1, 2, 3, 4, 5}) {
    EXPECT_EQ(parse(patched(kWhoHas, at, 9)), Parsed(Drop::not_ethernet_ipv4)) << at;
  }
}

TEST(ArpParse, EveryShorterInputIsTruncated) {
  for (std::size_t n = 0; n < kWhoHas.size(); ++n) {
    EXPECT_EQ(parse(ByteView(kWhoHas).first(n)), Parsed(Drop::truncated)) << n;
  }
}

TEST(ArpParse, EveryOctetOfTheAddressesCounts) {
  for (std::size_t at = 8; at < kWhoHas.size(); ++at) {
    const auto got = parse(patched(kWhoHas, at, 0x5a));
    ASSERT_TRUE(std::holds_alternative<Packet>(got)) << at;
    EXPECT_NE(std::get<Packet>(got), who_has()) << at;
  }
}

TEST(ArpBuild, WritesThe28OctetsThatParseReads) {
  EXPECT_EQ(build(who_has()), kWhoHas);
  EXPECT_EQ(build(with_op(Op::reply)), patched(kWhoHas, 7, 2));
}

TEST(ArpDrop, HasALabelForEach) {
  EXPECT_EQ(name(Drop::truncated), "truncated");
  EXPECT_EQ(name(Drop::not_ethernet_ipv4), "not_ethernet_ipv4");
  EXPECT_EQ(name(Drop::unknown_op), "unknown_op");
}

}  // namespace
}  // namespace fairlead::arp
