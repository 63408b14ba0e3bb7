#include "speaker/core/foreign_claims.h"

#include <gtest/gtest.h>

#include <random>

#include "proto/arp/arp.h"
#include "proto/ndp/ndp.h"
#include "proto/net/ethernet.h"
#include "tests/support/builders.h"
#include "tests/support/manual_clock.h"

namespace fairlead::speaker {
namespace {

using namespace std::chrono_literals;
using test::ip;
using test::ip4;
using test::mac;

const Mac kMe = mac(1), kMyOther = mac(2), kStranger = mac(66), kClient = mac(9);
const std::set<Mac> kOwn{kMe, kMyOther};
const Ip kVip4 = ip("192.0.2.10"), kVip6 = ip("2001:db8::200");
const Interface kEth0{IfIndex{2}, "eth0", kMe};

std::optional<ForeignClaim> claimed(ByteView frame, const Interface& on = kEth0) {
  return foreign_claim(frame, on, [](const Ip& vip, const Interface& where) { return (vip == kVip4 || vip == kVip6) && where.name == "eth0"; }, kOwn);
}
ForeignClaim by(const Ip& vip, const Mac& who = kStranger) { return {vip, who, "eth0"}; }

Bytes arp_frame(arp::Op op, const Mac& sender, std::string_view sender_ip, std::string_view target_ip, const Mac& to = kBroadcast,
                const Mac& source = kStranger) {
  return ethernet::build(to, source, ethernet::kArp, arp::build({op, sender, ip4(sender_ip), Mac{}, ip4(target_ip)}));
}

/// An advertisement for the VIP to all nodes, by the stranger.
ndp::Packet is_here() { return {ndp::Type::advertisement, kVip6.v6(), ndp::kAllNodes, kVip6.v6(), false, false, true, kStranger}; }
template <class F>
Bytes ndp_frame(F change, const Mac& source = kStranger) {
  ndp::Packet p = is_here();
  change(p);
  return ethernet::build(p.destination.is_multicast() ? ndp::group_mac(p.destination) : kMe, source, ethernet::kIpv6, ndp::build(p));
}
Bytes patched(Bytes b, std::size_t at, std::uint8_t v) {
  b.at(at) = v;
  return b;
}

TEST(ForeignClaim, ByArp) {
  using arp::Op;
  const auto claim = std::optional(by(kVip4));
  const struct {
    const char* name;
    Bytes in;
    std::optional<ForeignClaim> want;
  } cases[] = {
      {"announcement", arp_frame(Op::request, kStranger, "192.0.2.10", "192.0.2.10"), claim},
      {"gratuitous reply", arp_frame(Op::reply, kStranger, "192.0.2.10", "192.0.2.10"), claim},
      {"it asks for another", arp_frame(Op::request, kStranger, "192.0.2.10", "192.0.2.1"), claim},
      {"it answers us", arp_frame(Op::reply, kStranger, "192.0.2.10", "0.0.0.0", kMe), claim},
      {"it answers another, and the switch floods", arp_frame(Op::reply, kStranger, "192.0.2.10", "192.0.2.99", kClient), claim},
      {"relayed: the sender inside is named", arp_frame(Op::reply, kStranger, "192.0.2.10", "192.0.2.99", kClient, mac(8)), claim},
      {"a question for the VIP", arp_frame(Op::request, kClient, "192.0.2.99", "192.0.2.10", kBroadcast, kClient), std::nullopt},
      {"a probe for the VIP", arp_frame(Op::request, kClient, "0.0.0.0", "192.0.2.10", kBroadcast, kClient), std::nullopt},
      {"another address", arp_frame(Op::request, kStranger, "192.0.2.11", "192.0.2.11"), std::nullopt},
      {"our frame, reflected", arp_frame(Op::request, kMe, "192.0.2.10", "192.0.2.10", kBroadcast, kMe), std::nullopt},
      {"our other link's", arp_frame(Op::request, kMyOther, "192.0.2.10", "192.0.2.10", kBroadcast, kMyOther), std::nullopt},
      {"a switch answers for us", arp_frame(Op::reply, kMe, "192.0.2.10", "192.0.2.99", kClient, mac(8)), std::nullopt},
      {"a forged inside in our frame", arp_frame(Op::reply, kStranger, "192.0.2.10", "192.0.2.99", kClient, kMe), std::nullopt},
      {"from a group", arp_frame(Op::reply, Mac{{3, 0, 0, 0, 0, 1}}, "192.0.2.10", "192.0.2.10"), std::nullopt},
      {"from nobody", arp_frame(Op::reply, Mac{}, "192.0.2.10", "192.0.2.10"), std::nullopt},
      {"RARP", patched(arp_frame(Op::reply, kStranger, "192.0.2.10", "192.0.2.10"), 21, 3), std::nullopt},
      {"VLAN", patched(patched(arp_frame(Op::reply, kStranger, "192.0.2.10", "192.0.2.10"), 12, 0x81), 13, 0), std::nullopt},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(claimed(c.in), c.want);
  }
  EXPECT_EQ(claimed(cases[0].in, {IfIndex{3}, "eth1", kMyOther}), std::nullopt) << "an interface that it is not announced on";
}

TEST(ForeignClaim, ByNdp) {
  const auto claim = std::optional(by(kVip6));
  const Bytes plain = ndp_frame([](auto&) {});
  const auto ask = [](ndp::Packet& p, const Ip6& source) {
    p.type = ndp::Type::solicitation;
    p.source = source;
    p.target = ip("2001:db8::1").v6();
    p.destination = ndp::solicited_node(p.target);
    p.is_override = false;
  };
  const struct {
    const char* name;
    Bytes in;
    std::optional<ForeignClaim> want;
  } cases[] = {
      {"unsolicited advertisement", plain, claim},
      {"it answers us", ndp_frame([](auto& p) { p.destination = ip("fe80::1").v6(), p.is_solicited = true; }), claim},
      {"from an address of its own", ndp_frame([](auto& p) { p.source = ip("fe80::66").v6(); }), claim},
      {"without the option", ndp_frame([](auto& p) { p.link_address.reset(); }), claim},
      {"relayed: the one inside is named", ndp_frame([](auto&) {}, mac(8)), claim},
      {"it asks for another", ndp_frame([&](auto& p) { ask(p, kVip6.v6()); }), claim},
      {"a question for the VIP", ndp_frame([&](auto& p) { ask(p, ip("2001:db8::9").v6()), p.target = kVip6.v6(); }), std::nullopt},
      {"a probe for the VIP", ndp_frame([&](auto& p) { ask(p, Ip6{}), p.target = kVip6.v6(), p.link_address.reset(); }), std::nullopt},
      {"another address", ndp_frame([](auto& p) { p.target = ip("2001:db8::201").v6(); }), std::nullopt},
      {"our frame, reflected", ndp_frame([](auto& p) { p.link_address = kMe; }, kMe), std::nullopt},
      {"a switch answers for us", ndp_frame([](auto& p) { p.link_address = kMe; }), std::nullopt},
      {"bad checksum", patched(plain, 60, 1), std::nullopt},
      {"through a router", patched(plain, 21, 254), std::nullopt},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(claimed(c.in), c.want);
  }
}

TEST(ForeignClaim, EveryShorterFrameIsNone) {
  for (const Bytes& whole : {arp_frame(arp::Op::reply, kStranger, "192.0.2.10", "192.0.2.10"), ndp_frame([](auto&) {})}) {
    const std::size_t needed = whole[12] == 0x08 ? 42 : 86;
    EXPECT_TRUE(claimed(ByteView(whole).first(needed)));
    for (std::size_t n = 0; n < needed; ++n) EXPECT_FALSE(claimed(ByteView(whole).first(n))) << n;
  }
}

TEST(Question, OfAnIpv4VipIsAProbe) {
  const Bytes bytes = question(kVip4, kEth0, std::nullopt).value();
  const auto frame = ethernet::parse(bytes);
  ASSERT_TRUE(frame);
  EXPECT_TRUE(frame->destination == kBroadcast && frame->source == kMe);
  EXPECT_EQ(std::get<arp::Packet>(arp::parse(frame->payload)), (arp::Packet{arp::Op::request, kMe, Ip4{}, Mac{}, kVip4.v4()}));
}

TEST(Question, OfAnIpv6VipComesFromAnAddressOfOursAsOtherwiseAllNodesWouldHearTheAnswer) {
  EXPECT_FALSE(question(kVip6, kEth0, std::nullopt));
  const Ip6 asker = ip("fe80::1").v6();
  const Bytes bytes = question(kVip6, kEth0, asker).value();
  const auto frame = ethernet::parse(bytes);
  ASSERT_TRUE(frame);
  EXPECT_TRUE(frame->destination == (Mac{{0x33, 0x33, 0xff, 0, 2, 0}}) && frame->source == kMe);
  EXPECT_EQ(std::get<ndp::Packet>(ndp::parse(frame->payload)),
            (ndp::Packet{ndp::Type::solicitation, asker, ip("ff02::1:ff00:200").v6(), kVip6.v6(), false, false, false, kMe}));
  // Who has the address answers us alone: to the advertisement of RFC 4861 section 7.2.4 that makes of it.
  const auto reply = answer(bytes, {IfIndex{2}, "eth0", kStranger}, [](const Ip& vip, const Interface&) { return vip == kVip6; });
  ASSERT_TRUE(std::holds_alternative<Bytes>(reply));
  EXPECT_EQ(ethernet::parse(std::get<Bytes>(reply))->destination, kMe);
  EXPECT_EQ(claimed(std::get<Bytes>(reply)), by(kVip6));
}

struct World {
  World() { claims.start(kVip4, clock.now()); }
  bool note(Duration after, const Ip& vip = kVip4, const Mac& who = kStranger) {
    clock.advance(after);
    return claims.note(by(vip, who), clock.now());
  }
  test::ManualClock clock;
  ForeignClaims claims;
};

TEST(ForeignClaims, AClaimThatLastsIsTold) {
  World w;
  EXPECT_FALSE(w.note(1min)) << "the first";
  EXPECT_FALSE(w.note(ForeignClaims::kPersist - 1ns)) << "too soon";
  EXPECT_TRUE(w.note(1ns));
  EXPECT_EQ(w.claims.counts(), (std::vector<ForeignClaims::Count>{{kVip4, kStranger, 3}}));
}

TEST(ForeignClaims, ABurstOfAnotherSpeakerIsNot) {
  World w;
  w.clock.advance(1min);
  for (Duration t{}; t <= kBurstLength; t += 100ms) {
    EXPECT_FALSE(w.note(100ms));
    EXPECT_FALSE(w.note(0s));
  }
  // It was the new owner's, and we stop when we hear of it; when the VIP comes back nothing of that counts.
  w.claims.stop(kVip4);
  EXPECT_FALSE(w.note(1min)) << "nobody's";
  EXPECT_TRUE(w.claims.counts().empty());
  w.claims.start(kVip4, w.clock.now());
  for (Duration t{}; t + 1s < ForeignClaims::kHandOver; t += 1s) EXPECT_FALSE(w.note(1s)) << "the former owner's last words";
  EXPECT_TRUE(w.claims.counts().empty());
  EXPECT_FALSE(w.note(1s));
  EXPECT_EQ(w.claims.counts().size(), 1U);
}

TEST(ForeignClaims, ToldAgainAfterTenMinutesEachStationByItself) {
  World w;
  w.note(1min);
  EXPECT_TRUE(w.note(ForeignClaims::kPersist));
  int told = 0;
  for (Duration t{}; t < 30min; t += 30s) told += w.note(30s) ? 1 : 0;
  EXPECT_EQ(told, 3);
  EXPECT_FALSE(w.note(0s, kVip4, mac(77)));
  EXPECT_TRUE(w.note(ForeignClaims::kPersist, kVip4, mac(77)));
}

TEST(ForeignClaims, OneThatWasSilentForLongBeginsAnew) {
  World w;
  w.note(1min);
  EXPECT_FALSE(w.note(ForeignClaims::kForgetAfter + 1ns));
  EXPECT_TRUE(w.note(ForeignClaims::kForgetAfter)) << "and no silence is too long before that";
}

TEST(ForeignClaims, AsksAfterTheHandOverThenEveryMinuteAndTenSecondsAfterAFirstClaim) {
  World w;
  const TimePoint start = w.clock.now();
  EXPECT_EQ(*w.claims.next() - start, ForeignClaims::kHandOver);
  EXPECT_TRUE(w.claims.due(start + ForeignClaims::kHandOver - 1ns).empty());
  w.clock.advance(ForeignClaims::kHandOver);
  EXPECT_EQ(w.claims.due(w.clock.now()), std::vector<Ip>{kVip4});
  EXPECT_EQ(*w.claims.next() - w.clock.now(), ForeignClaims::kAskEvery);
  w.note(5s);
  EXPECT_EQ(*w.claims.next() - w.clock.now(), ForeignClaims::kPersist);
  w.note(1s);  // does not move it
  EXPECT_EQ(*w.claims.next() - w.clock.now(), ForeignClaims::kPersist - 1s);
  w.clock.advance(ForeignClaims::kPersist - 1s);
  EXPECT_EQ(w.claims.due(w.clock.now()), std::vector<Ip>{kVip4});
  EXPECT_TRUE(w.note(1ms)) << "the answer";
  EXPECT_EQ(*w.claims.next() - w.clock.now(), ForeignClaims::kAskEvery - 1ms);
  w.claims.stop(kVip4);
  EXPECT_FALSE(w.claims.next());
}

TEST(ForeignClaims, ThousandsAreAskedForInPartsAndNoneIsLeftOut) {
  test::ManualClock clock;
  ForeignClaims claims;
  for (std::uint32_t i = 0; i < 2000; ++i) claims.start(Ip(Ip4::of(0x0a000000 + i)), clock.now());
  std::map<Ip, int> asked;
  const TimePoint end = clock.now() + ForeignClaims::kHandOver + 500s;
  while (*claims.next() < end) {
    ASSERT_TRUE(*claims.next() > clock.now()) << "between two parts the loop does other things";
    clock.advance(*claims.next() - clock.now());
    const auto part = claims.due(clock.now());
    EXPECT_LE(part.size(), ForeignClaims::kAskAtOnce);
    EXPECT_TRUE(claims.due(clock.now()).empty()) << "a second has only so many";
    for (const Ip& vip : part) ++asked[vip];
  }
  EXPECT_EQ(asked.size(), 2000U);
  for (const auto& [vip, times] : asked) EXPECT_EQ(times, 2) << vip.str();
}

Mac numbered(std::uint32_t n) {
  return Mac{{0x06, 0, static_cast<std::uint8_t>(n >> 24), static_cast<std::uint8_t>(n >> 16), static_cast<std::uint8_t>(n >> 8),
              static_cast<std::uint8_t>(n)}};
}

TEST(ForeignClaims, AFloodOfHardwareAddressesForOneVipLeavesTheOthersAlone) {
  World w;
  w.claims.start(kVip6, w.clock.now());
  w.note(1min, kVip6);
  for (std::uint32_t i = 0; i < 10'000; ++i) w.note(1ms, kVip4, numbered(i));
  EXPECT_EQ(w.claims.counts().size(), ForeignClaims::kMostOfVip + 1);
  EXPECT_TRUE(w.note(ForeignClaims::kPersist, kVip6));
  EXPECT_EQ(w.claims.uncounted() + ForeignClaims::kMostOfVip, 10'000U);
  // Those that are not heard again make room.
  w.note(ForeignClaims::kKeep, kVip4);
  EXPECT_EQ(w.claims.counts().size(), ForeignClaims::kMostOfVip + 1);
  EXPECT_TRUE(w.note(ForeignClaims::kPersist, kVip4));
}

TEST(ForeignClaims, MemoryAndTellingAreBoundedWhateverIsSent) {
  test::ManualClock clock;
  ForeignClaims claims;
  std::vector<Ip> vips;
  for (std::uint32_t i = 0; i < 300; ++i) {
    vips.push_back(Ip(Ip4::of(0x0a000000 + i)));
    claims.start(vips.back(), clock.now());
  }
  clock.advance(1min);
  std::mt19937 random(3);
  std::uint64_t sent = 0, told = 0;
  const TimePoint end = clock.now() + ForeignClaims::kAgain;
  for (; clock.now() < end; clock.advance(1ms), ++sent) {
    // Few enough addresses that many come again.
    told += claims.note(by(vips[random() % vips.size()], numbered(static_cast<std::uint32_t>(random() % 40))), clock.now()) ? 1 : 0;
    if (sent % 1000 != 0) continue;
    claims.due(clock.now());
    ASSERT_LE(claims.counts().size(), ForeignClaims::kMost);
  }
  EXPECT_GT(told, 100U);
  EXPECT_LE(told, ForeignClaims::kMost);
  std::uint64_t counted = claims.uncounted();
  std::map<Ip, std::size_t> of_vip;
  for (const auto& c : claims.counts()) counted += c.claims, ++of_vip[c.vip];
  EXPECT_EQ(counted, sent) << "none is lost";
  for (const auto& [vip, n] : of_vip) EXPECT_LE(n, ForeignClaims::kMostOfVip);
  for (const Ip& vip : vips) claims.stop(vip);
  EXPECT_TRUE(claims.counts().empty());
}

}  // namespace
}  // namespace fairlead::speaker
