#include "controller/core/allocator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/controller/world.h"

namespace fairlead::controller::core {
namespace {

using testing::ElementsAre;

const Manner kAlone;
User user(const kube::Service& s) { return {&s, &kAlone}; }

std::vector<std::string> drain(const api::IPAddressPool& p, Family family, std::size_t most) {
  const Pools pools(std::vector{&p}, {});
  Allocator a(pools);
  const kube::Service s = service("s");
  std::vector<std::string> out;
  while (out.size() < most) {
    const auto address = a.assign_from(0, family, user(s));
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
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(a.assign_from(0, Family::v4, user(s)));
  EXPECT_FALSE(a.assign_from(0, Family::v4, user(s)));
  EXPECT_EQ(a.assigned(0)[0], 8);
  a.release(ip("10.0.9.1"), s);
  a.release(ip("10.0.0.2"), s);
  a.release(ip("10.0.0.2"), s);  // not in use: nothing happens
  EXPECT_EQ(a.assigned(0)[0], 6);
  EXPECT_EQ(a.assign_from(0, Family::v4, user(s)), ip("10.0.0.2"));
  EXPECT_EQ(a.assign_from(0, Family::v4, user(s)), ip("10.0.9.1"));
  EXPECT_FALSE(a.assign_from(0, Family::v4, user(s)));
}

TEST(Allocator, AnAddressIsTakenOnce) {
  const auto p = pool("a", {"10.0.0.0/30"});
  const Pools pools(std::vector{&p}, {});
  Allocator a(pools);
  const kube::Service s = service("s"), t = service("t");
  EXPECT_FALSE(a.clash(ip("10.0.0.0"), user(s)));
  a.take(ip("10.0.0.0"), user(s));
  const auto clash = a.clash(ip("10.0.0.0"), user(t));
  ASSERT_TRUE(clash);
  EXPECT_EQ(clash->reason, Reason::address_in_use);
  EXPECT_EQ(clash->with, &s);
  EXPECT_EQ(a.assign_from(0, Family::v4, user(t)), ip("10.0.0.1"));
}

/// Three addresses of one key: with ports 1 and 9, with 2 and 9, with 3.
struct SharedAddresses : testing::Test {
  const api::IPAddressPool p = pool("a", {"10.0.0.0/24"});
  const Pools pools{std::vector{&p}, {}};
  Allocator a{pools};
  const kube::Service one = service("one"), two = service("two"), three = service("three"), more = service("more");
  const Manner with_1{"k", "", {1, 9}}, with_2{"k", "", {2, 9}}, with_3{"k", "", {1, 2, 3}};
  SharedAddresses() {
    a.take(ip("10.0.0.4"), {&one, &with_1});
    a.take(ip("10.0.0.5"), {&two, &with_2});
    a.take(ip("10.0.0.6"), {&three, &with_3});
  }
  std::optional<Ip> give(std::vector<std::uint32_t> ports, std::string_view key = "k") {
    const Manner manner{key, "", std::move(ports)};
    const auto out = a.assign_from(0, Family::v4, {&more, &manner});
    if (out) a.release(*out, more);
    return out;
  }
};

TEST_F(SharedAddresses, AreTakenBeforeAFreeOneThatComesLater) {
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(a.assign_from(0, Family::v4, user(one)));  // .0 to .3
  EXPECT_EQ(give({2}), ip("10.0.0.4"));
  EXPECT_EQ(give({1}), ip("10.0.0.5"));
  EXPECT_EQ(give({9}), ip("10.0.0.6")) << "the first two have that port";
  EXPECT_EQ(give({3}), ip("10.0.0.4"));
  EXPECT_EQ(give({1, 2}), ip("10.0.0.7")) << "none has room";
  EXPECT_EQ(give({4}, "other"), ip("10.0.0.7"));
  EXPECT_EQ(give({4}, ""), ip("10.0.0.7"));
}

TEST_F(SharedAddresses, AFreeOneThatComesFirstIsTaken) { EXPECT_EQ(give({4}), ip("10.0.0.0")); }

TEST_F(SharedAddresses, AreSeenAgainWhenSomebodyLeaves) {
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(a.assign_from(0, Family::v4, user(one)));
  const Manner nine{"k", "", {9}};
  a.take(ip("10.0.0.6"), {&more, &nine});
  EXPECT_EQ(a.assigned(0)[0], 7) << "a shared address counts once";
  const kube::Service last = service("last");
  EXPECT_EQ(a.assign_from(0, Family::v4, {&last, &nine}), ip("10.0.0.7"));
  a.release(ip("10.0.0.7"), last);
  a.release(ip("10.0.0.6"), three);  // the first of two: the second keeps the address, and its port
  EXPECT_EQ(a.clash(ip("10.0.0.6"), {&last, &nine})->with, &more);
  a.release(ip("10.0.0.6"), more);
  EXPECT_EQ(a.assign_from(0, Family::v4, {&last, &nine}), ip("10.0.0.6")) << "nobody has it any more";
  a.release(ip("10.0.0.5"), two);
  a.release(ip("10.0.0.4"), one);
  EXPECT_EQ(a.assigned(0)[0], 5);
}

TEST_F(SharedAddresses, RoomThatWasLookedForComesBack) {
  const Manner nine{"k", "", {9}};
  const kube::Service last = service("last");
  a.take(ip("10.0.0.6"), {&more, &nine});
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(a.assign_from(0, Family::v4, user(one)));
  ASSERT_EQ(a.assign_from(0, Family::v4, {&last, &nine}), ip("10.0.0.7")) << "nobody had room for it";
  a.release(ip("10.0.0.7"), last);
  a.release(ip("10.0.0.6"), more);
  EXPECT_EQ(a.assign_from(0, Family::v4, {&last, &nine}), ip("10.0.0.6"));
}

TEST(Allocator, WhatIsHeldDownIsForItsOldName) {
  const auto p = pool("a", {"10.0.0.0/31"});
  const Pools pools(std::vector{&p}, {});
  Allocator a(pools);
  const kube::Service s = service("s"), t = service("t");
  const kube::Name last{"default", "s"};
  a.hold_down(ip("10.0.0.0"), last);
  EXPECT_FALSE(a.clash(ip("10.0.0.0"), user(s)));
  EXPECT_EQ(a.clash(ip("10.0.0.0"), user(t))->reason, Reason::address_held_down);
  EXPECT_EQ(a.assigned(0)[0], 0);
  EXPECT_EQ(a.assign_from(0, Family::v4, user(t)), ip("10.0.0.1"));
  EXPECT_FALSE(a.assign_from(0, Family::v4, user(t)));
  a.take(ip("10.0.0.0"), user(s));
  EXPECT_EQ(a.clash(ip("10.0.0.0"), user(t))->reason, Reason::address_in_use);
  a.hold_down(ip("10.0.0.1"), last);  // in use: nothing happens
  EXPECT_EQ(a.clash(ip("10.0.0.1"), user(s))->with, &t);
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
      {"none", {}, v4, "none"},
      {"by name", {b4, a4}, v4, "a: 10.0.0.0"},
      {"not by itself", {manual(a4), b4}, v4, "b: 10.0.1.0"},
      {"nothing by itself", {manual(a4)}, v4, "none"},
      {"pinned comes first", {a4, pinned(b4, 0, {"default"})}, v4, "b: 10.0.1.0"},
      {"pinned to somebody else", {pinned(b4, 0, {"other"})}, v4, "none"},
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
      {"prefer: pinned, though of one family", {pinned(a4, 1, {}), d46}, prefer, "a: 10.0.0.0"},
      {"prefer: pinned, though not of the primary family", {pinned(c6, 1, {}), a4}, prefer, "c: fd00::"},
      {"prefer: pinned to both, though later", {pinned(a4, 1, {}), pinned(d46, 2, {})}, prefer, "d: 10.0.2.0 fd01::"},
      {"prefer: pinned to somebody else", {pinned(a4, 1, {"other"}), d46}, prefer, "d: 10.0.2.0 fd01::"},
      {"require: pinned, of one family, so another", {pinned(a4, 1, {}), d46}, require, "d: 10.0.2.0 fd01::"},
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
    const auto candidates = a.candidates(s, {});
    if (candidates.empty()) {
      EXPECT_EQ("none", c.want);
      continue;
    }
    const auto answer = a.assign(candidates, c.wanted, user(s));
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
  const std::size_t only[] = {0};
  EXPECT_TRUE(std::holds_alternative<Allocator::Given>(a.assign(only, {{Family::v4}, false}, user(s))));
  EXPECT_EQ(std::get<Reason>(a.assign(only, {{Family::v4}, false}, user(s))), Reason::pools_exhausted);
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
