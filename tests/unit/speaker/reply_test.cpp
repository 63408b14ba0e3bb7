#include "speaker/core/reply.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "proto/arp/arp.h"
#include "proto/net/ethernet.h"
#include "tests/support/builders.h"
#include "tests/support/golden.h"

namespace fairlead::speaker {
namespace {

using test::ip4;
using test::mac;

const Mac kMe = mac(1);
const Mac kClient = mac(9);
const Interface kEth0{IfIndex{2}, "eth0", kMe};
const Ip4 kVip = ip4("192.0.2.10");
const Ip4 kClientIp = ip4("192.0.2.99");

Bytes frame(arp::Packet packet, Mac destination = kBroadcast, Mac source = kClient, std::uint16_t type = ethernet::kArp) {
  return ethernet::build(destination, source, type, arp::build(packet));
}
arp::Packet who_has() { return {arp::Op::request, kClient, kClientIp, Mac{}, kVip}; }
template <class F>
arp::Packet with(F change) {
  arp::Packet p = who_has();
  change(p);
  return p;
}
Bytes patched(Bytes b, std::size_t at, std::uint8_t v) {
  b.at(at) = v;
  return b;
}

std::variant<Bytes, Ignored> answer(ByteView in) {
  return speaker::answer(in, kEth0, [](const Ip& vip, const Interface& on) { return vip == Ip(kVip) && on.name == "eth0"; });
}

/// What a client at `to` hears: 42 octets and the padding.
Bytes is_at(const Mac& to, const Ip4& to_ip) {
  Bytes out(60, 0);
  auto put = [&out, at = std::size_t{0}](ByteView b) mutable {
    std::copy(b.begin(), b.end(), out.begin() + static_cast<std::ptrdiff_t>(at));
    at += b.size();
  };
  put(to.octets);
  put(kMe.octets);
  put(Bytes{0x08, 0x06, 0x00, 0x01, 0x08, 0x00, 6, 4, 0x00, 0x02});
  put(kMe.octets);
  put(kVip.octets);
  put(to.octets);
  put(to_ip.octets);
  return out;
}

TEST(AnswerArp, Table) {
  using V = std::variant<Bytes, Ignored>;
  const Bytes plain = frame(who_has());
  const struct {
    const char* name;
    Bytes in;
    V want;
  } cases[] = {
      {"request by broadcast", plain, is_at(kClient, kClientIp)},
      {"request to our station", frame(who_has(), kMe), is_at(kClient, kClientIp)},
      {"request to another station", frame(who_has(), mac(5)), Ignored::not_for_us},
      {"request to a group that is not everybody", frame(who_has(), Mac{{1, 0, 0x5e, 0, 0, 1}}), Ignored::not_for_us},
      {"probe", frame(with([](auto& p) { p.sender_ip = {}; })), is_at(kClient, Ip4{})},
      {"target hardware address filled in", frame(with([](auto& p) { p.target_mac = mac(77); })), is_at(kClient, kClientIp)},
      {"relayed: the sender inside counts", frame(who_has(), kBroadcast, mac(8)), is_at(kClient, kClientIp)},
      {"another's announcement of our VIP", frame(with([](auto& p) { p.sender_ip = kVip; })), Ignored::announcement},
      {"another's announcement of its own", frame(with([](auto& p) { p.sender_ip = p.target_ip = kClientIp; })), Ignored::announcement},
      {"reply", frame(with([](auto& p) { p.op = arp::Op::reply; })), Ignored::not_a_request},
      {"gratuitous reply", frame(with([](auto& p) { p.op = arp::Op::reply, p.sender_ip = kVip; })), Ignored::not_a_request},
      {"sent by ourselves", frame(who_has(), kBroadcast, kMe), Ignored::own_frame},
      {"our own address inside another's frame", frame(with([](auto& p) { p.sender_mac = kMe; })), Ignored::own_frame},
      {"sender is a group", frame(with([](auto& p) { p.sender_mac = Mac{{3, 0, 0, 0, 0, 1}}; })), Ignored::bad_sender},
      {"sender is everybody", frame(with([](auto& p) { p.sender_mac = kBroadcast; })), Ignored::bad_sender},
      {"sender is zero", frame(with([](auto& p) { p.sender_mac = Mac{}; })), Ignored::bad_sender},
      {"another address", frame(with([](auto& p) { p.target_ip = ip4("192.0.2.11"); })), Ignored::not_our_vip},
      {"VLAN tag", frame(who_has(), kBroadcast, kClient, 0x8100), Ignored::other_protocol},
      {"IPv4", frame(who_has(), kBroadcast, kClient, 0x0800), Ignored::other_protocol},
      {"token ring", patched(plain, 15, 6), Ignored::not_ethernet_ipv4},
      {"IPv6 as protocol", patched(plain, 17, 0xdd), Ignored::not_ethernet_ipv4},
      {"hardware length", patched(plain, 18, 8), Ignored::not_ethernet_ipv4},
      {"protocol length", patched(plain, 19, 16), Ignored::not_ethernet_ipv4},
      {"RARP", patched(plain, 21, 3), Ignored::unknown_op},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(answer(c.in), c.want);
  }
}

TEST(AnswerArp, OnlyOnAnInterfaceThatIsAllowed) {
  const Interface other{IfIndex{3}, "eth1", kMe};
  const auto got = speaker::answer(frame(who_has()), other, [](const Ip& vip, const Interface& on) { return vip == Ip(kVip) && on.name == "eth0"; });
  EXPECT_EQ(got, (std::variant<Bytes, Ignored>(Ignored::not_our_vip)));
}

TEST(AnswerArp, PaddingAndTrailersDoNotMatter) {
  Bytes long_one = frame(who_has());
  long_one.resize(200, 0xff);
  EXPECT_EQ(answer(long_one), (std::variant<Bytes, Ignored>(is_at(kClient, kClientIp))));
  EXPECT_EQ(answer(ByteView(long_one).first(42)), (std::variant<Bytes, Ignored>(is_at(kClient, kClientIp))));
}

TEST(AnswerArp, EveryShorterFrameIsTruncated) {
  const Bytes whole = frame(who_has());
  for (std::size_t n = 0; n < 42; ++n) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
    EXPECT_EQ(answer(cut), (std::variant<Bytes, Ignored>(Ignored::truncated))) << n;
  }
}

TEST(AnswerArp, RandomFramesAreSafeAndAnswersGoToTheirSender) {
  std::mt19937 random(11);
  const Bytes whole = frame(who_has());
  int answered = 0;
  for (int round = 0; round < 200'000; ++round) {
    Bytes b = whole;
    const int flips = static_cast<int>(random() % 3);
    for (int i = 0; i < flips; ++i) b[random() % b.size()] = static_cast<std::uint8_t>(random());
    if (random() % 4 == 0) b.resize(random() % b.size());
    const auto got = answer(b);
    const auto* reply = std::get_if<Bytes>(&got);
    if (reply == nullptr) continue;
    ++answered;
    ASSERT_EQ(reply->size(), 60U);
    EXPECT_TRUE(std::equal(reply->begin(), reply->begin() + 6, b.begin() + 22)) << "to the sender's hardware address";
    EXPECT_EQ((*reply)[0] & 1, 0) << "never to a group";
    EXPECT_TRUE(std::equal(reply->begin() + 6, reply->begin() + 12, kMe.octets.begin()));
    EXPECT_TRUE(std::equal(reply->begin() + 28, reply->begin() + 32, kVip.octets.begin()));
  }
  EXPECT_GT(answered, 10'000);
}

TEST(GratuitousArp, ExactFrames) {
  const auto frames = announcement(kVip, kEth0);
  ASSERT_EQ(frames.size(), 2U) << "some stations learn from requests, some from replies";
  test::expect_golden("speaker/golden/gratuitous_request.hex", "192.0.2.10 is at 02:00:00:00:00:01: request to everybody", frames[0]);
  test::expect_golden("speaker/golden/gratuitous_reply.hex", "192.0.2.10 is at 02:00:00:00:00:01: reply to everybody", frames[1]);
  for (const Bytes& f : frames) {
    const auto eth = ethernet::parse(f);
    ASSERT_TRUE(eth.has_value());
    EXPECT_EQ(eth->destination, kBroadcast);
    const auto packet = std::get<arp::Packet>(arp::parse(eth->payload));
    EXPECT_EQ(packet.sender_ip, kVip);
    EXPECT_EQ(packet.target_ip, kVip);
    EXPECT_EQ(packet.sender_mac, kMe);
  }
}

TEST(GratuitousArp, NobodyOfUsAnswersAnothersBurst) {
  const Interface other{IfIndex{2}, "eth0", mac(2)};
  for (const Bytes& f : announcement(kVip, other)) EXPECT_TRUE(std::holds_alternative<Ignored>(answer(f)));
}

TEST(Ignored, EveryReasonHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kIgnoredReasons; ++i) names.insert(name(static_cast<Ignored>(i)));
  EXPECT_EQ(names.size(), kIgnoredReasons);
  EXPECT_FALSE(names.contains("unknown"));
  EXPECT_EQ(name(static_cast<Ignored>(kIgnoredReasons)), "unknown");
}

}  // namespace
}  // namespace fairlead::speaker
