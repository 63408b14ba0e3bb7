#include "controller/core/allocator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/controller/world.h"

namespace fairlead::controller::core {
namespace {

using testing::ElementsAre;

std::vector<std::string> drain(const api::IPAddressPool& p, Family family, std::size_t most) {
  const Pools pools(std::vector{&p}, {});
  Allocator a(pools);
  const kube::Service s = service("s");
  std::vector<std::string> out;
  while (out.size() < most) {
    const auto address = a.assign_from(0, family, s);
    if (!address) break;
    out.push_back(address->str());
  }
  return out;
}

TEST(Allocator, GivesTheLowestFreeAddressInTheOrderOfTheRanges) {
  const auto p = pool("a", {"10.0.9.0/31", "10.0.0.255-10.0.1.1", "fd00::/127"});
  EXPECT_THAT(drain(p, Family::v4, 99), ElementsAre("10.0.9.0", "10.0.9.1", "10.0.0.255", "10.0.1.0", "10.0.1.1"));
  EXPECT_THAT(drain(p, Family::v6, 99), ElementsAre("fd00::", "fd00::1"));
}

TEST(Allocator, AvoidsBuggyAddressesOfIPv4Only) {
  auto p = pool("a", {"10.0.0.254-10.0.1.1", "fd00::ff/128", "fd00::/128"});
  p.avoid_buggy_ips = true;
  EXPECT_THAT(drain(p, Family::v4, 99), ElementsAre("10.0.0.254", "10.0.1.1"));
  EXPECT_THAT(drain(p, Family::v6, 99), ElementsAre("fd00::ff", "fd00::"));
}

TEST(Allocator, TheLastAddressOfAFamilyEndsTheSearch) {
  EXPECT_THAT(drain(pool("a", {"255.255.255.254/31"}), Family::v4, 99),
              ElementsAre("255.255.255.254", "255.255.255.255"));
}

TEST(Allocator, WhatIsReleasedIsTheNextToBeGiven) {
  const auto p = pool("a", {"10.0.0.0/30", "10.0.9.0/30"});
  const Pools pools(std::vector{&p}, {});
  Allocator a(pools);
  const kube::Service s = service("s");
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(a.assign_from(0, Family::v4, s));
  EXPECT_FALSE(a.assign_from(0, Family::v4, s));
  EXPECT_EQ(a.assigned(0)[0], 8);
  a.release(ip("10.0.9.1"));
  a.release(ip("10.0.0.2"));
  a.release(ip("10.0.0.2"));  // not in use: nothing happens
  EXPECT_EQ(a.assigned(0)[0], 6);
  EXPECT_EQ(a.assign_from(0, Family::v4, s), ip("10.0.0.2"));
  EXPECT_EQ(a.assign_from(0, Family::v4, s), ip("10.0.9.1"));
  EXPECT_FALSE(a.assign_from(0, Family::v4, s));
}

TEST(Allocator, AnAddressIsTakenOnce) {
  const auto p = pool("a", {"10.0.0.0/30"});
  const Pools pools(std::vector{&p}, {});
  Allocator a(pools);
  const kube::Service s = service("s"), t = service("t");
  EXPECT_TRUE(a.take(ip("10.0.0.0"), s));
  EXPECT_FALSE(a.take(ip("10.0.0.0"), t));
  EXPECT_EQ(a.user(ip("10.0.0.0")), &s);
  EXPECT_EQ(a.assign_from(0, Family::v4, t), ip("10.0.0.1"));
}

struct Choice {
  const char* name;
  std::vector<api::IPAddressPool> pools;
  Wanted wanted;
  std::string want;  // "pool: addresses", or the label of the reason
};

TEST(Allocator, ChoosesThePool) {
  const auto pinned = [](api::IPAddressPool p, int priority, std::vector<std::string> namespaces) {
    p.service_allocation = allocation(std::move(namespaces), {}, {}, priority);
    return p;
  };
  const auto manual = [](api::IPAddressPool p) {
    p.auto_assign = false;
    return p;
  };
  const Wanted v4{{Family::v4}, false};
  const Wanted prefer{{Family::v4, Family::v6}, false};
  const Wanted prefer6{{Family::v6, Family::v4}, false};
  const Wanted require{{Family::v4, Family::v6}, true};
  const auto a4 = pool("a", {"10.0.0.0/30"});
  const auto b4 = pool("b", {"10.0.1.0/30"});
  const auto c6 = pool("c", {"fd00::/64"});
  const auto d46 = pool("d", {"10.0.2.0/30", "fd01::/64"});
  const Choice cases[] = {
      {"none", {}, v4, "no_pool"},
      {"by name", {b4, a4}, v4, "a: 10.0.0.0"},
      {"not by itself", {manual(a4), b4}, v4, "b: 10.0.1.0"},
      {"nothing by itself", {manual(a4)}, v4, "no_pool"},
      {"pinned comes first", {a4, pinned(b4, 0, {"default"})}, v4, "b: 10.0.1.0"},
      {"pinned to somebody else", {pinned(b4, 0, {"other"})}, v4, "no_pool_serves"},
      {"pinned to somebody else, and one for all", {a4, pinned(b4, 1, {"other"})}, v4, "a: 10.0.0.0"},
      {"an empty serviceAllocation serves all", {a4, pinned(b4, 0, {})}, v4, "b: 10.0.1.0"},
      {"lower priority wins", {pinned(a4, 20, {}), pinned(b4, 10, {})}, v4, "b: 10.0.1.0"},
      {"zero is last", {pinned(a4, 0, {}), pinned(b4, 10, {})}, v4, "b: 10.0.1.0"},
      {"ties by name", {pinned(b4, 10, {}), pinned(a4, 10, {})}, v4, "a: 10.0.0.0"},
      {"pinned of the wrong family falls through", {a4, pinned(c6, 1, {})}, v4, "a: 10.0.0.0"},
      {"no pool of the family", {c6}, v4, "no_pool_of_family"},
      {"prefer: a pool with both", {a4, c6, d46}, prefer, "d: 10.0.2.0 fd01::"},
      {"prefer: IPv4 first whatever the primary family", {d46}, prefer6, "d: 10.0.2.0 fd01::"},
      {"prefer: never two pools", {a4, c6}, prefer, "a: 10.0.0.0"},
      {"prefer: the primary family", {a4, c6}, prefer6, "c: fd00::"},
      {"prefer: else the other", {c6}, prefer, "c: fd00::"},
      {"require: both from one", {a4, c6, d46}, require, "d: 10.0.2.0 fd01::"},
      {"require: or nothing", {a4, c6}, require, "no_pool_of_family"},
  };
  const kube::Service s = service("s");
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    std::vector<const api::IPAddressPool*> all;
    for (const auto& p : c.pools) all.push_back(&p);
    const Pools pools(all, {});
    Allocator a(pools);
    const auto answer = a.assign(s, c.wanted, {});
    std::string got;
    if (const auto* reason = std::get_if<Reason>(&answer)) {
      got = label(*reason);
    } else {
      const auto& given = std::get<Allocator::Given>(answer);
      got = pools.valid()[given.pool]->meta.name + ":";
      for (const Ip& i : given.ips) got += " " + i.str();
    }
    EXPECT_EQ(got, c.want);
  }
}

TEST(Allocator, AFullPoolIsNotTheSameAsNone) {
  const auto p = pool("a", {"10.0.0.0/32"});
  const Pools pools(std::vector{&p}, {});
  Allocator a(pools);
  const kube::Service s = service("s");
  EXPECT_TRUE(std::holds_alternative<Allocator::Given>(a.assign(s, {{Family::v4}, false}, {})));
  EXPECT_EQ(std::get<Reason>(a.assign(s, {{Family::v4}, false}, {})), Reason::pools_exhausted);
}

TEST(ClusterIps, StartAtTenThenTakeTheLowOnes) {
  const struct {
    const char* cidr;
    std::size_t count;
    const char* first;
    const char* last;
  } cases[] = {
      {"10.96.0.0/28", 14, "10.96.0.10", "10.96.0.9"},  // 10..14, then 1..9; not 0, not 15
      {"10.96.0.0/29", 6, "10.96.0.1", "10.96.0.6"},
      {"10.96.0.0/30", 2, "10.96.0.1", "10.96.0.2"},
      {"10.96.0.0/31", 0, "", ""},
      {"10.96.0.0/32", 0, "", ""},
      {"fd00::/124", 15, "fd00::a", "fd00::9"},  // the last one of IPv6 is no broadcast
      {"fd00::/128", 0, "", ""},
  };
  const kube::Service s = service("s");
  for (const auto& c : cases) {
    SCOPED_TRACE(c.cidr);
    ClusterIps all(std::vector{prefix(c.cidr)});
    const Family f = prefix(c.cidr).base.family();
    std::vector<std::string> got;
    std::set<std::string> distinct;
    while (const auto address = all.assign(f, s)) {
      got.push_back(address->str());
      distinct.insert(got.back());
    }
    EXPECT_EQ(got.size(), c.count);
    EXPECT_EQ(distinct.size(), c.count);
    EXPECT_EQ(all.offers(f), c.count > 0);
    if (c.count == 0) continue;
    EXPECT_EQ(got.front(), c.first);
    EXPECT_EQ(got.back(), c.last);
  }
}

TEST(NodePorts, StartAboveTheBandAndWrapForEachProtocol) {
  NodePorts ports({30000, 32767});
  const kube::Service s = service("s"), t = service("t");
  EXPECT_EQ(ports.take(Protocol::tcp, Port{30087}, t), nullptr);
  EXPECT_EQ(ports.take(Protocol::tcp, Port{30087}, s), &t);
  EXPECT_EQ(ports.assign(Protocol::tcp, s), Port{30086});
  EXPECT_EQ(ports.assign(Protocol::tcp, s), Port{30088});
  EXPECT_EQ(ports.assign(Protocol::udp, s), Port{30086});
  for (int i = 30089; i <= 32767; ++i) ASSERT_EQ(ports.assign(Protocol::tcp, s)->value, i);
  EXPECT_EQ(ports.assign(Protocol::tcp, s), Port{30000});
  for (int i = 30001; i <= 30085; ++i) ASSERT_EQ(ports.assign(Protocol::tcp, s)->value, i);
  EXPECT_EQ(ports.assign(Protocol::tcp, s), std::nullopt);
}

TEST(NodePorts, ASmallRangeHasNoBand) {
  NodePorts ports({65535, 65535});
  const kube::Service s = service("s");
  EXPECT_EQ(ports.assign(Protocol::tcp, s), Port{65535});
  EXPECT_EQ(ports.assign(Protocol::tcp, s), std::nullopt);
}

}  // namespace
}  // namespace fairlead::controller::core
