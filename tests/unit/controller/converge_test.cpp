#include "controller/core/converge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/unit/controller/world.h"

namespace fairlead::controller::core {
namespace {

using kube::IpFamilyPolicy;
using kube::ServiceType;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

kube::Service with(kube::Service s, IpFamilyPolicy policy) {
  s.ip_family_policy = policy;
  return s;
}

World folder(std::initializer_list<std::string_view> cidrs) {
  World w;
  w.config.allocates_cluster_ips = true;
  for (const auto c : cidrs) w.config.service_cidrs.push_back(prefix(c));
  return w;
}

/// Runs one pass, and a second one that must find nothing to do and the same problems.
Decisions settle(World& w) {
  Decisions first = w.step();
  const Decisions second = w.step();
  EXPECT_THAT(second.writes, IsEmpty()) << second.writes.size();
  EXPECT_EQ(second.problems, first.problems);
  EXPECT_EQ(second.pools, first.pools);
  return first;
}

TEST(Converge, AnAddressIsGivenAndTold) {
  World w;
  w.add(pool("lan", {"192.0.2.0/30"})).add(served("web", {"10.96.0.10"}));
  const Decisions d = settle(w);
  EXPECT_EQ(w.external("web"), ips({"192.0.2.0"}));
  EXPECT_EQ(pool_annotation(w.at("web")), "lan");
  ASSERT_EQ(d.writes.size(), 1U);
  ASSERT_THAT(reasons(d.writes[0].events), ElementsAre(Reason::ip_allocated));
  EXPECT_EQ(d.writes[0].events[0].message, "Service default/web has 192.0.2.0 from pool lan");
  EXPECT_EQ(name(d.writes[0].events[0].reason), "IPAllocated");
  EXPECT_FALSE(d.writes[0].cluster_ips) << "the API server gives its own";
  EXPECT_FALSE(d.writes[0].node_ports);
  EXPECT_THAT(d.pools, ElementsAre(PoolUse{{"default", "lan"}, 1, 0, 3, 0}));
}

TEST(Converge, WhoHoldsAnAddressComesBeforeWhoIsOlder) {
  World w;
  w.add(pool("lan", {"192.0.2.0/31"}));
  w.add(served("old", {"10.96.0.10"}, 1)).add(holding(served("young", {"10.96.0.11"}, 9), {"192.0.2.0"}, "lan"));
  settle(w);
  EXPECT_EQ(w.external("young"), ips({"192.0.2.0"}));
  EXPECT_EQ(w.external("old"), ips({"192.0.2.1"}));
}

TEST(Converge, TheOldestIsServedFirstThenByName) {
  World w;
  w.add(pool("lan", {"192.0.2.0/29"}));
  w.add(served("a", {"10.96.0.10"}, 5)).add(served("c", {"10.96.0.11"}, 3)).add(served("b", {"10.96.0.12"}, 3));
  settle(w);
  EXPECT_EQ(w.external("b"), ips({"192.0.2.0"}));
  EXPECT_EQ(w.external("c"), ips({"192.0.2.1"}));
  EXPECT_EQ(w.external("a"), ips({"192.0.2.2"}));
}

TEST(Converge, OfTwoThatShowOneAddressTheOlderKeepsIt) {
  World w;
  w.add(pool("lan", {"192.0.2.0/29"}));
  w.add(holding(served("a", {"10.96.0.10"}, 2), {"192.0.2.5"}, "lan"));
  w.add(holding(served("b", {"10.96.0.11"}, 1), {"192.0.2.5"}, "lan"));
  const Decisions d = settle(w);
  EXPECT_EQ(w.external("b"), ips({"192.0.2.5"}));
  EXPECT_EQ(w.external("a"), ips({"192.0.2.0"}));
  ASSERT_EQ(d.writes.size(), 1U);
  EXPECT_THAT(reasons(d.writes[0].events), ElementsAre(Reason::address_taken, Reason::address_kept, Reason::ip_allocated));
  EXPECT_EQ(d.writes[0].events[0].about.name.name, "a");
  EXPECT_EQ(d.writes[0].events[1].about.name.name, "b") << "both Services are told";
  EXPECT_EQ(name(Reason::address_taken), "ClearAssignment");
}

TEST(Converge, WhatIsNoLoadBalancerAnyMoreGivesBack) {
  for (const ServiceType type : {ServiceType::cluster_ip, ServiceType::node_port, ServiceType::external_name}) {
    World w;
    w.add(pool("lan", {"192.0.2.0/32"}));
    w.add(holding(served("a", {"10.96.0.10"}, 1), {"192.0.2.0"}, "lan")).add(served("b", {"10.96.0.11"}, 2));
    w.at("a").type = type;
    settle(w);
    EXPECT_THAT(w.external("a"), IsEmpty());
    EXPECT_EQ(pool_annotation(w.at("a")), "");
    EXPECT_EQ(w.external("b"), ips({"192.0.2.0"})) << "in the same pass";
  }
}

TEST(Converge, AServiceWithAClassIsNotTouched) {
  World w;
  w.add(pool("lan", {"192.0.2.0/24"}));
  w.add(holding(served("a", {"10.96.0.10"}), {"203.0.113.9"}, "theirs")).add(served("b", {"10.96.0.11"}));
  w.at("a").load_balancer_class = w.at("b").load_balancer_class = "example.com/theirs";
  const Decisions d = settle(w);
  EXPECT_THAT(d.writes, IsEmpty());
  EXPECT_THAT(reasons(d.problems), ElementsAre(Reason::class_not_ours, Reason::class_not_ours));
  EXPECT_TRUE(is_quiet(Reason::class_not_ours)) << "a log line for who debugs, and no Event";
}

TEST(Converge, WhenThePoolIsGoneThereIsANewAddress) {
  World w;
  w.add(pool("lan", {"192.0.2.0/24"})).add(holding(served("web", {"10.96.0.10"}), {"203.0.113.9"}, "old"));
  const Decisions d = settle(w);
  EXPECT_EQ(w.external("web"), ips({"192.0.2.0"}));
  EXPECT_THAT(reasons(d.writes[0].events), ElementsAre(Reason::address_in_no_pool, Reason::ip_allocated));
}

TEST(Converge, AnAddressThatMovesToAnotherPoolStaysAndTheAnnotationFollows) {
  World w;
  w.add(pool("new", {"192.0.2.0/24"})).add(holding(served("web", {"10.96.0.10"}), {"192.0.2.9"}, "old"));
  const Decisions d = settle(w);
  EXPECT_EQ(w.external("web"), ips({"192.0.2.9"}));
  EXPECT_EQ(pool_annotation(w.at("web")), "new");
  EXPECT_FALSE(d.writes[0].ingress);
}

TEST(Converge, AHeldAddressMustStillBeAllowed) {
  const struct {
    const char* name;
    std::function<void(api::IPAddressPool&)> change;
    Reason reason;
  } cases[] = {
      {"excluded", [](auto& p) { p.service_allocation = allocation({"x"}); }, Reason::pool_does_not_serve},
      {"avoided", [](auto& p) { p.avoid_buggy_ips = true; }, Reason::address_avoided},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    World w;
    auto lan = pool("lan", {"192.0.2.0/32"});
    c.change(lan);
    w.add(lan).add(pool("zone", {"203.0.113.0/24"})).add(holding(served("web", {"10.96.0.10"}), {"192.0.2.0"}, "lan"));
    const Decisions d = settle(w);
    EXPECT_EQ(w.external("web"), ips({"203.0.113.0"}));
    EXPECT_THAT(reasons(d.writes[0].events), ElementsAre(c.reason, Reason::ip_allocated));
  }
}

TEST(Converge, AutoAssignOffTakesNothingAway) {
  World w;
  auto lan = pool("lan", {"192.0.2.0/24"});
  lan.auto_assign = false;
  w.add(lan).add(holding(served("web", {"10.96.0.10"}), {"192.0.2.9"}, "lan"));
  EXPECT_THAT(settle(w).writes, IsEmpty());
}

TEST(Converge, ARefusedPoolGivesNothingAndTakesNothingAway) {
  World w;
  w.add(pool("lan", {"192.0.2.0/24"})).add(served("web", {"10.96.0.10"}));
  settle(w);
  ASSERT_EQ(w.external("web"), ips({"192.0.2.0"}));
  w.add(node("n1", {"192.0.2.7"})).add(served("late", {"10.96.0.11"}));
  const Decisions d = settle(w);
  EXPECT_EQ(w.external("web"), ips({"192.0.2.0"}));
  EXPECT_THAT(w.external("late"), IsEmpty());
  EXPECT_THAT(reasons(d.problems), ElementsAre(Reason::pools_refused, Reason::pool_contains_node));
  EXPECT_EQ(name(Reason::pool_contains_node), "PoolInvalid");
  EXPECT_THAT(d.pools, ElementsAre(PoolUse{{"default", "lan"}, 1, 0, 0, 0}));
  // Other ranges, and still refused: the version that gave the address is not known to us any more, and it stays.
  w.add(pool("lan", {"192.0.2.4/30"}));
  settle(w);
  EXPECT_EQ(w.external("web"), ips({"192.0.2.0"}));
  w.nodes.clear();  // valid again, and without the address
  settle(w);
  EXPECT_EQ(w.external("late"), ips({"192.0.2.4"}));
  EXPECT_EQ(w.external("web"), ips({"192.0.2.5"}));
}

TEST(Converge, APoolThatCouldNotBeReadAtTheStartTakesNothingAway) {
  World w;
  w.add(holding(served("web", {"10.96.0.10"}), {"192.0.2.9"}, "lan"));
  w.may_miss_pools = true;
  EXPECT_THAT(settle(w).writes, IsEmpty());
  w.gone_pools.insert("lan");  // but a pool that was deleted is known to be gone
  settle(w);
  EXPECT_THAT(w.external("web"), IsEmpty());
}

TEST(Converge, AFullPoolIsAProblemUntilItIsNot) {
  World w;
  w.add(pool("lan", {"192.0.2.0/32"})).add(served("a", {"10.96.0.10"})).add(served("b", {"10.96.0.11"}));
  const Decisions d = settle(w);
  ASSERT_THAT(reasons(d.problems), ElementsAre(Reason::pools_exhausted));
  EXPECT_EQ(d.problems[0].about.str(), "Service default/b");
  EXPECT_EQ(name(d.problems[0].reason), "AllocationFailed");
  EXPECT_THAT(d.problems[0].message, HasSubstr("no IPv4 address is free"));
  w.services.erase({"default", "a"});
  EXPECT_THAT(settle(w).problems, IsEmpty());
  EXPECT_EQ(w.external("b"), ips({"192.0.2.0"}));
}

TEST(Converge, ForeignEntriesOfAStatusAreNotOurs) {
  World w;
  w.add(pool("lan", {"192.0.2.0/24"})).add(holding(served("web", {"10.96.0.10"}), {"192.0.2.9"}, "lan"));
  w.at("web").ingress.push_back({std::nullopt, "lb.example.com", true});
  EXPECT_THAT(settle(w).writes, IsEmpty());
}

TEST(Converge, DualStack) {
  const auto both = {std::string_view("10.96.0.10"), std::string_view("fd96::a")};
  const auto p4 = pool("a", {"192.0.2.0/30"});
  const auto p46 = pool("b", {"203.0.113.0/30", "fd00::/126"});
  const struct {
    const char* name;
    kube::Service service;
    std::vector<api::IPAddressPool> pools;
    std::vector<Ip> want;
    std::vector<Reason> problems;
  } cases[] = {
      {"require: both",
       with(served("s", both), IpFamilyPolicy::require_dual_stack),
       {p4, p46},
       ips({"203.0.113.0", "fd00::"}),
       {}},
      {"require: nothing",
       with(served("s", both), IpFamilyPolicy::require_dual_stack),
       {p4},
       {},
       {Reason::no_pool_of_family}},
      {"require, one cluster address",
       with(served("s", {"10.96.0.10"}), IpFamilyPolicy::require_dual_stack),
       {p46},
       {},
       {Reason::not_enough_cluster_ips}},
      {"prefer: both",
       with(served("s", both), IpFamilyPolicy::prefer_dual_stack),
       {p4, p46},
       ips({"203.0.113.0", "fd00::"}),
       {}},
      {"prefer: one",
       with(served("s", both), IpFamilyPolicy::prefer_dual_stack),
       {p4},
       ips({"192.0.2.0"}),
       {Reason::additional_family_missing}},
      {"prefer, one cluster address",
       with(served("s", {"fd96::a"}), IpFamilyPolicy::prefer_dual_stack),
       {p46},
       ips({"fd00::"}),
       {}},
      {"prefer keeps its one and takes the other from the same pool",
       holding(with(served("s", both), IpFamilyPolicy::prefer_dual_stack), {"203.0.113.3"}, "b"),
       {p46},
       ips({"203.0.113.3", "fd00::"}),
       {}},
      {"prefer never leaves its pool to become dual",
       holding(with(served("s", both), IpFamilyPolicy::prefer_dual_stack), {"192.0.2.1"}, "a"),
       {p4, p46},
       ips({"192.0.2.1"}),
       {Reason::additional_family_missing}},
      {"prefer keeps what is left of two",
       holding(with(served("s", both), IpFamilyPolicy::prefer_dual_stack), {"192.0.2.1", "fd77::1"}, "a"),
       {p4},
       ips({"192.0.2.1"}),
       {Reason::additional_family_missing}},
      {"require moves when its pool has one family only",
       holding(with(served("s", both), IpFamilyPolicy::require_dual_stack), {"192.0.2.1"}, "a"),
       {p4, p46},
       ips({"203.0.113.0", "fd00::"}),
       {}},
      {"require gives back what is half",
       holding(with(served("s", both), IpFamilyPolicy::require_dual_stack), {"192.0.2.1"}, "a"),
       {p4},
       {},
       {Reason::no_pool_of_family}},
      {"two addresses in two pools: the first one's pool",
       holding(with(served("s", both), IpFamilyPolicy::prefer_dual_stack), {"192.0.2.1", "fd00::3"}, "a"),
       {p4, p46},
       ips({"192.0.2.1"}),
       {Reason::additional_family_missing}},
      {"single with two cluster addresses: the first family",
       with(served("s", {"fd96::a", "10.96.0.10"}), IpFamilyPolicy::single_stack),
       {p46},
       ips({"fd00::"}),
       {}},
      {"the wrong family", holding(served("s", {"fd96::a"}), {"203.0.113.3"}, "b"), {p46}, ips({"fd00::"}), {}},
      {"one too many",
       holding(served("s", {"10.96.0.10"}), {"203.0.113.3", "fd00::3"}, "b"),
       {p46},
       ips({"203.0.113.3"}),
       {}},
      {"two of one family",
       holding(served("s", {"10.96.0.10"}), {"203.0.113.3", "203.0.113.1"}, "b"),
       {p46},
       ips({"203.0.113.3"}),
       {}},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    World w;
    w.add(c.service);
    for (const auto& p : c.pools) w.add(p);
    const Decisions d = settle(w);
    EXPECT_EQ(w.external("s"), c.want);
    EXPECT_EQ(reasons(d.problems), c.problems);
  }
}

TEST(Converge, WhatOneGivesBackServesAnOlderOneInTheSamePass) {
  World w;
  w.add(pool("a", {"192.0.2.0/32"})).add(served("old", {"10.96.0.10"}, 1));
  w.add(holding(with(served("young", {"10.96.0.11", "fd96::a"}, 2), IpFamilyPolicy::require_dual_stack), {"192.0.2.0"},
                "a"));
  settle(w);
  EXPECT_EQ(w.external("old"), ips({"192.0.2.0"}));
  EXPECT_THAT(w.external("young"), IsEmpty());
}

TEST(ConvergeFolder, ClusterAddressesAndNodePortsAreGiven) {
  World w = folder({"10.96.0.0/24"});
  w.add(pool("lan", {"192.0.2.0/24"})).add(service("web"));
  w.at("web").ports.push_back(w.at("web").ports[0]);
  w.at("web").ports[1].protocol = Protocol::udp;
  const Decisions d = settle(w);
  EXPECT_EQ(w.at("web").cluster_ips, ips({"10.96.0.10"}));
  EXPECT_EQ(w.at("web").ports[0].node_port, Port{30086});
  EXPECT_EQ(w.at("web").ports[1].node_port, Port{30086});
  EXPECT_EQ(w.external("web"), ips({"192.0.2.0"})) << "in the same pass";
  EXPECT_EQ(d.writes.size(), 1U);
}

TEST(ConvergeFolder, OnlyWhatIsDueIsGiven) {
  const struct {
    const char* name;
    std::function<void(kube::Service&)> change;
    std::size_t cluster_ips;
    bool has_node_port;
  } cases[] = {
      {"ClusterIP", [](auto& s) { s.type = ServiceType::cluster_ip; }, 1, false},
      {"headless",
       [](auto& s) {
         s.type = ServiceType::cluster_ip;
         s.is_headless = true;
       },
       0, false},
      {"NodePort", [](auto& s) { s.type = ServiceType::node_port; }, 1, true},
      {"NodePort, whatever the field",
       [](auto& s) {
         s.type = ServiceType::node_port;
         s.allocate_load_balancer_node_ports = false;
       },
       1, true},
      {"LoadBalancer without node ports", [](auto& s) { s.allocate_load_balancer_node_ports = false; }, 1, false},
      {"LoadBalancer with a class", [](auto& s) { s.load_balancer_class = "x"; }, 1, true},
      {"ExternalName", [](auto& s) { s.type = ServiceType::external_name; }, 0, false},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    World w = folder({"10.96.0.0/24"});
    w.add(service("s"));
    c.change(w.at("s"));
    settle(w);
    EXPECT_EQ(w.at("s").cluster_ips.size(), c.cluster_ips);
    EXPECT_EQ(w.at("s").ports[0].node_port.value != 0, c.has_node_port);
  }
}

TEST(ConvergeFolder, WhatIsWrittenDownComesFirst) {
  World w = folder({"10.96.0.0/24"});
  w.add(service("a", 1)).add(served("b", {"10.96.0.10"}, 2));
  w.at("b").ports[0].node_port = Port{30086};
  settle(w);
  EXPECT_EQ(w.at("b").cluster_ips, ips({"10.96.0.10"}));
  EXPECT_EQ(w.at("a").cluster_ips, ips({"10.96.0.11"}));
  EXPECT_EQ(w.at("a").ports[0].node_port, Port{30087});
}

TEST(ConvergeFolder, AClashOfWhatIsWrittenDownHasToWait) {
  World w = folder({"10.96.0.0/24"});
  w.add(pool("lan", {"192.0.2.0/24"}));
  w.add(served("a", {"10.96.0.10"}, 2)).add(served("b", {"10.96.0.10"}, 1)).add(service("c", 3)).add(service("d", 4));
  w.at("c").ports[0].node_port = w.at("d").ports[0].node_port = Port{31000};
  const Decisions d = settle(w);
  ASSERT_THAT(reasons(d.problems), ElementsAre(Reason::cluster_ip_taken, Reason::node_port_taken));
  EXPECT_THAT(d.problems[0].message,
              HasSubstr("Service default/a: spec.clusterIPs names 10.96.0.10, which Service default/b has"));
  EXPECT_THAT(d.problems[1].message, HasSubstr("nodePort 31000/TCP is in use by Service default/c"));
  EXPECT_THAT(w.external("a"), IsEmpty());
  EXPECT_THAT(w.external("d"), IsEmpty());
  EXPECT_EQ(w.external("b").size() + w.external("c").size(), 2U);
  // One that has run before the clash goes on.
  w.add(holding(served("e", {"10.96.0.10"}, 9), {"192.0.2.77"}, "lan"));
  settle(w);
  EXPECT_EQ(w.external("e"), ips({"192.0.2.77"}));
}

TEST(ConvergeFolder, Families) {
  const auto families = [](kube::Service s, std::vector<Family> f) {
    s.ip_families = std::move(f);
    return s;
  };
  const auto prefer = IpFamilyPolicy::prefer_dual_stack;
  const auto require = IpFamilyPolicy::require_dual_stack;
  const struct {
    const char* name;
    std::initializer_list<std::string_view> cidrs;
    kube::Service service;
    std::vector<Ip> want;
    std::vector<Reason> problems;
  } cases[] = {
      {"single by default", {"10.96.0.0/24", "fd96::/112"}, service("s"), ips({"10.96.0.10"}), {}},
      {"the first prefix is primary", {"fd96::/112", "10.96.0.0/24"}, service("s"), ips({"fd96::a"}), {}},
      {"by ipFamilies", {"10.96.0.0/24", "fd96::/112"}, families(service("s"), {Family::v6}), ips({"fd96::a"}), {}},
      {"two ipFamilies",
       {"10.96.0.0/24", "fd96::/112"},
       families(service("s"), {Family::v6, Family::v4}),
       ips({"fd96::a", "10.96.0.10"}),
       {}},
      {"prefer, two", {"10.96.0.0/24", "fd96::/112"}, with(service("s"), prefer), ips({"10.96.0.10", "fd96::a"}), {}},
      {"prefer, one", {"10.96.0.0/24"}, with(service("s"), prefer), ips({"10.96.0.10"}), {}},
      {"prefer adds the second",
       {"10.96.0.0/24", "fd96::/112"},
       with(served("s", {"10.96.0.77"}), prefer),
       ips({"10.96.0.77", "fd96::a"}),
       {}},
      {"require, two", {"10.96.0.0/24", "fd96::/112"}, with(service("s"), require), ips({"10.96.0.10", "fd96::a"}), {}},
      {"require, one", {"10.96.0.0/24"}, with(service("s"), require), {}, {Reason::no_service_cidr}},
      {"a family without a prefix",
       {"10.96.0.0/24"},
       families(service("s"), {Family::v6}),
       {},
       {Reason::no_service_cidr}},
      {"exhausted", {"10.96.0.0/31"}, service("s"), {}, {Reason::no_service_cidr}},
      {"two prefixes of one family", {"10.96.0.0/31", "10.97.0.0/24"}, service("s"), ips({"10.97.0.10"}), {}},
      {"written down, outside of all prefixes", {"10.96.0.0/24"}, served("s", {"172.16.0.1"}), ips({"172.16.0.1"}), {}},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    World w = folder(c.cidrs);
    w.add(c.service);
    w.at("s").type = ServiceType::cluster_ip;
    const Decisions d = settle(w);
    EXPECT_EQ(w.at("s").cluster_ips, c.want);
    EXPECT_EQ(reasons(d.problems), c.problems);
  }
}

TEST(ConvergeFolder, NoFreeClusterAddressOrNodePortHasToWait) {
  World w = folder({"10.96.0.0/30"});
  w.config.node_ports = {30000, 30001};
  w.add(pool("lan", {"192.0.2.0/24"}));
  for (const char* n : {"a", "b", "c"}) w.add(service(n));
  const Decisions d = settle(w);
  EXPECT_THAT(reasons(d.problems), ElementsAre(Reason::cluster_ips_exhausted, Reason::node_ports_exhausted));
  EXPECT_THAT(w.external("c"), IsEmpty());
}

}  // namespace
}  // namespace fairlead::controller::core
