#include "speaker/core/mode.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "speaker/core/node_facts.h"
#include "speaker/core/plan.h"
#include "tests/support/builders.h"

namespace fairlead::speaker {
namespace {

using namespace test;

TEST(Mode, NamesAreReadBack) {
  for (const Mode mode : {Mode::automatic, Mode::full, Mode::load_balancer, Mode::off}) EXPECT_EQ(parse_mode(name(mode)), mode);
  for (const char* none : {"", "Full", "automatic", "load_balancer", "none"}) EXPECT_FALSE(parse_mode(none)) << none;
}

TEST(Mode, FindModeTable) {
  const struct {
    const char* name;
    ProxyTraces traces;
    Mode want;
    bool has_remedy = false;
  } cases[] = {
      {"a bare node", {}, Mode::full},
      {"our own tables and a CNI's", {{"fairlead-1", "fairlead-anchor", "nat"}, {"services", "KUBE-FIREWALL", "KUBE-KUBELET-CANARY"}, {"lo", "eth0", "cni0"}, false}, Mode::full},
      {"kube-proxy, nftables", {{"kube-proxy"}, {"services"}, {"eth0"}, true}, Mode::load_balancer},
      {"kube-proxy, iptables", {{"nat"}, {"KUBE-SERVICES"}, {"eth0"}, true}, Mode::load_balancer},
      {"kube-proxy, ipvs", {{}, {}, {"kube-ipvs0"}, true}, Mode::load_balancer},
      {"kube-proxy with rules that nf_tables does not show", {{}, {}, {"eth0"}, true}, Mode::load_balancer},
      {"rules alone: kube-proxy without its port for metrics, or gone", {{"kube-proxy"}, {}, {}, false}, Mode::load_balancer, true},
      {"the same with iptables", {{"nat"}, {"KUBE-SERVICES"}, {}, false}, Mode::load_balancer, true},
      {"Cilium instead of kube-proxy", {{}, {}, {"eth0", "cilium_host"}, false}, Mode::off},
      {"Cilium beside kube-proxy", {{}, {"KUBE-SERVICES"}, {"eth0", "cilium_host"}, true}, Mode::load_balancer},
      {"Cilium, with what an old kube-proxy left", {{"kube-proxy"}, {"KUBE-SERVICES"}, {"cilium_host"}, false}, Mode::off},
      {"Calico's eBPF", {{}, {}, {"bpfin.cali", "bpfout.cali"}, false}, Mode::off},
      {"Calico without eBPF", {{"calico"}, {"cali-PREROUTING"}, {"cali1234"}, false}, Mode::full},
  };
  for (const auto& c : cases) {
    const FoundMode found = find_mode(c.traces);
    EXPECT_EQ(found.mode, c.want) << c.name;
    EXPECT_EQ(!found.remedy.empty(), c.has_remedy) << c.name;
    EXPECT_FALSE(found.because.empty()) << c.name;
  }
}

// --- what is planned in each ------------------------------------------------------------------------------------------------

/// A LoadBalancer with everything: a VIP out of a pool, one that is not, an externalIP, a NodePort.
kube::Service everything() {
  kube::Service out = balancer("web", {"10.96.0.1"}, {"192.0.2.10", "203.0.113.10"});
  out.external_ips = ips({"203.0.113.20"});
  out.ports = {port("", 80, Protocol::tcp, 30080)};
  return out;
}

ServicePlan planned(Mode mode, const kube::Service& service = everything()) {
  NodeFacts node = facts();
  node.mode = mode;
  const std::vector<kube::EndpointSlice> slices{slice("web-1", "web", {endpoint("10.244.0.7", "n1")})};
  return plan_service(service, pointers(slices), node);
}

std::vector<std::string> frontends(const ServicePlan& plan) {
  std::vector<std::string> out;
  for (const Frontend& f : plan.frontends) out.push_back(f.ip ? f.ip->str() : "node port");
  std::sort(out.begin(), out.end());
  return out;
}

TEST(PlanInMode, FullIsEverything) {
  EXPECT_EQ(frontends(planned(Mode::full)), (std::vector<std::string>{"10.96.0.1", "192.0.2.10", "203.0.113.10", "203.0.113.20", "node port"}));
  EXPECT_EQ(planned(Mode::full).refused, ips({"10.96.0.1", "192.0.2.10"}));
}

TEST(PlanInMode, LoadBalancerIsVipsOutOfOurPoolsAndNothingElse) {
  const ServicePlan plan = planned(Mode::load_balancer);
  EXPECT_EQ(frontends(plan), std::vector<std::string>{"192.0.2.10"});
  EXPECT_EQ(plan.refused, ips({"192.0.2.10"})) << "its other ports; a ClusterIP's are the other proxy's";
  EXPECT_EQ(plan.answering, ips({"192.0.2.10"}));
  EXPECT_EQ(plan.lists.size(), 1U);
  EXPECT_EQ(plan.hairpin, ips({"10.244.0.7"}));
  // The same VIP as in mode full.
  const ServicePlan full = planned(Mode::full);
  const auto same = std::find_if(full.frontends.begin(), full.frontends.end(), [](const Frontend& f) { return f.ip == ip("192.0.2.10"); });
  ASSERT_NE(same, full.frontends.end());
  EXPECT_EQ(plan.frontends.front(), *same);
}

TEST(PlanInMode, AServiceWithoutAVipOfOursLeavesNoTrace) {
  EXPECT_EQ(planned(Mode::load_balancer, service("web", {"10.96.0.1"})), ServicePlan{});
  EXPECT_EQ(planned(Mode::load_balancer, balancer("web", {"10.96.0.1"}, {"203.0.113.10"})), ServicePlan{});
  kube::Service as_external = service("web", {"10.96.0.1"});
  as_external.external_ips = ips({"192.0.2.10"});
  EXPECT_EQ(planned(Mode::load_balancer, as_external), ServicePlan{}) << "an externalIP is no VIP, even out of a pool";
  EXPECT_EQ(planned(Mode::off), ServicePlan{});
}

TEST(PlanInMode, FactsOfLoadBalancerHaveNeitherNodePortsNorServiceCidrs) {
  DataPlaneFlags flags;
  flags.service_cidrs = {prefix("10.96.0.0/16")};
  Cluster cluster;
  cluster.nodes["n1"] = node("n1", {"10.0.0.1"});
  cluster.service_cidrs["kubernetes"].cidrs = {prefix("10.97.0.0/16")};
  const NodeFacts full = node_facts(flags, "n1", cluster, {});
  EXPECT_EQ(full.node_addresses, ips({"10.0.0.1"}));
  EXPECT_EQ(full.service_cidrs, std::vector<Prefix>{prefix("10.97.0.0/16")});
  flags.mode = Mode::load_balancer;
  const NodeFacts some = node_facts(flags, "n1", cluster, {});
  EXPECT_EQ(some.mode, Mode::load_balancer);
  EXPECT_TRUE(some.node_addresses.empty());
  EXPECT_TRUE(some.service_cidrs.empty());
  EXPECT_EQ(some.all_nodes, ips({"10.0.0.1"})) << "a VIP that is a Node's stays the Node's";
}

}  // namespace
}  // namespace fairlead::speaker
