#include "speaker/core/trace.h"

#include <gtest/gtest.h>

#include "tests/support/builders.h"

namespace fairlead::speaker {
namespace {

using kube::TrafficPolicy;
using test::endpoint;
using test::ip;
using test::prefix;

// Node n1 (10.0.0.1, fd00::1): pods in 10.244.0.0/16 and fd01::/48 count as local, VIPs come from 192.0.2.0/24 and 2001:db8::/64.
constexpr auto kPod4 = "10.244.9.9", kPod6 = "fd01::99";
constexpr auto kClient4 = "203.0.113.5", kClient6 = "2001:db8:5::5";

/// Each Service has a ClusterIP of each family, a VIP of each family and a node port; .N is its number.
struct World {
  Planner planner;

  World() {
    NodeFacts facts = test::facts();
    facts.own_addresses = facts.node_addresses;
    planner.set_facts(facts);
  }

  kube::Service service(const std::string& name, int number) const {
    const std::string n = std::to_string(number);
    kube::Service s = test::balancer(name, {}, {});
    s.cluster_ips = {ip("10.96.0." + n), ip("fd02::" + n)};
    s.ingress = {{ip("192.0.2." + n), "", true}, {ip("2001:db8::" + n), "", true}};
    s.ports = {test::port("", 80, Protocol::tcp, static_cast<std::uint16_t>(30000 + number))};
    return s;
  }
  void add(const kube::Service& s, std::vector<kube::Endpoint> v4, std::vector<kube::Endpoint> v6 = {}) {
    planner.set_service(test::named(s.meta.name), s);
    if (!v4.empty()) planner.set_slice(test::named(s.meta.name + "-4"), test::slice(s.meta.name + "-4", s.meta.name, v4));
    if (!v6.empty()) planner.set_slice(test::named(s.meta.name + "-6"), test::slice(s.meta.name + "-6", s.meta.name, v6));
  }
  Answer ask(std::string_view source, std::string_view destination, std::uint16_t port, std::optional<From> from = {}) {
    while (planner.is_dirty()) planner.plan_some(100, TimePoint{});
    return trace(planner, {ip(source), ip(destination), Port{port}, Protocol::tcp, from});
  }
};

std::vector<Target> targets(std::initializer_list<std::string_view> ips) {
  std::vector<Target> out;
  for (const auto text : ips) out.push_back({ip(text), Port{8080}});
  return out;
}

struct Case {
  const char* name;
  const char* source;
  const char* destination;
  std::uint16_t port;
  Verdict verdict;
  std::vector<Target> endpoints;
  bool masquerade;
  const char* row;
};

void expect(World& world, const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.name) + ": " + c.source + " -> " + c.destination);
    const Answer a = world.ask(c.source, c.destination, c.port);
    EXPECT_EQ(name(a.verdict), name(c.verdict));
    EXPECT_EQ(a.endpoints, c.endpoints);
    EXPECT_EQ(a.masquerade, c.masquerade);
    EXPECT_EQ(a.row, c.row);
    EXPECT_FALSE(a.why.empty());
  }
}

TEST(Trace, EveryRowOfTheTruthTableInBothFamilies) {
  World world;
  const std::vector<kube::Endpoint> here_and_there4 = {endpoint("10.244.1.2", "n1"), endpoint("10.244.2.2", "n2")};
  const std::vector<kube::Endpoint> here_and_there6 = {endpoint("fd01::12", "n1"), endpoint("fd01::22", "n2")};
  const std::vector<kube::Endpoint> there4 = {endpoint("10.244.2.2", "n2")};
  const std::vector<kube::Endpoint> there6 = {endpoint("fd01::22", "n2")};
  world.add(world.service("cluster", 1), here_and_there4, here_and_there6);
  world.add(world.service("empty", 2), {});
  kube::Service local = world.service("local", 3);
  local.internal_traffic_policy = local.external_traffic_policy = TrafficPolicy::local;
  world.add(local, here_and_there4, here_and_there6);
  kube::Service away = world.service("away", 4);
  away.internal_traffic_policy = away.external_traffic_policy = TrafficPolicy::local;
  world.add(away, there4, there6);
  kube::Service local_empty = world.service("local-empty", 5);
  local_empty.internal_traffic_policy = local_empty.external_traffic_policy = TrafficPolicy::local;
  world.add(local_empty, {});

  const auto both4 = targets({"10.244.1.2", "10.244.2.2"}), here4 = targets({"10.244.1.2"}), away4 = targets({"10.244.2.2"});
  const auto both6 = targets({"fd01::12", "fd01::22"}), here6 = targets({"fd01::12"});
  expect(world, {
                    {"ClusterIP, pod", kPod4, "10.96.0.1", 80, Verdict::endpoints, both4, false, "1"},
                    {"ClusterIP, node", "10.0.0.1", "10.96.0.1", 80, Verdict::endpoints, both4, true, "1"},
                    {"ClusterIP, outside", kClient4, "10.96.0.1", 80, Verdict::endpoints, both4, true, "1"},
                    {"ClusterIP, pod", kPod6, "fd02::1", 80, Verdict::endpoints, both6, false, "1"},
                    {"ClusterIP, outside", kClient6, "fd02::1", 80, Verdict::endpoints, both6, true, "1"},
                    {"ClusterIP, nobody", kPod4, "10.96.0.2", 80, Verdict::reject, {}, false, "2"},
                    {"ClusterIP iTP Local", kPod4, "10.96.0.3", 80, Verdict::endpoints, here4, false, "3"},
                    {"ClusterIP iTP Local, outside", kClient6, "fd02::3", 80, Verdict::endpoints, here6, true, "3"},
                    {"ClusterIP iTP Local, elsewhere", kPod4, "10.96.0.4", 80, Verdict::drop, {}, false, "4"},
                    {"ClusterIP iTP Local, nobody", kPod6, "fd02::5", 80, Verdict::reject, {}, false, "5"},
                    {"VIP", kClient4, "192.0.2.1", 80, Verdict::endpoints, both4, true, "6"},
                    {"VIP, pod", kPod6, "2001:db8::1", 80, Verdict::endpoints, both6, true, "6"},
                    {"NodePort", kClient4, "10.0.0.1", 30001, Verdict::endpoints, both4, true, "6"},
                    {"NodePort", kClient6, "fd00::1", 30001, Verdict::endpoints, both6, true, "6"},
                    {"VIP, nobody", kClient4, "192.0.2.2", 80, Verdict::reject, {}, false, "7"},
                    {"NodePort, nobody", kClient6, "fd00::1", 30002, Verdict::reject, {}, false, "7"},
                    {"VIP eTP Local, pod", kPod4, "192.0.2.3", 80, Verdict::endpoints, both4, false, "8"},
                    {"VIP eTP Local elsewhere, pod", kPod4, "192.0.2.4", 80, Verdict::endpoints, away4, false, "8"},
                    {"VIP eTP Local, node", "10.0.0.1", "192.0.2.3", 80, Verdict::endpoints, both4, true, "9"},
                    {"NodePort eTP Local, node", "10.0.0.1", "10.0.0.1", 30003, Verdict::endpoints, both4, true, "9"},
                    {"VIP eTP Local, outside", kClient6, "2001:db8::3", 80, Verdict::endpoints, here6, false, "10"},
                    {"NodePort eTP Local, outside", kClient4, "10.0.0.1", 30003, Verdict::endpoints, here4, false, "10"},
                    {"VIP eTP Local elsewhere, outside", kClient4, "192.0.2.4", 80, Verdict::drop, {}, false, "11"},
                    {"VIP eTP Local, nobody", kClient4, "192.0.2.5", 80, Verdict::reject, {}, false, "12"},
                });
}

TEST(Trace, AnEndpointThatAsksItselfIsMasqueraded) {
  World world;
  world.add(world.service("self", 1), {endpoint("10.244.1.2", "n1")});
  expect(world, {{"alone", "10.244.1.2", "10.96.0.1", 80, Verdict::endpoints, targets({"10.244.1.2"}), true, "13"},
                 {"another pod", kPod4, "10.96.0.1", 80, Verdict::endpoints, targets({"10.244.1.2"}), false, "1"}});
}

TEST(Trace, WhatIsNobodysFrontend) {
  World world;
  world.add(world.service("web", 1), {endpoint("10.244.1.2", "n1")});
  expect(world, {
                    {"another port of a ClusterIP", kPod4, "10.96.0.1", 81, Verdict::reject, {}, false, "unused-port"},
                    {"another port of a VIP", kClient4, "192.0.2.1", 81, Verdict::reject, {}, false, "unused-port"},
                    {"an unallocated cluster address", kPod4, "10.96.7.7", 80, Verdict::drop, {}, false, "unallocated"},
                    {"ssh of this node", kClient4, "10.0.0.1", 22, Verdict::pass, {}, false, "none"},
                    {"the node port on another node", kClient4, "10.0.0.2", 30001, Verdict::pass, {}, false, "none"},
                    {"a free address of a pool", kClient4, "192.0.2.99", 80, Verdict::pass, {}, false, "none"},
                    {"a loopback address", "127.0.0.1", "127.0.0.1", 30001, Verdict::pass, {}, false, "none"},
                });
}

TEST(Trace, SourceRangesGuardTheVipOnly) {
  World world;
  kube::Service s = world.service("web", 1);
  s.source_ranges = {prefix("203.0.113.0/24")};
  world.add(s, {endpoint("10.244.1.2", "n1")}, {endpoint("fd01::12", "n1")});
  const auto all = targets({"10.244.1.2"});
  expect(world, {
                    {"inside", kClient4, "192.0.2.1", 80, Verdict::endpoints, all, true, "6"},
                    {"outside", "198.18.0.1", "192.0.2.1", 80, Verdict::drop, {}, false, "source-ranges"},
                    {"a pod outside", kPod4, "192.0.2.1", 80, Verdict::drop, {}, false, "source-ranges"},
                    {"node port", "198.18.0.1", "10.0.0.1", 30001, Verdict::endpoints, all, true, "6"},
                    {"ClusterIP", kPod4, "10.96.0.1", 80, Verdict::endpoints, all, false, "1"},
                    {"the other family", kClient6, "2001:db8::1", 80, Verdict::endpoints, targets({"fd01::12"}), true, "6"},
                });
}

TEST(Trace, WhoAsksIsToldByTheDetector) {
  World world;
  kube::Service s = world.service("web", 1);
  s.external_traffic_policy = TrafficPolicy::local;
  world.add(s, {endpoint("10.244.2.2", "n2")});
  EXPECT_EQ(world.ask(kPod4, "192.0.2.1", 80).row, "8");
  EXPECT_EQ(world.ask(kPod4, "192.0.2.1", 80, From::outside).row, "8") << "with prefixes the address decides, wherever it comes from";
  EXPECT_EQ(world.ask(kClient4, "192.0.2.1", 80, From::node).row, "9");

  NodeFacts facts = world.planner.facts();
  facts.detector = {Detector::Mode::interface_name_prefix, {}, "cali"};
  world.planner.set_facts(facts);
  EXPECT_EQ(world.ask(kPod4, "192.0.2.1", 80).row, "11");
  EXPECT_EQ(world.ask(kPod4, "192.0.2.1", 80, From::pod).row, "8");
  EXPECT_EQ(world.ask("10.0.0.1", "192.0.2.1", 80).row, "9");

  facts.detector = {};
  world.planner.set_facts(facts);
  EXPECT_EQ(world.ask(kPod4, "192.0.2.1", 80, From::pod).row, "11") << "without a detector nobody is a local pod";
  EXPECT_FALSE(world.ask(kClient4, "10.96.0.1", 80).masquerade) << "nor is anybody masqueraded for not being one";
}

TEST(Trace, OfTwoServicesWithOneAddressAndPortTheOlderAnswers) {
  World world;
  kube::Service young = world.service("a-young", 1), old = world.service("old", 2);
  young.meta.created = 2;
  old.meta.created = 1;
  old.ingress = young.ingress;
  world.add(young, {endpoint("10.244.1.2", "n1")});
  world.add(old, {endpoint("10.244.1.3", "n1")});
  EXPECT_EQ(world.ask(kClient4, "192.0.2.1", 80).service.name, "old");
}

}  // namespace
}  // namespace fairlead::speaker
