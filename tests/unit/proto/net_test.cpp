#include <gtest/gtest.h>

#include "proto/net/ethernet.h"
#include "proto/net/ip.h"
#include "proto/net/mac.h"
#include "proto/net/prefix.h"

namespace fairlead {
namespace {

std::string shown(const std::optional<Ip>& ip) { return ip ? ip->str() : "none"; }

TEST(Prefix, WhatLiesInsideAnotherAddsNothing) {
  const auto all = [](std::initializer_list<const char*> texts) {
    std::vector<Prefix> out;
    for (const char* t : texts) out.push_back(parse_prefix(t).value());
    return out;
  };
  EXPECT_EQ(without_nested({}), all({}));
  EXPECT_EQ(without_nested(all({"10.1.0.0/16", "10.0.0.0/8", "10.0.0.0/24", "10.255.255.255/32", "11.0.0.0/8", "10.0.0.0/8"})), all({"10.0.0.0/8", "11.0.0.0/8"}));
  EXPECT_EQ(without_nested(all({"::/0", "fd00::/8", "0.0.0.0/0", "192.0.2.0/24"})), all({"0.0.0.0/0", "::/0"}));
  EXPECT_EQ(without_nested(all({"10.0.0.0/25", "10.0.0.128/25"})), all({"10.0.0.0/25", "10.0.0.128/25"})) << "adjacent ones stay";
}

TEST(ParseIp, Table) {
  const struct {
    const char* in;
    const char* strict;
    const char* sloppy;
  } cases[] = {
      {"10.0.0.7", "10.0.0.7", "10.0.0.7"},
      {"255.255.255.255", "255.255.255.255", "255.255.255.255"},
      {"010.0.0.08", "none", "10.0.0.8"},  // decimal: CVE-2021-29923
      {"10.180.00.001", "none", "10.180.0.1"},
      {"256.0.0.1", "none", "none"},
      {"10.0.0", "none", "none"},
      {"10.0.0.7.1", "none", "none"},
      {"10.0.0.7 ", "none", "none"},
      {" 10.0.0.7", "none", "none"},
      {"10.0.0.-7", "none", "none"},
      {"+1.0.0.7", "none", "none"},
      {"0x0a.0.0.7", "none", "none"},
      {"10..0.7", "none", "none"},
      {"99999999999.0.0.1", "none", "none"},
      {"", "none", "none"},
      {"2001:DB8:0:0::7", "2001:db8::7", "2001:db8::7"},
      {"::", "::", "::"},
      {"::ffff:10.0.0.7", "::ffff:10.0.0.7", "::ffff:10.0.0.7"},
      {"fe80::1%eth0", "none", "none"},
      {"2001:db8::/64", "none", "none"},
      {":::", "none", "none"},
      {"1:2:3:4:5:6:7:8:9", "none", "none"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.in);
    EXPECT_EQ(shown(parse_ip(c.in)), c.strict);
    EXPECT_EQ(shown(parse_ip_sloppy(c.in)), c.sloppy);
  }
  EXPECT_EQ(parse_ip(std::string_view("::1\0", 4)), std::nullopt) << "a NUL does not end the text";
}

TEST(Ip, OrderIsNumericAndIpv4ComesFirst) {
  EXPECT_LT(*parse_ip("9.255.255.255"), *parse_ip("10.0.0.0"));
  EXPECT_LT(*parse_ip("255.255.255.255"), *parse_ip("::"));
  EXPECT_NE(*parse_ip("::ffff:10.0.0.7"), *parse_ip("10.0.0.7")) << "a mapped address stays IPv6";
}

TEST(Ip, NextAndPreviousCarryAndStopAtTheEnds) {
  const struct {
    const char* ip;
    const char* next;
    const char* previous;
  } cases[] = {
      {"10.0.0.255", "10.0.1.0", "10.0.0.254"},
      {"10.1.0.0", "10.1.0.1", "10.0.255.255"},
      {"255.255.255.255", "none", "255.255.255.254"},
      {"0.0.0.0", "0.0.0.1", "none"},
      {"2001:db8::ffff", "2001:db8::1:0", "2001:db8::fffe"},
      {"::", "::1", "none"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.ip);
    EXPECT_EQ(shown(next(*parse_ip(c.ip))), c.next);
    EXPECT_EQ(shown(previous(*parse_ip(c.ip))), c.previous);
  }
}

TEST(Unmapped, Table) {
  for (const auto& [in, want] : {std::pair("::ffff:10.0.0.7", "10.0.0.7"), std::pair("::FFFF:a00:7", "10.0.0.7"), std::pair("10.0.0.7", "10.0.0.7"),
                                 std::pair("::10.0.0.7", "::10.0.0.7"), std::pair("::fffe:10.0.0.7", "::fffe:a00:7"), std::pair("1::ffff:10.0.0.7", "1::ffff:a00:7")}) {
    EXPECT_EQ(unmapped(*parse_ip(in)).str(), want) << in;
  }
  for (const auto& [in, want] : {std::pair("::ffff:10.0.0.7/120", "10.0.0.0/24"), std::pair("::ffff:10.0.0.7/128", "10.0.0.7/32"), std::pair("::ffff:0:0/96", "0.0.0.0/0"),
                                 std::pair("::ffff:0:0/95", "::fffe:0:0/95"), std::pair("::/0", "::/0"), std::pair("10.0.0.0/8", "10.0.0.0/8")}) {
    EXPECT_EQ(unmapped(*parse_prefix(in)).str(), want) << in;
  }
}

TEST(Ip, KnowsUnspecifiedAndLoopback) {
  EXPECT_TRUE(parse_ip("0.0.0.0")->is_unspecified());
  EXPECT_TRUE(parse_ip("::")->is_unspecified());
  EXPECT_FALSE(parse_ip("::1")->is_unspecified());
  EXPECT_TRUE(parse_ip("127.9.9.9")->is_loopback());
  EXPECT_TRUE(parse_ip("::1")->is_loopback());
  EXPECT_FALSE(parse_ip("::2")->is_loopback());
  EXPECT_FALSE(parse_ip("128.0.0.1")->is_loopback());
}

TEST(Ip4, NumberIsHostOrder) {
  EXPECT_EQ(Ip4::of(0x0a000007).str(), "10.0.0.7");
  EXPECT_EQ(parse_ip("10.0.0.7")->v4().number(), 0x0a000007U);
}

TEST(ParsePrefix, Table) {
  const struct {
    const char* in;
    const char* want;
  } cases[] = {
      {"10.0.0.0/8", "10.0.0.0/8"},          {"198.51.100.10/24", "198.51.100.0/24"},
      {"203.0.113.000/025", "203.0.113.0/25"}, {"10.1.2.3/0", "0.0.0.0/0"},
      {"10.1.2.3/32", "10.1.2.3/32"},        {"2001:db8::7/64", "2001:db8::/64"},
      {"2001:db8::7/128", "2001:db8::7/128"}, {"10.0.0.7", "none"},
      {"10.0.0.0/33", "none"},               {"::/129", "none"},
      {"10.0.0.0/", "none"},                 {"10.0.0.0/-1", "none"},
      {"10.0.0.0/8x", "none"},               {"/8", "none"},
      {"", "none"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.in);
    const auto prefix = parse_prefix(c.in);
    EXPECT_EQ(prefix ? prefix->str() : "none", c.want);
  }
}

TEST(Prefix, RangeHasBothEnds) {
  EXPECT_EQ(parse_prefix("10.0.0.64/26")->range().str(), "10.0.0.64-10.0.0.127");
  EXPECT_EQ(parse_prefix("2001:db8::/127")->range().str(), "2001:db8::-2001:db8::1");
  EXPECT_EQ(Prefix::host(*parse_ip("10.0.0.7")).range().str(), "10.0.0.7");
  EXPECT_EQ(Prefix::host(*parse_ip("::7")).str(), "::7/128");
}

TEST(IpRange, ContainsAndOverlapsStayWithinAFamily) {
  const IpRange range{*parse_ip("10.0.0.5"), *parse_ip("10.0.0.9")};
  EXPECT_TRUE(range.contains(*parse_ip("10.0.0.5")));
  EXPECT_TRUE(range.contains(*parse_ip("10.0.0.9")));
  EXPECT_FALSE(range.contains(*parse_ip("10.0.0.4")));
  EXPECT_FALSE(range.contains(*parse_ip("10.0.0.10")));
  EXPECT_FALSE(range.contains(*parse_ip("::a00:5")));
  EXPECT_TRUE(range.overlaps({*parse_ip("10.0.0.9"), *parse_ip("10.0.0.20")}));
  EXPECT_FALSE(range.overlaps({*parse_ip("10.0.0.10"), *parse_ip("10.0.0.20")}));
  EXPECT_FALSE(range.overlaps({*parse_ip("::"), *parse_ip("ffff::")}));
}

TEST(Mac, TextAndKinds) {
  EXPECT_EQ((Mac{{0x02, 0, 0, 0, 0xab, 1}}.str()), "02:00:00:00:ab:01");
  EXPECT_TRUE(kBroadcast.is_multicast());
  EXPECT_TRUE((Mac{{1, 0, 0x5e, 0, 0, 1}}.is_multicast()));
  EXPECT_FALSE((Mac{{2, 0, 0, 0, 0, 1}}.is_multicast()));
  EXPECT_TRUE(Mac{}.is_zero());
}

TEST(Ethernet, AFrameIsPaddedAndReadBack) {
  const Bytes payload = {1, 2, 3};
  const Mac to = kBroadcast;
  const Mac from{{2, 0, 0, 0, 0, 1}};
  const Bytes frame = ethernet::build(to, from, ethernet::kArp, payload);
  ASSERT_EQ(frame.size(), 60U);
  const auto read = ethernet::parse(frame);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->destination, to);
  EXPECT_EQ(read->source, from);
  EXPECT_EQ(read->type, 0x0806);
  EXPECT_EQ(read->payload.size(), ethernet::kMinPayload);
  EXPECT_EQ(read->payload[2], 3);
  EXPECT_EQ(read->payload[3], 0);
}

TEST(Ethernet, EveryShorterFrameThanItsHeaderIsRefused) {
  const Bytes frame(14, 0xff);
  for (std::size_t n = 0; n < 14; ++n) EXPECT_FALSE(ethernet::parse(ByteView(frame).first(n))) << n;
  ASSERT_TRUE(ethernet::parse(frame));
  EXPECT_TRUE(ethernet::parse(frame)->payload.empty());
}

}  // namespace
}  // namespace fairlead
