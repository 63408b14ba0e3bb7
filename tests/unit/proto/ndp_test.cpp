#include "proto/ndp/ndp.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "proto/net/checksum.h"

namespace fairlead::ndp {
namespace {

Ip6 ip6(std::string_view text) { return parse_ip(text).value().v6(); }

const Ip6 kVip = ip6("2001:db8::200");
const Ip6 kClient = ip6("fe80::9");
const Ip6 kGroup = ip6("ff02::1:ff00:200");
const Mac kClientMac{{2, 0, 0, 0, 0, 9}};

// Off the wire: ndisc6 on Linux 6.18 (fe80::9, 02:00:00:00:00:09) looks for 2001:db8::200. The flow label is random.
const Bytes kWhoHas = {
    0x60, 5, 0x36, 0xf9, 0, 32, 58, 255,                            // version, flow label, payload length, ICMPv6, hop limit
    0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9,           // source
    0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 2, 0,        // destination
    135, 0, 0x47, 0x53, 0, 0, 0, 0,                                 // type, code, checksum, reserved
    0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0,     // target
    1, 1, 2, 0, 0, 0, 0, 9};                                        // source link-layer address
constexpr std::size_t kPayloadLength = 4, kNextHeader = 6, kHopLimitAt = 7, kSource = 8, kDestination = 24, kType = 40, kCode = 41,
                      kChecksumAt = 42, kFlags = 44, kTarget = 48, kOptions = 64;

Packet who_has() { return {Type::solicitation, kClient, kGroup, kVip, false, false, false, kClientMac}; }
Packet is_at() { return {Type::advertisement, kVip, kClient, kVip, false, true, true, Mac{{2, 0, 0, 0, 0, 1}}}; }
Packet probe() { return {Type::solicitation, Ip6{}, kGroup, kVip, false, false, false, std::nullopt}; }

/// Sets payload length and checksum to what they should be, so that a test breaks one rule alone.
Bytes sealed(Bytes b) {
  const std::size_t length = b.size() - 40;
  b[kPayloadLength] = static_cast<std::uint8_t>(length >> 8);
  b[kPayloadLength + 1] = static_cast<std::uint8_t>(length);
  if (length < 4) return b;
  b[kChecksumAt] = b[kChecksumAt + 1] = 0;
  Reader r(ByteView(b).subspan(kSource));
  const Ip6 source{r.bytes<16>()};
  const Ip6 destination{r.bytes<16>()};
  const auto sum = checksum_in_ipv6(source, destination, 58, ByteView(b).subspan(40));
  b[kChecksumAt] = static_cast<std::uint8_t>(sum >> 8);
  b[kChecksumAt + 1] = static_cast<std::uint8_t>(sum);
  return b;
}
Bytes patched(Bytes b, std::size_t at, std::uint8_t value) {
  b.at(at) = value;
  return b;
}
Bytes put(Bytes b, std::size_t at, const Ip6& ip) {
  std::copy(ip.octets.begin(), ip.octets.end(), b.begin() + static_cast<std::ptrdiff_t>(at));
  return b;
}
Bytes plus(Bytes b, std::initializer_list<std::uint8_t> more) {
  b.insert(b.end(), more);
  return b;
}
Bytes first(const Bytes& b, std::size_t n) { return Bytes(b.begin(), b.begin() + static_cast<std::ptrdiff_t>(n)); }
Packet with(Packet p, void (*change)(Packet&)) {
  change(p);
  return p;
}
std::string_view drop_of(const Parsed& parsed) {
  const auto* drop = std::get_if<Drop>(&parsed);
  return drop == nullptr ? "" : name(*drop);
}

TEST(NdpParse, ASolicitationOffTheWire) { EXPECT_EQ(parse(kWhoHas), Parsed(who_has())); }

TEST(NdpParse, WhatIsValid) {
  const struct {
    const char* name;
    Bytes in;
    Packet want;
  } cases[] = {
      {"padding is ignored", plus(kWhoHas, {1, 2, 3}), who_has()},
      {"traffic class", patched(kWhoHas, 0, 0x6e), who_has()},
      {"reserved bits are ignored", sealed(patched(kWhoHas, kFlags, 0xff)), who_has()},
      {"no option", sealed(first(kWhoHas, kOptions)), with(who_has(), [](Packet& p) { p.link_address.reset(); })},
      {"to the target alone", sealed(put(kWhoHas, kDestination, kVip)), with(who_has(), [](Packet& p) { p.destination = kVip; })},
      {"to all nodes", sealed(put(kWhoHas, kDestination, kAllNodes)), with(who_has(), [](Packet& p) { p.destination = kAllNodes; })},
      {"an option that is not defined here", sealed(plus(kWhoHas, {14, 1, 1, 2, 3, 4, 5, 6})), who_has()},
      {"a long one that is unknown", sealed(plus(kWhoHas, {99, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})), who_has()},
      {"another message's link-layer address", sealed(plus(kWhoHas, {2, 1, 6, 6, 6, 6, 6, 6})), who_has()},
      {"the first of two", sealed(plus(kWhoHas, {1, 1, 6, 6, 6, 6, 6, 6})), who_has()},
      {"probe", build(probe()), probe()},
      {"probe with a nonce (RFC 7527)", sealed(plus(build(probe()), {14, 1, 1, 2, 3, 4, 5, 6})), probe()},
      {"advertisement", build(is_at()), is_at()},
      {"advertisement that nobody asked for", build(with(is_at(), [](Packet& p) { p.destination = kAllNodes, p.is_solicited = false; })),
       with(is_at(), [](Packet& p) { p.destination = kAllNodes, p.is_solicited = false; })},
      {"a router's", build(with(is_at(), [](Packet& p) { p.is_router = true; })), with(is_at(), [](Packet& p) { p.is_router = true; })},
      {"advertisement without a link-layer address", build(with(is_at(), [](Packet& p) { p.link_address.reset(); })),
       with(is_at(), [](Packet& p) { p.link_address.reset(); })},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(parse(c.in), Parsed(c.want));
  }
}

TEST(NdpParse, WhatIsRefused) {
  const Bytes advertised = build(is_at());
  const struct {
    const char* name;
    Bytes in;
    Drop want;
  } cases[] = {
      {"IPv4", patched(kWhoHas, 0, 0x45), Drop::not_ipv6},
      {"UDP", patched(kWhoHas, kNextHeader, 17), Drop::not_icmp6},
      {"a fragment (RFC 6980)", patched(kWhoHas, kNextHeader, 44), Drop::not_icmp6},
      {"behind hop-by-hop options", patched(kWhoHas, kNextHeader, 0), Drop::not_icmp6},
      {"payload longer than the frame", patched(kWhoHas, kPayloadLength + 1, 33), Drop::truncated},
      {"source is a group", sealed(put(kWhoHas, kSource, kAllNodes)), Drop::bad_source},
      {"source is the loopback address", sealed(put(kWhoHas, kSource, ip6("::1"))), Drop::bad_source},
      {"echo request", sealed(patched(kWhoHas, kType, 128)), Drop::unknown_type},
      {"router solicitation", sealed(patched(kWhoHas, kType, 133)), Drop::unknown_type},
      {"redirect", sealed(patched(kWhoHas, kType, 137)), Drop::unknown_type},
      {"an empty payload", sealed(first(kWhoHas, 40)), Drop::unknown_type},
      {"hop limit 254", patched(kWhoHas, kHopLimitAt, 254), Drop::bad_hop_limit},
      {"hop limit 0", patched(kWhoHas, kHopLimitAt, 0), Drop::bad_hop_limit},
      {"advertisement with hop limit 64", patched(advertised, kHopLimitAt, 64), Drop::bad_hop_limit},
      {"checksum of zeros", patched(patched(kWhoHas, kChecksumAt, 0), kChecksumAt + 1, 0), Drop::bad_checksum},
      {"code 1", sealed(patched(kWhoHas, kCode, 1)), Drop::bad_code},
      {"advertisement with code 1", sealed(patched(advertised, kCode, 1)), Drop::bad_code},
      {"target is a group", sealed(put(kWhoHas, kTarget, kGroup)), Drop::target_is_multicast},
      {"advertised target is a group", sealed(put(advertised, kTarget, kGroup)), Drop::target_is_multicast},
      {"solicited, and to everybody", sealed(put(advertised, kDestination, kAllNodes)), Drop::solicited_to_group},
      {"option of length 0", sealed(patched(kWhoHas, kOptions + 1, 0)), Drop::bad_option},
      {"unknown option of length 0", sealed(plus(kWhoHas, {99, 0, 0, 0, 0, 0, 0, 0})), Drop::bad_option},
      {"advertised option of length 0", sealed(patched(advertised, kOptions + 1, 0)), Drop::bad_option},
      {"option longer than the packet", sealed(patched(kWhoHas, kOptions + 1, 2)), Drop::bad_option},
      {"half an option", sealed(plus(kWhoHas, {14})), Drop::bad_option},
      {"a link-layer address of 14 octets", sealed(plus(patched(kWhoHas, kOptions + 1, 2), {0, 0, 0, 0, 0, 0, 0, 0})), Drop::bad_option},
      {"probe to the address itself", sealed(put(build(probe()), kDestination, kVip)), Drop::probe_to_unicast},
      {"probe to all nodes", sealed(put(build(probe()), kDestination, kAllNodes)), Drop::probe_to_unicast},
      {"probe with a link-layer address", sealed(put(kWhoHas, kSource, Ip6{})), Drop::probe_with_link_address},
      {"hop limit before checksum", patched(patched(kWhoHas, kHopLimitAt, 1), kChecksumAt, 0), Drop::bad_hop_limit},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(drop_of(parse(c.in)), name(c.want));
  }
}

TEST(NdpParse, EveryShorterInputIsTruncated) {
  for (std::size_t n = 0; n < kWhoHas.size(); ++n) {
    EXPECT_EQ(drop_of(parse(ByteView(kWhoHas).first(n))), "truncated") << n;
  }
}

TEST(NdpParse, EveryShorterMessageIsRefusedEvenIfItsLengthAndChecksumAreRight) {
  for (std::size_t n = 41; n < kWhoHas.size(); ++n) {
    const auto drop = drop_of(parse(sealed(first(kWhoHas, n))));
    const bool has_checksum = n >= 44;
    if (n == kOptions) continue;  // without the option it is whole
    EXPECT_EQ(drop, !has_checksum ? "bad_checksum" : n < kOptions ? "too_short" : "bad_option") << n;
  }
}

TEST(NdpParse, EveryBitThatIsSummedIsMissed) {
  for (std::size_t at = kSource; at < kWhoHas.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      const auto b = patched(kWhoHas, at, static_cast<std::uint8_t>(kWhoHas[at] ^ 1 << bit));
      if (at == kType || parse(b) == Parsed(Drop::bad_source)) continue;  // judged before the sum
      EXPECT_EQ(drop_of(parse(b)), "bad_checksum") << at << " bit " << bit;
    }
  }
}

TEST(NdpParse, RandomOctetsAreSafeAndWhatIsReadCanBeWritten) {
  std::mt19937 random(7);
  int read = 0;
  for (int round = 0; round < 200'000; ++round) {
    Bytes b = random() % 2 == 0 ? kWhoHas : build(is_at());
    for (auto flips = random() % 4; flips > 0; --flips) b[random() % b.size()] = static_cast<std::uint8_t>(random());
    if (random() % 4 == 0) b.resize(random() % 120);
    if (b.size() >= 40 && random() % 4 != 0) b = sealed(std::move(b));
    const Parsed parsed = parse(b);
    if (const auto* packet = std::get_if<Packet>(&parsed)) {
      ++read;
      ASSERT_EQ(parse(build(*packet)), parsed);
    }
  }
  EXPECT_GT(read, 10'000);
}

TEST(NdpBuild, WritesTheOctetsThatLinuxWrites) {
  Bytes without_flow_label = kWhoHas;
  std::fill(without_flow_label.begin() + 1, without_flow_label.begin() + 4, 0);
  EXPECT_EQ(build(who_has()), without_flow_label);
}

TEST(NdpBuild, FlagsOfAnAdvertisement) {
  for (int bits = 0; bits < 8; ++bits) {
    Packet p = is_at();
    p.is_router = (bits & 4) != 0;
    p.is_solicited = (bits & 2) != 0;
    p.is_override = (bits & 1) != 0;
    EXPECT_EQ(build(p)[kFlags], bits << 5);
    EXPECT_EQ(parse(build(p)), Parsed(p));
  }
}

TEST(NdpGroups, SolicitedNode) {
  EXPECT_EQ(solicited_node(kVip).str(), "ff02::1:ff00:200");
  EXPECT_EQ(solicited_node(ip6("2001:db8::aabb:ccdd:eeff")).str(), "ff02::1:ffdd:eeff");
  EXPECT_EQ(solicited_node(ip6("fd00::7:dd:eeff")).str(), "ff02::1:ffdd:eeff") << "addresses may share a group";
  EXPECT_TRUE(is_solicited_node(kGroup));
  EXPECT_FALSE(is_solicited_node(kAllNodes));
  EXPECT_FALSE(is_solicited_node(ip6("ff02::1:fe00:200")));
  EXPECT_FALSE(is_solicited_node(ip6("ff05::1:ff00:200")));
}

TEST(NdpGroups, EthernetAddress) {
  EXPECT_EQ(group_mac(kGroup).str(), "33:33:ff:00:02:00");
  EXPECT_EQ(group_mac(kAllNodes).str(), "33:33:00:00:00:01");
}

TEST(NdpDrop, EveryReasonHasANameOfItsOwn) {
  std::set<std::string_view> names;
  const auto count = static_cast<std::size_t>(Drop::probe_with_link_address) + 1;
  for (std::size_t i = 0; i < count; ++i) names.insert(name(static_cast<Drop>(i)));
  EXPECT_EQ(names.size(), count);
  EXPECT_FALSE(names.contains("unknown"));
  EXPECT_EQ(name(static_cast<Drop>(count)), "unknown");
}

TEST(Checksum, OddLengthsCountAsIfAZeroFollowed) {
  const Bytes odd = {1, 2, 3};
  const Bytes even = {1, 2, 3, 0};
  // The pseudo-header holds the length: one octet more, one less in the complement.
  EXPECT_EQ(checksum_in_ipv6(kClient, kVip, 58, odd), checksum_in_ipv6(kClient, kVip, 58, even) + 1);
}

}  // namespace
}  // namespace fairlead::ndp
