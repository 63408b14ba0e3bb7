#include "speaker/core/plan.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/builders.h"

namespace fairlead::speaker {
namespace {

using namespace test;
using nft::Masquerade;

ServicePlan planned(const kube::Service& service, const std::vector<kube::EndpointSlice>& slices, const NodeFacts& node = facts()) {
  return plan_service(service, pointers(slices), node);
}

const Frontend* find(const ServicePlan& plan, std::optional<Ip> address, std::uint16_t number, Protocol protocol = Protocol::tcp,
                     Family family = Family::v4) {
  for (const Frontend& f : plan.frontends) {
    if (f.ip == address && f.port.value == number && f.protocol == protocol && f.family == (address ? address->family() : family)) return &f;
  }
  return nullptr;
}
std::vector<Target> targets(const ServicePlan& plan, Family family, Scope scope, const std::string& name = "", Protocol protocol = Protocol::tcp) {
  for (const EndpointList& l : plan.lists) {
    if (l.key == ListKey{name, protocol, family, scope}) return l.targets;
  }
  return {};
}

// --- the truth table ---------------------------------------------------------------------------------------------------

/// What one source meets: "refuse", "ignore", "cluster", "local", with "+M" always masqueraded or "+P" unless a pod asks.
std::string text(const Choice& c) {
  if (c.kind == Choice::Kind::refuse) return "refuse";
  if (c.kind == Choice::Kind::ignore) return "ignore";
  const std::string out = c.list == Scope::cluster ? "cluster" : "local";
  return out + (c.masquerade == Masquerade::always ? "+M" : c.masquerade == Masquerade::unless_pod ? "+P" : "");
}
std::string text(const Action& a) {
  if (!a.by_source) return text(a.everybody);
  return "pod:" + text(a.by_source->pod) + " node:" + text(a.by_source->node) + " other:" + text(a.by_source->other);
}

struct World {
  const char* vip;
  const char* cluster_ip;
  const char* external;
  const char* here;
  const char* there;
  Family family;
};
constexpr World kWorlds[] = {
    {"192.0.2.10", "10.96.0.1", "198.51.100.7", "10.244.1.1", "10.244.2.1", Family::v4},
    {"2001:db8::10", "fd02::1", "2001:db8:ffff::7", "fd01::1", "fd01:0:0:1::1", Family::v6},
};
enum Where { nowhere, there, here, both };

TEST(PlanService, TruthTable) {
  using P = kube::TrafficPolicy;
  enum class Facts { usual, no_detector, masquerade_all };
  const struct {
    const char* row;
    bool is_internal;
    P policy;
    Where endpoints;
    Facts facts;
    const char* want;
  } rows[] = {
      {"1", true, P::cluster, both, Facts::usual, "cluster+P"},
      {"1, endpoints elsewhere only", true, P::cluster, there, Facts::usual, "cluster+P"},
      {"1, no detector", true, P::cluster, both, Facts::no_detector, "cluster"},
      {"1, masquerade all", true, P::cluster, both, Facts::masquerade_all, "cluster+M"},
      {"2", true, P::cluster, nowhere, Facts::usual, "refuse"},
      {"3", true, P::local, both, Facts::usual, "local+P"},
      {"3, no detector", true, P::local, here, Facts::no_detector, "local"},
      {"3, masquerade all", true, P::local, here, Facts::masquerade_all, "local+M"},
      {"4", true, P::local, there, Facts::usual, "ignore"},
      {"5", true, P::local, nowhere, Facts::usual, "refuse"},
      {"6", false, P::cluster, both, Facts::usual, "cluster+M"},
      {"6, no detector", false, P::cluster, there, Facts::no_detector, "cluster+M"},
      {"7", false, P::cluster, nowhere, Facts::usual, "refuse"},
      {"8 9 10", false, P::local, both, Facts::usual, "pod:cluster node:cluster+M other:local"},
      {"8 9 10, masquerade all is for ClusterIPs", false, P::local, here, Facts::masquerade_all, "pod:cluster node:cluster+M other:local"},
      {"8 9 11", false, P::local, there, Facts::usual, "pod:cluster node:cluster+M other:ignore"},
      {"12", false, P::local, nowhere, Facts::usual, "refuse"},
  };
  for (const World& w : kWorlds) {
    for (const auto& row : rows) {
      SCOPED_TRACE(std::string("row ") + row.row + (w.family == Family::v4 ? ", IPv4" : ", IPv6"));
      auto service = balancer("web", {w.cluster_ip}, {w.vip});
      service.external_ips = {ip(w.external)};
      service.ports = {port("", 80, Protocol::tcp, 30080)};
      // The other policy is set against it: neither reaches the other kind of frontend.
      const P other = row.policy == P::cluster ? P::local : P::cluster;
      service.internal_traffic_policy = row.is_internal ? row.policy : other;
      service.external_traffic_policy = row.is_internal ? other : row.policy;
      std::vector<kube::Endpoint> endpoints;
      if (row.endpoints == here || row.endpoints == both) endpoints.push_back(endpoint(w.here, "n1"));
      if (row.endpoints == there || row.endpoints == both) endpoints.push_back(endpoint(w.there, "n2"));
      auto s = slice("web-1", "web", endpoints);
      s.family = w.family;
      NodeFacts node = facts();
      if (row.facts == Facts::no_detector) {
        std::erase_if(node.detector.pods, [&](const Prefix& p) { return p.base.family() == w.family; });  // the other family keeps its
      }
      node.masquerade_all = row.facts == Facts::masquerade_all;

      const ServicePlan plan = planned(service, {s}, node);
      EXPECT_EQ(plan.frontends.size(), 4U);
      if (row.is_internal) {
        const Frontend* f = find(plan, ip(w.cluster_ip), 80);
        ASSERT_NE(f, nullptr);
        EXPECT_EQ(text(f->action), row.want);
      } else {
        for (const Frontend* f : {find(plan, ip(w.vip), 80), find(plan, ip(w.external), 80), find(plan, std::nullopt, 30080, Protocol::tcp, w.family)}) {
          ASSERT_NE(f, nullptr);
          EXPECT_EQ(text(f->action), row.want);
        }
      }
      // A list stands for whatever an action names, and for nothing else.
      for (const Scope scope : {Scope::cluster, Scope::local}) {
        const char* const name = scope == Scope::cluster ? "cluster" : "local";
        const bool is_named = std::any_of(plan.frontends.begin(), plan.frontends.end(),
                                          [&](const Frontend& f) { return text(f.action).find(name) != std::string::npos; });
        EXPECT_EQ(!targets(plan, w.family, scope).empty(), is_named) << name;
      }
      // Row 13: what may run here is masqueraded towards itself.
      const bool runs_here = row.endpoints == here || row.endpoints == both;
      EXPECT_EQ(plan.hairpin, runs_here ? std::vector<Ip>{ip(w.here)} : std::vector<Ip>{});
    }
  }
}

// --- what is programmed --------------------------------------------------------------------------------------------------

TEST(PlanService, NotOursTable) {
  const struct {
    const char* name;
    void (*change)(kube::Service&);
  } cases[] = {
      {"ExternalName with a stale address", [](kube::Service& s) { s.type = kube::ServiceType::external_name; }},
      {"headless", [](kube::Service& s) { s.is_headless = true; }},
      {"no address yet", [](kube::Service& s) { s.cluster_ips.clear(); }},
      {"another proxy's", [](kube::Service& s) { s.meta.labels["service.kubernetes.io/service-proxy-name"] = ""; }},
      {"labelled headless", [](kube::Service& s) { s.meta.labels["service.kubernetes.io/headless"] = "anything"; }},
  };
  const std::vector<kube::EndpointSlice> slices{slice("web-1", "web", {endpoint("10.244.1.1", "n1")})};
  EXPECT_TRUE(is_programmed(balancer("web", {"10.96.0.1"}, {"192.0.2.10"})));
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    auto service = balancer("web", {"10.96.0.1"}, {"192.0.2.10"});
    c.change(service);
    EXPECT_FALSE(is_programmed(service));
    EXPECT_EQ(planned(service, slices), ServicePlan{});
  }
}

TEST(PlanService, AFamilyWithoutClusterAddressDoesNotExist) {
  auto service = balancer("web", {"10.96.0.1"}, {"192.0.2.10", "2001:db8::10"});
  service.external_ips = ips({"2001:db8:ffff::7"});
  service.ports[0].node_port = Port{30080};
  const auto plan = planned(service, {slice("web-1", "web", {endpoint("10.244.1.1", "n1")}), slice("web-2", "web", {endpoint("fd01::1", "n1")})});
  EXPECT_EQ(plan.frontends.size(), 3U);
  for (const Frontend& f : plan.frontends) EXPECT_EQ(f.family, Family::v4);
  for (const EndpointList& l : plan.lists) EXPECT_EQ(l.key.family, Family::v4);
  EXPECT_EQ(plan.refused, ips({"10.96.0.1", "192.0.2.10"}));
}

TEST(PlanService, BothFamiliesAndSeveralPortsHaveListsOfTheirOwn) {
  auto service = balancer("dns", {"10.96.0.10", "fd02::a"}, {"192.0.2.53"});
  service.ports = {port("dns", 53, Protocol::udp, 30053), port("dns-tcp", 53, Protocol::tcp, 30053), port("sctp", 53, Protocol::sctp)};
  auto four = slice("dns-1", "dns", {endpoint("10.244.1.1", "n1"), endpoint("10.244.2.1", "n2")});
  four.ports = {{"dns", Protocol::udp, Port{5353}}, {"dns-tcp", Protocol::tcp, Port{5354}}};
  auto six = slice("dns-2", "dns", {endpoint("fd01::1", "n1")});
  six.ports = four.ports;
  const auto plan = planned(service, {four, six});

  EXPECT_EQ(plan.lists.size(), 4U);
  EXPECT_EQ(targets(plan, Family::v4, Scope::cluster, "dns", Protocol::udp).size(), 2U);
  EXPECT_EQ(targets(plan, Family::v4, Scope::cluster, "dns-tcp").front().port, Port{5354});
  EXPECT_EQ(targets(plan, Family::v6, Scope::cluster, "dns", Protocol::udp), (std::vector<Target>{{ip("fd01::1"), Port{5353}}}));
  for (const Protocol protocol : {Protocol::udp, Protocol::tcp}) {
    const std::string list = protocol == Protocol::udp ? "dns" : "dns-tcp";
    for (const Frontend* f : {find(plan, ip("10.96.0.10"), 53, protocol), find(plan, ip("fd02::a"), 53, protocol), find(plan, ip("192.0.2.53"), 53, protocol),
                              find(plan, std::nullopt, 30053, protocol, Family::v4), find(plan, std::nullopt, 30053, protocol, Family::v6)}) {
      ASSERT_NE(f, nullptr);
      EXPECT_EQ(f->port_name, list);
      EXPECT_EQ(f->action.everybody.kind, Choice::Kind::list);
    }
  }
  EXPECT_EQ(text(find(plan, ip("10.96.0.10"), 53, Protocol::sctp)->action), "refuse") << "no slice serves it";
  EXPECT_EQ(find(plan, std::nullopt, 0, Protocol::sctp), nullptr) << "no node port";
  EXPECT_EQ(plan.frontends.size(), 2 * 5U + 3U);
  EXPECT_EQ(plan.hairpin, ips({"10.244.1.1", "fd01::1"}));
}

TEST(PlanService, ProxyModeAndHostnamesAreNoFrontends) {
  auto service = balancer("web", {"10.96.0.1"}, {"192.0.2.10"});
  service.ingress[0].is_vip = false;
  service.ingress.push_back({std::nullopt, "lb.example.org", true});
  const auto plan = planned(service, {slice("web-1", "web", {endpoint("10.244.1.1", "n1")})});
  EXPECT_EQ(plan.frontends.size(), 1U);
  EXPECT_EQ(plan.refused, ips({"10.96.0.1"}));
  EXPECT_TRUE(plan.answering.empty());
}

TEST(PlanService, OnlyAddressesOfOursAreRefused) {
  auto service = balancer("web", {"10.96.0.1"}, {"192.0.2.10", "203.0.113.5"});  // the second is in no pool
  service.external_ips = ips({"192.0.2.77", "198.51.100.7"});                    // the first is in a pool, but not as a VIP
  const auto plan = planned(service, {slice("web-1", "web", {endpoint("10.244.1.1", "n1")})});
  EXPECT_EQ(plan.refused, ips({"10.96.0.1", "192.0.2.10"}));
  EXPECT_EQ(plan.answering, ips({"192.0.2.10"}));
  EXPECT_NE(find(plan, ip("203.0.113.5"), 80), nullptr) << "it is served all the same";
}

TEST(PlanService, ANodesAddressIsServedButItsOtherPortsStayItsOwn) {
  auto service = balancer("web", {"10.96.0.1"}, {"192.0.2.10"});
  NodeFacts node = facts();
  node.all_nodes = ips({"192.0.2.10"});  // a pool drawn around a Node: refusing would cut off its ssh and kubelet
  const auto plan = planned(service, {slice("web-1", "web", {endpoint("10.244.1.1", "n1")})}, node);
  EXPECT_EQ(plan.refused, ips({"10.96.0.1"}));
  EXPECT_TRUE(plan.answering.empty());
  EXPECT_NE(find(plan, ip("192.0.2.10"), 80), nullptr);
}

TEST(PlanService, AVipAnswersPingWhileAnyPortHasAnEndpoint) {
  auto service = balancer("web", {"10.96.0.1"}, {"192.0.2.10"});
  service.ports = {port("a", 80), port("b", 81)};
  EXPECT_TRUE(planned(service, {}).answering.empty());
  auto s = slice("web-1", "web", {endpoint("10.244.1.1", "n1")});
  s.ports = {{"b", Protocol::tcp, Port{8080}}};
  EXPECT_EQ(planned(service, {s}).answering, ips({"192.0.2.10"}));
}

// --- loadBalancerSourceRanges ------------------------------------------------------------------------------------------------

TEST(PlanService, SourceRangesTable) {
  using R = std::vector<Prefix>;
  const struct {
    const char* name;
    std::vector<const char*> ranges;
    R want4, want6;  // empty: not guarded
  } cases[] = {
      {"none: everybody", {}, {}, {}},
      {"one", {"203.0.113.0/24"}, {prefix("203.0.113.0/24")}, {}},
      {"each family has its own", {"203.0.113.0/24", "2001:db8:1::/48"}, {prefix("203.0.113.0/24")}, {prefix("2001:db8:1::/48")}},
      {"only the other family's: this one stays open", {"2001:db8:1::/48"}, {}, {prefix("2001:db8:1::/48")}},
      {"overlapping ones are merged, host bits cut off",
       {"203.0.113.130/25", "203.0.113.0/24", "203.0.113.7/32", "198.51.100.0/24"},
       {prefix("198.51.100.0/24"), prefix("203.0.113.0/24")},
       {}},
      {"an IPv4-mapped range is IPv4", {"::ffff:203.0.113.0/120"}, {prefix("203.0.113.0/24")}, {}},
      {"a range around this node lets its VIPs speak too",
       {"10.0.0.0/24"},
       {prefix("10.0.0.0/24"), prefix("192.0.2.10/32"), prefix("192.0.2.11/32")},
       {}},
      {"... in that family only",
       {"10.0.0.0/24", "2001:db8:1::/48"},
       {prefix("10.0.0.0/24"), prefix("192.0.2.10/32"), prefix("192.0.2.11/32")},
       {prefix("2001:db8:1::/48")}},
      {"... and not for another node's address", {"10.0.0.2/32"}, {prefix("10.0.0.2/32")}, {}},
      {"everybody, in so many words", {"0.0.0.0/0"}, {prefix("0.0.0.0/0")}, {}},
  };
  NodeFacts node = facts();
  node.own_addresses = ips({"10.0.0.1", "fd00::1"});
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    auto service = balancer("web", {"10.96.0.1", "fd02::1"}, {"192.0.2.10", "192.0.2.11", "2001:db8::10"});
    service.external_ips = ips({"198.51.100.7", "192.0.2.10"});  // the second is a VIP as well: guarded
    service.ports[0].node_port = Port{30080};
    for (const char* r : c.ranges) service.source_ranges.push_back(prefix(r));
    for (const Frontend& f : planned(service, {slice("web-1", "web", {endpoint("10.244.1.1", "n1")})}, node).frontends) {
      SCOPED_TRACE(f.ip ? f.ip->str() : "NodePort");
      const bool is_vip = f.ip && std::any_of(service.ingress.begin(), service.ingress.end(), [&](const kube::Ingress& i) { return i.ip == f.ip; });
      const R want = !is_vip ? R{} : f.family == Family::v4 ? c.want4 : c.want6;
      EXPECT_EQ(f.sources, want);
      EXPECT_EQ(f.is_guarded, !want.empty());
    }
  }
}

TEST(PlanService, AProxyModeAddressIsNotGuardedEvenAsAnExternalIp) {
  auto service = balancer("web", {"10.96.0.1"}, {"192.0.2.10"});
  service.ingress[0].is_vip = false;
  service.external_ips = ips({"192.0.2.10"});
  service.source_ranges = {prefix("203.0.113.0/24")};
  const auto plan = planned(service, {});
  ASSERT_NE(find(plan, ip("192.0.2.10"), 80), nullptr);
  EXPECT_FALSE(find(plan, ip("192.0.2.10"), 80)->is_guarded);
}

TEST(PlanService, AClusterIpAmongTheExternalOnesKeepsItsOwnPolicy) {
  auto service = balancer("web", {"10.96.0.1"}, {});
  service.external_ips = ips({"10.96.0.1"});
  const auto plan = planned(service, {slice("web-1", "web", {endpoint("10.244.1.1", "n1")})});
  ASSERT_EQ(plan.frontends.size(), 1U);
  EXPECT_EQ(text(plan.frontends[0].action), "cluster+P");
}

TEST(PlanService, DetectorsByInterfaceCountInBothFamilies) {
  NodeFacts node = facts();
  node.detector = {Detector::Mode::interface_name_prefix, {}, "veth"};
  auto service = balancer("web", {"10.96.0.1", "fd02::1"}, {});
  const auto plan = planned(service, {slice("web-1", "web", {endpoint("10.244.1.1", "n1")}), slice("web-2", "web", {endpoint("fd01::1", "n1")})}, node);
  for (const char* address : {"10.96.0.1", "fd02::1"}) EXPECT_EQ(text(find(plan, ip(address), 80)->action), "cluster+P");
}

TEST(PlanService, AddressesNamedTwiceMakeOneFrontend) {
  auto service = balancer("web", {"10.96.0.1"}, {"192.0.2.10"});
  service.external_ips = ips({"192.0.2.10", "192.0.2.10"});
  EXPECT_EQ(planned(service, {}).frontends.size(), 2U);
}

}  // namespace
}  // namespace fairlead::speaker
