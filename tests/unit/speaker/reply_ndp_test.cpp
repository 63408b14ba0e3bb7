#include <gtest/gtest.h>

#include <random>

#include "proto/ndp/ndp.h"
#include "proto/net/ethernet.h"
#include "speaker/core/reply.h"
#include "tests/support/builders.h"
#include "tests/support/golden.h"

namespace fairlead::speaker {
namespace {

using test::mac;
using Outcome = std::variant<Bytes, Ignored>;

Ip6 ip6(std::string_view text) { return test::ip(text).v6(); }

const Mac kMe = mac(1);
const Mac kClient = mac(9);
const Ip6 kVip = ip6("2001:db8::200");
const Ip6 kGroup = ip6("ff02::1:ff00:200");
const Ip6 kClientIp = ip6("2001:db8::9");
const Mac kGroupMac = Mac{{0x33, 0x33, 0xff, 0, 2, 0}};
const Mac kAllNodesMac = Mac{{0x33, 0x33, 0, 0, 0, 1}};

Interface eth0(bool is_router = false) { return {IfIndex{2}, "eth0", kMe, is_router}; }

Outcome answer(ByteView in, const Interface& on = eth0()) {
  return speaker::answer(in, on, [](const Ip& vip, const Interface& where) { return vip == Ip(kVip) && where.name == "eth0"; });
}

/// fe80::9 and 2001:db8::9 ask alike; the group, and their hardware address as an option.
ndp::Packet who_has() { return {ndp::Type::solicitation, kClientIp, kGroup, kVip, false, false, false, kClient}; }
template <class F>
ndp::Packet with(F change) {
  ndp::Packet p = who_has();
  change(p);
  return p;
}
Bytes frame(const ndp::Packet& p, const Mac& destination = kGroupMac, const Mac& source = kClient) {
  return ethernet::build(destination, source, ethernet::kIpv6, ndp::build(p));
}
Bytes patched(Bytes b, std::size_t at, std::uint8_t v) {
  b.at(at) = v;
  return b;
}

/// The 86 octets that say "2001:db8::200 is at 02:00:00:00:00:01", to one or to all.
Bytes is_at(const Mac& to_mac, const Ip6& to, std::uint8_t flags) {
  ndp::Packet p{ndp::Type::advertisement, kVip, to, kVip, (flags & 0x80) != 0, (flags & 0x40) != 0, (flags & 0x20) != 0, kMe};
  return ethernet::build(to_mac, kMe, ethernet::kIpv6, ndp::build(p));
}
constexpr std::uint8_t kSolicited = 0x40, kOverride = 0x20, kRouter = 0x80;

TEST(AnswerNdp, Table) {
  const Bytes to_client = is_at(kClient, kClientIp, kSolicited | kOverride);
  const Bytes to_all = is_at(kAllNodesMac, ndp::kAllNodes, kOverride);
  const Bytes plain = frame(who_has());
  const auto probe = with([](auto& p) { p.source = Ip6{}, p.link_address.reset(); });
  const struct {
    const char* name;
    Bytes in;
    Outcome want;
  } cases[] = {
      {"to the group", plain, to_client},
      {"from a link-local address", frame(with([](auto& p) { p.source = ip6("fe80::9"); })), is_at(kClient, ip6("fe80::9"), kSolicited | kOverride)},
      {"to us alone: is it still there?", frame(with([](auto& p) { p.destination = kVip; }), kMe), to_client},
      {"to us alone and without the option", frame(with([](auto& p) { p.destination = kVip, p.link_address.reset(); }), kMe), to_client},
      {"to the group without the option", frame(with([](auto& p) { p.link_address.reset(); })), to_client},
      {"to all nodes", frame(with([](auto& p) { p.destination = ndp::kAllNodes; }), kAllNodesMac), to_client},
      {"a group's packet to our station (RFC 6085)", frame(who_has(), kMe), to_client},
      {"the option and not the frame says who asks", frame(who_has(), kGroupMac, mac(8)), to_client},
      {"duplicate address detection", frame(probe), to_all},
      {"the same to our station", frame(probe, kMe), to_all},
      {"unicast to another station", frame(with([](auto& p) { p.destination = kVip; }), mac(5)), Ignored::not_for_us},
      {"a frame to everybody", frame(who_has(), kBroadcast), Ignored::not_for_us},
      {"another group's frame", frame(who_has(), Mac{{0x33, 0x33, 0xff, 0, 2, 1}}), Ignored::not_for_us},
      {"unicast inside of a group's frame", frame(with([](auto& p) { p.destination = kVip; })), Ignored::not_for_us},
      {"sent by ourselves", frame(who_has(), kGroupMac, kMe), Ignored::own_frame},
      {"our hardware address inside", frame(with([](auto& p) { p.link_address = kMe; })), Ignored::own_frame},
      {"who asks is a group", frame(with([](auto& p) { p.link_address = kGroupMac; })), Ignored::bad_sender},
      {"who asks is zeros", frame(with([](auto& p) { p.link_address = Mac{}; })), Ignored::bad_sender},
      {"the frame of a group, without option", frame(with([](auto& p) { p.link_address.reset(); }), kGroupMac, Mac{{3, 0, 0, 0, 0, 1}}), Ignored::bad_sender},
      {"from the VIP itself", frame(with([](auto& p) { p.source = kVip; })), Ignored::announcement},
      {"an advertisement", is_at(kMe, kVip, kSolicited), Ignored::own_frame},
      {"another's advertisement", frame(with([](auto& p) { p.type = ndp::Type::advertisement; }), kGroupMac), Ignored::not_a_request},
      {"another address of the same group", frame(with([](auto& p) { p.target = ip6("2001:db8::1:0:200"); })), Ignored::not_our_vip},
      {"another address", frame(with([](auto& p) { p.target = ip6("2001:db8::201"); })), Ignored::not_our_vip},
      {"IPv4 in it", patched(plain, 14, 0x45), Ignored::not_ipv6},
      {"UDP", patched(plain, 20, 17), Ignored::not_icmp6},
      {"hop limit 254", patched(plain, 21, 254), Ignored::bad_hop_limit},
      {"a wrong sum", patched(plain, 57, static_cast<std::uint8_t>(plain[57] ^ 1)), Ignored::bad_checksum},
      {"VLAN tag", patched(patched(plain, 12, 0x81), 13, 0), Ignored::other_protocol},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(answer(c.in), c.want);
  }
}

TEST(AnswerNdp, EveryDropOfTheCodecKeepsItsName) {
  // The names are labels of one metric: the two enums must not drift apart.
  for (int i = 0; i <= static_cast<int>(ndp::Drop::probe_with_link_address); ++i) {
    const auto drop = ndp::name(static_cast<ndp::Drop>(i));
    bool is_found = false;
    for (std::size_t k = 0; k < kIgnoredReasons; ++k) is_found = is_found || name(static_cast<Ignored>(k)) == drop;
    EXPECT_TRUE(is_found) << drop;
  }
}

TEST(AnswerNdp, ANodeThatForwardsSaysThatItIsARouter) {
  EXPECT_EQ(answer(frame(who_has()), eth0(true)), Outcome(is_at(kClient, kClientIp, kRouter | kSolicited | kOverride)));
}

TEST(AnswerNdp, OnlyOnAnInterfaceThatIsAllowed) {
  EXPECT_EQ(answer(frame(who_has()), Interface{IfIndex{3}, "eth1", kMe}), Outcome(Ignored::not_our_vip));
}

TEST(AnswerNdp, EveryShorterFrameIsTruncated) {
  const Bytes whole = frame(who_has());
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
    EXPECT_EQ(answer(cut), Outcome(Ignored::truncated)) << n;
  }
}

TEST(AnswerNdp, RandomFramesAreSafeAndAnswersGoToTheirSenderOrToAll) {
  std::mt19937 random(12);
  int answered = 0;
  for (int round = 0; round < 200'000; ++round) {
    const auto packet = with([&](auto& p) {
      if (random() % 4 == 0) p.destination = random() % 2 == 0 ? kVip : ndp::kAllNodes;
      if (random() % 8 == 0) p.source = Ip6{};
      if (random() % 4 == 0 || p.source.is_unspecified()) p.link_address.reset();
      if (random() % 8 == 0) p.target.octets[random() % 16] = static_cast<std::uint8_t>(random());
    });
    const std::array<Mac, 3> to = {kGroupMac, kMe, kAllNodesMac};
    Bytes b = frame(packet, to[random() % 3]);
    for (auto flips = random() % 3; flips > 0; --flips) b[random() % b.size()] = static_cast<std::uint8_t>(random());
    if (random() % 8 == 0) b.resize(random() % b.size());
    const auto got = answer(b);
    const auto* reply = std::get_if<Bytes>(&got);
    if (reply == nullptr) continue;
    ++answered;
    const auto eth = ethernet::parse(*reply);
    ASSERT_TRUE(eth.has_value());
    const auto parsed = ndp::parse(eth->payload);
    ASSERT_TRUE(std::holds_alternative<ndp::Packet>(parsed)) << "what we send is valid";
    const auto& said = std::get<ndp::Packet>(parsed);
    EXPECT_EQ(said.target, kVip);
    EXPECT_EQ(said.link_address, kMe);
    EXPECT_EQ(eth->source, kMe);
    EXPECT_EQ(eth->destination.is_multicast(), !said.is_solicited);
    EXPECT_EQ(eth->destination == kAllNodesMac, said.destination == ndp::kAllNodes);
  }
  EXPECT_GT(answered, 10'000);
}

TEST(UnsolicitedNdp, ExactFrame) {
  const auto frames = announcement(kVip, eth0());
  ASSERT_EQ(frames.size(), 1U);
  test::expect_golden("speaker/golden/unsolicited_advertisement.hex", "2001:db8::200 is at 02:00:00:00:00:01: to all nodes, not solicited, override",
                      frames[0]);
  EXPECT_EQ(frames[0], is_at(kAllNodesMac, ndp::kAllNodes, kOverride));
  EXPECT_EQ(announcement(kVip, eth0(true)), std::vector<Bytes>{is_at(kAllNodesMac, ndp::kAllNodes, kRouter | kOverride)});
}

TEST(UnsolicitedNdp, NobodyOfUsAnswersAnothersBurst) {
  const Interface other{IfIndex{2}, "eth0", mac(2)};
  EXPECT_EQ(answer(announcement(kVip, other)[0]), Outcome(Ignored::not_a_request));
}

TEST(Groups, OfAVip) { EXPECT_EQ(group_of(kVip), kGroup); }

TEST(Tally, CountsAnswersAndNamesReasons) {
  Tally tally;
  EXPECT_EQ(tally.str(), "");
  tally.count(answer(frame(who_has())));
  const Bytes wrong = patched(frame(who_has()), 57, 0);
  for (int i = 0; i < 2; ++i) tally.count(answer(wrong));
  tally.count(answer({}));
  EXPECT_EQ(tally.answered, 1U);
  EXPECT_EQ(tally.str(), "truncated=1 bad_checksum=2");
}

}  // namespace
}  // namespace fairlead::speaker
