#include "speaker/core/reach.h"

#include <gtest/gtest.h>

#include "tests/support/builders.h"

namespace fairlead::speaker {
namespace {

using namespace test;

Announcement announced(std::string_view vip, std::vector<std::string> interfaces = {}) {
  Announcement a;
  a.vip = ip(vip);
  a.node = "n1";
  a.interfaces = std::move(interfaces);
  a.pool = named("main");
  a.advertisements = {named("l2")};
  return a;
}
Reach reach(std::string interface, std::initializer_list<std::string_view> prefixes) {
  Reach out{std::move(interface), {}};
  for (const auto p : prefixes) out.prefixes.push_back(prefix(p));
  return out;
}
const std::vector<Reach> kTwo = {reach("eth0", {"192.0.2.0/24", "2001:db8::/64", "fe80::/64"}), reach("eth1", {"198.51.100.0/24"})};

std::vector<std::string_view> troubles(const Announcement& a, const std::vector<Reach>& reaches = kTwo, std::string_view node = "n1") {
  std::vector<std::string_view> out;
  for (const Complaint& c : complaints(named("web"), std::vector{a}, node, reaches)) out.push_back(name(c.trouble));
  return out;
}

TEST(Complaints, Table) {
  using Names = std::vector<std::string_view>;
  const Names none, off{"VipNotOnSegment"}, nowhere{"NoInterface"};
  const struct {
    const char* name;
    Announcement a;
    std::vector<Reach> reaches;
    Names want;
  } cases[] = {
      {"on the segment", announced("192.0.2.10"), kTwo, none},
      {"on one of two", announced("198.51.100.10"), kTwo, none},
      {"IPv6 on the segment", announced("2001:db8::10"), kTwo, none},
      {"outside of all", announced("203.0.113.10"), kTwo, off},
      {"IPv6 outside of all", announced("2001:db8:1::10"), kTwo, off},
      {"on an interface that it may not use", announced("192.0.2.10", {"eth1"}), kTwo, off},
      {"on the one it may use", announced("192.0.2.10", {"eth0", "eth9"}), kTwo, none},
      {"none of those it may use", announced("192.0.2.10", {"eth8", "eth9"}), kTwo, nowhere},
      {"no interface at all", announced("192.0.2.10"), {}, nowhere},
      {"an interface without addresses", announced("192.0.2.10"), {reach("eth0", {})}, off},
      {"an interface of the other family", announced("2001:db8::10"), {reach("eth1", {"198.51.100.0/24"})}, off},
      {"a host's prefix", announced("192.0.2.10"), {reach("eth0", {"192.0.2.1/32"})}, off},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(troubles(c.a, c.reaches), c.want);
  }
}

TEST(Complaints, OnlyAboutWhatThisNodeAnnounces) {
  EXPECT_TRUE(troubles(announced("203.0.113.10"), kTwo, "n2").empty());
  Announcement refused = announced("203.0.113.10");
  refused.reason = Reason::no_advertisement;
  EXPECT_TRUE(troubles(refused).empty());
}

TEST(Complaints, WhatNobodyAnnouncesIsToldByOne) {
  Announcement a = announced("192.0.2.10");
  a.node.clear();
  a.reason = Reason::no_eligible_node;
  a.teller = "n2";
  a.what = "192.0.2.10 is announced by nobody: Node n1 is not Ready";
  EXPECT_TRUE(complaints(named("web"), std::vector{a}, "n1", kTwo).empty());
  const auto told = complaints(named("web"), std::vector{a}, "n2", kTwo);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(name(told[0].trouble), "NoEligibleNode");
  EXPECT_EQ(told[0].what, a.what);
}

TEST(Complaints, TheSentenceNamesObjectFieldAndRemedy) {
  const auto off = complaints(named("web"), std::vector{announced("203.0.113.10")}, "n1", kTwo);
  ASSERT_EQ(off.size(), 1U);
  EXPECT_EQ(off[0].what,
            "203.0.113.10 is outside of every prefix of the interfaces of Node n1 that it is announced on (eth0: 192.0.2.0/24, eth1: "
            "198.51.100.0/24), so only neighbours with a route to it will ask for it; put addresses of the segment into spec.addresses "
            "of IPAddressPool default/main, or choose Nodes and interfaces of its segment in L2Advertisement default/l2");
  const auto nowhere = complaints(named("web"), std::vector{announced("192.0.2.10", {"eth8", "eth9"})}, "n1", kTwo);
  ASSERT_EQ(nowhere.size(), 1U);
  EXPECT_EQ(nowhere[0].what,
            "192.0.2.10 is announced by nobody: Node n1 has none of spec.interfaces (eth8, eth9) of L2Advertisement default/l2 that is up "
            "and fit (there: eth0, eth1); name one that it has, or leave the Node out by spec.nodeSelectors");
  const auto v6 = complaints(named("web"), std::vector{announced("2001:db8:1::10", {"eth1"})}, "n1", kTwo);
  ASSERT_EQ(v6.size(), 1U);
  EXPECT_NE(v6[0].what.find("(eth1: no IPv6 address)"), std::string::npos) << v6[0].what;
}

TEST(Complaints, EachVipForItself) {
  const auto both = complaints(named("web"), std::vector{announced("203.0.113.10"), announced("192.0.2.10"), announced("2001:db8:1::10")}, "n1", kTwo);
  ASSERT_EQ(both.size(), 2U);
  EXPECT_EQ(both[0].vip, ip("203.0.113.10"));
  EXPECT_EQ(both[1].vip, ip("2001:db8:1::10"));
}

TEST(Trouble, HasANameForEventsAndALabelForLogs) {
  EXPECT_EQ(name(Trouble::vip_not_on_segment), "VipNotOnSegment");
  EXPECT_EQ(name(Trouble::no_interface), "NoInterface");
  EXPECT_EQ(label(Trouble::vip_not_on_segment), "vip_not_on_segment");
  EXPECT_EQ(label(Trouble::no_interface), "no_interface");
}

}  // namespace
}  // namespace fairlead::speaker
