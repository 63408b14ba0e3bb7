#include "speaker/core/announce.h"

#include <gtest/gtest.h>

#include <set>

#include "speaker/core/owner.h"
#include "tests/support/builders.h"

namespace fairlead::speaker {
namespace {

using namespace test;

/// Three ready nodes, one pool, one advertisement for all.
Cluster cluster() {
  Cluster out;
  for (const char* n : {"n1", "n2", "n3"}) out.nodes.emplace(n, node(n));
  out.pools.emplace(named("main"), pool("main", {"192.0.2.0/24", "2001:db8::/64"}));
  out.advertisements.emplace(named("all"), advertisement("all"));
  return out;
}
kube::Service web() { return balancer("web", {"10.96.0.1"}, {"192.0.2.10"}); }
const std::string kExclude = "node.kubernetes.io/exclude-from-external-load-balancers";

std::vector<Announcement> ask(const kube::Service& service, const Cluster& c, const std::vector<kube::EndpointSlice>& slices = {}) {
  return announcements(service, pointers(slices), c, NodeReadiness{});
}
Announcement only(const kube::Service& service, const Cluster& c, const std::vector<kube::EndpointSlice>& slices = {}) {
  const auto all = ask(service, c, slices);
  EXPECT_EQ(all.size(), 1U);
  return all.empty() ? Announcement{} : all[0];
}
/// The nodes that may be chosen: each is, once the others are not ready.
std::set<std::string> candidates(const kube::Service& service, const Cluster& c, const std::vector<kube::EndpointSlice>& slices = {}) {
  std::set<std::string> out;
  for (const auto& [name, n] : c.nodes) {
    Cluster alone = c;
    for (auto& [other, o] : alone.nodes) o.is_ready = o.is_ready && other == name;
    const Announcement a = only(service, alone, slices);
    if (a.reason == Reason::owner) out.insert(a.node);
  }
  return out;
}

TEST(Announcements, OneOwnerForEachVip) {
  auto service = web();
  service.ingress.push_back({ip("2001:db8::10"), "", true});
  const auto all = ask(service, cluster());
  ASSERT_EQ(all.size(), 2U);
  const std::vector<std::string> nodes{"n1", "n2", "n3"};
  for (const Announcement& a : all) {
    EXPECT_EQ(a.reason, Reason::owner);
    EXPECT_EQ(a.node, owner(a.vip, nodes));
    EXPECT_TRUE(a.interfaces.empty());
  }
}

TEST(Announcements, ReasonsTable) {
  const struct {
    const char* name;
    void (*change)(kube::Service&, Cluster&);
    Reason want;
  } cases[] = {
      {"as it is", [](kube::Service&, Cluster&) {}, Reason::owner},
      {"an address of nobody's pool", [](kube::Service& s, Cluster&) { s.ingress[0].ip = ip("198.51.100.1"); }, Reason::not_in_a_pool},
      {"no pool at all", [](kube::Service&, Cluster& c) { c.pools.clear(); }, Reason::not_in_a_pool},
      {"a Node's own address", [](kube::Service&, Cluster& c) { c.nodes["n2"].internal_ips = ips({"10.0.0.2", "192.0.2.10"}); }, Reason::is_node_address},
      {"a Node's address in the pool, but not this one", [](kube::Service&, Cluster& c) { c.nodes["n2"].internal_ips = ips({"192.0.2.11"}); }, Reason::owner},
      {"no advertisement", [](kube::Service&, Cluster& c) { c.advertisements.clear(); }, Reason::no_advertisement},
      {"one for another pool", [](kube::Service&, Cluster& c) { c.advertisements.begin()->second.pools = {"other"}; }, Reason::no_advertisement},
      {"one for this pool", [](kube::Service&, Cluster& c) { c.advertisements.begin()->second.pools = {"other", "main"}; }, Reason::owner},
      {"one for labelled pools",
       [](kube::Service&, Cluster& c) { c.advertisements.begin()->second.pool_selectors = {label_is("use", "l2")}; },
       Reason::no_advertisement},
      {"one for other Services",
       [](kube::Service&, Cluster& c) { c.advertisements.begin()->second.service_selectors = {label_is("tier", "edge")}; },
       Reason::no_advertisement},
      {"one for Services like this",
       [](kube::Service& s, Cluster& c) {
         s.meta.labels["tier"] = "edge";
         c.advertisements.begin()->second.service_selectors = {label_is("tier", "edge")};
       },
       Reason::owner},
      {"no node ready", [](kube::Service&, Cluster& c) { for (auto& [n, o] : c.nodes) o.is_ready = false; }, Reason::no_eligible_node},
      {"no node at all", [](kube::Service&, Cluster& c) { c.nodes.clear(); }, Reason::no_eligible_node},
      {"no node selected",
       [](kube::Service&, Cluster& c) { c.advertisements.begin()->second.node_selectors = {label_is("rack", "9")}; },
       Reason::no_eligible_node},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    kube::Service service = web();
    Cluster around = cluster();
    c.change(service, around);
    const Announcement a = only(service, around);
    EXPECT_EQ(name(a.reason), name(c.want));
    EXPECT_EQ(a.node.empty(), c.want != Reason::owner);
  }
}

TEST(Announcements, NodesThatCannotServeAreNoCandidates) {
  Cluster c = cluster();
  EXPECT_EQ(candidates(web(), c), (std::set<std::string>{"n1", "n2", "n3"}));
  c.nodes["n1"].is_ready = false;
  EXPECT_EQ(candidates(web(), c), (std::set<std::string>{"n2", "n3"}));
  c.nodes["n2"].network_unavailable = true;
  EXPECT_EQ(candidates(web(), c), (std::set<std::string>{"n3"}));
  c.nodes["n3"].meta.labels[kExclude] = "";  // any value
  EXPECT_EQ(candidates(web(), c), (std::set<std::string>{}));
}

TEST(Announcements, NodeSelectorsOfSeveralAdvertisementsAreAUnion) {
  Cluster c = cluster();
  c.nodes["n1"].meta.labels["rack"] = "1";
  c.nodes["n2"].meta.labels["rack"] = "2";
  c.advertisements.begin()->second.node_selectors = {label_is("rack", "1")};
  EXPECT_EQ(candidates(web(), c), (std::set<std::string>{"n1"}));
  auto second = advertisement("second");
  second.node_selectors = {label_is("rack", "2")};
  c.advertisements.emplace(named("second"), second);
  EXPECT_EQ(candidates(web(), c), (std::set<std::string>{"n1", "n2"}));
}

TEST(Announcements, InterfacesAreTheUnionOfWhatSelectsTheNode) {
  Cluster c = cluster();
  c.nodes["n1"].meta.labels["rack"] = "1";
  for (const char* n : {"n2", "n3"}) c.nodes[n].is_ready = false;
  auto& first = c.advertisements.begin()->second;
  first.interfaces = {"eth1", "eth0"};
  EXPECT_EQ(only(web(), c).interfaces, (std::vector<std::string>{"eth0", "eth1"}));

  auto second = advertisement("second");
  second.interfaces = {"eth2", "eth1"};
  second.node_selectors = {label_is("rack", "2")};
  c.advertisements[named("second")] = second;
  EXPECT_EQ(only(web(), c).interfaces, (std::vector<std::string>{"eth0", "eth1"})) << "it does not select this node";
  second.node_selectors = {label_is("rack", "1")};
  c.advertisements[named("second")] = second;
  EXPECT_EQ(only(web(), c).interfaces, (std::vector<std::string>{"eth0", "eth1", "eth2"}));

  c.advertisements[named("third")] = advertisement("third");
  EXPECT_TRUE(only(web(), c).interfaces.empty()) << "one without a list allows all";
}

TEST(Announcements, LocalPolicyWantsAnEndpointOnTheNode) {
  auto service = web();
  service.external_traffic_policy = kube::TrafficPolicy::local;
  using Set = std::set<std::string>;
  const Set all{"n1", "n2", "n3"};
  const struct {
    const char* name;
    std::vector<kube::Endpoint> endpoints;
    Set want;
  } cases[] = {
      {"nobody serves: refused at once by anybody", {}, all},
      {"not ready counts as nobody", {unready(endpoint("10.244.1.1", "n1"))}, all},
      {"one node", {endpoint("10.244.1.1", "n2")}, {"n2"}},
      {"two nodes", {endpoint("10.244.1.1", "n2"), endpoint("10.244.2.1", "n3")}, {"n2", "n3"}},
      {"terminating but serving", {draining(endpoint("10.244.1.1", "n2"))}, {"n2"}},
      {"terminating and not serving", {dying(endpoint("10.244.1.1", "n2")), endpoint("10.244.2.1", "n3")}, {"n3"}},
      {"serving, not ready, not terminating", {[] {
         auto e = endpoint("10.244.1.1", "n2");
         e.is_ready = false;
         return e;
       }(), endpoint("10.244.2.1", "n3")}, {"n3"}},
      {"no node name", {endpoint("10.244.1.1")}, {}},
      {"a node that is unknown", {endpoint("10.244.1.1", "n9")}, {}},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(candidates(service, cluster(), {slice("web-1", "web", c.endpoints)}), c.want);
  }
  service.external_traffic_policy = kube::TrafficPolicy::cluster;
  EXPECT_EQ(candidates(service, cluster(), {slice("web-1", "web", {endpoint("10.244.1.1", "n2")})}), all);
}

TEST(Announcements, LocalPolicyWantsAnEndpointOfTheVipsFamily) {
  auto service = web();
  service.external_traffic_policy = kube::TrafficPolicy::local;
  service.ingress.push_back({ip("2001:db8::10"), "", true});
  const auto all = ask(service, cluster(), {slice("web-4", "web", {endpoint("10.244.1.1", "n1")}), slice("web-6", "web", {endpoint("fd01::1", "n3")})});
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].node, "n1");
  EXPECT_EQ(all[1].node, "n3");
}

TEST(Announcements, NameThePoolAndTheAdvertisementsThatSelectTheNode) {
  Cluster c = cluster();
  for (const char* n : {"n2", "n3"}) c.nodes[n].is_ready = false;
  auto elsewhere = advertisement("elsewhere");
  elsewhere.node_selectors = {label_is("rack", "2")};
  c.advertisements[named("elsewhere")] = elsewhere;
  const Announcement a = only(web(), c);
  EXPECT_EQ(a.pool, named("main"));
  EXPECT_EQ(a.advertisements, std::vector<kube::Name>{named("all")});
}

TEST(Announcements, OnlyVipsOfBalancers) {
  auto service = web();
  for (const auto type : {kube::ServiceType::cluster_ip, kube::ServiceType::node_port, kube::ServiceType::external_name}) {
    service.type = type;
    EXPECT_TRUE(ask(service, cluster()).empty());
  }
  service.type = kube::ServiceType::load_balancer;
  service.ingress[0].is_vip = false;  // ipMode Proxy: somebody else's balancer
  EXPECT_TRUE(ask(service, cluster()).empty());
  service.ingress = {{std::nullopt, "lb.example.org", true}};
  EXPECT_TRUE(ask(service, cluster()).empty());
  service.ingress.clear();
  EXPECT_TRUE(ask(service, cluster()).empty());
}

TEST(Announcements, NoEligibleNodeSaysWhichNodeHasWhatAgainstIt) {
  Cluster around = cluster();
  for (const char* n : {"n4", "n5", "n6"}) around.nodes.emplace(n, node(n));
  for (auto& [n, object] : around.nodes) object.meta.labels = {{"rack", "1"}};
  around.advertisements.begin()->second.node_selectors = {label_is("rack", "1")};
  around.nodes.at("n1").is_ready = false;
  around.nodes.at("n2").meta.labels[kExclude] = "";
  around.nodes.at("n3").meta.labels[kExclude] = "true";
  around.nodes.at("n4").network_unavailable = true;
  around.nodes.at("n5").meta.labels["rack"] = "2";
  kube::Service service = web();
  service.external_traffic_policy = kube::TrafficPolicy::local;
  const Announcement a = only(service, around, {slice("web-1", "web", {endpoint("10.244.1.7", "n1")})});
  EXPECT_EQ(a.reason, Reason::no_eligible_node);
  EXPECT_EQ(a.teller, "n2") << "the first that is alive";
  EXPECT_EQ(a.what,
            "192.0.2.10 is announced by nobody: Node n5 is not selected by spec.nodeSelectors of L2Advertisement default/all; Nodes n2, n3 "
            "carry the label node.kubernetes.io/exclude-from-external-load-balancers (to remove it: kubectl label node n2 n3 "
            "node.kubernetes.io/exclude-from-external-load-balancers-); Node n4 has the condition NetworkUnavailable; Node n1 is not "
            "Ready; Node n6 has no endpoint that can serve, and spec.externalTrafficPolicy is Local");
}

TEST(Announcements, WithoutAReadyNodeTheFirstOneTells) {
  Cluster around = cluster();
  for (auto& [n, node] : around.nodes) node.is_ready = false;
  const Announcement a = only(web(), around);
  EXPECT_EQ(a.teller, around.nodes.begin()->first);
  EXPECT_NE(a.what.find("are not Ready"), std::string::npos) << a.what;
}

TEST(Announcements, EveryReasonHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(Reason::no_eligible_node); ++i) names.insert(name(static_cast<Reason>(i)));
  EXPECT_EQ(names.size(), 5U);
  EXPECT_FALSE(names.contains("unknown"));
}

TEST(Announcements, OneVipRefusedDoesNotStopTheOther) {
  auto service = web();
  service.ingress.insert(service.ingress.begin(), {ip("198.51.100.1"), "", true});
  const auto all = ask(service, cluster());
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].reason, Reason::not_in_a_pool);
  EXPECT_EQ(all[1].reason, Reason::owner);
}

}  // namespace
}  // namespace fairlead::speaker
