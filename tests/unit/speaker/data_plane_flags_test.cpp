#include "speaker/core/data_plane_flags.h"

#include <gtest/gtest.h>

#include "speaker/core/node_facts.h"
#include "tests/support/builders.h"

namespace fairlead::speaker {
namespace {

using namespace test;

std::vector<Prefix> prefixes(std::initializer_list<std::string_view> texts) {
  std::vector<Prefix> out;
  for (const auto text : texts) out.push_back(prefix(text));
  return out;
}

DataPlaneFlags parsed(const DataPlaneTexts& texts) {
  const auto out = parse_flags(texts);
  EXPECT_TRUE(out) << out.error().what;
  return out ? *out : DataPlaneFlags{};
}

// --- flags ----------------------------------------------------------------------------------------------------------------

TEST(DataPlaneFlags, DefaultsAreKubeProxys) {
  const auto flags = parsed({});
  EXPECT_EQ(flags.detector.mode, Detector::Mode::cluster_cidr);
  EXPECT_FALSE(flags.detector.exists(Family::v4));
  EXPECT_FALSE(flags.detector.exists(Family::v6));
  EXPECT_TRUE(flags.node_ports.is_primary);
  EXPECT_TRUE(flags.node_ports.within.empty());
  EXPECT_FALSE(flags.masquerade_all);
}

TEST(DataPlaneFlags, TheFirstClusterCidrOfEachFamilyCounts) {
  const auto flags = parsed({.cluster_cidrs = {"fd01::/48", "10.244.7.1/16", "10.245.0.0/16", "fd02::/48"}});
  EXPECT_EQ(flags.detector.pods, prefixes({"fd01::/48", "10.244.0.0/16"}));
  const auto four = parsed({.cluster_cidrs = {"10.244.0.0/16"}});
  EXPECT_TRUE(four.detector.exists(Family::v4));
  EXPECT_FALSE(four.detector.exists(Family::v6)) << "no prefix of the family: no detector in it";
}

TEST(DataPlaneFlags, DetectorsByInterfaceAreOfBothFamilies) {
  const auto bridge = parsed({.cluster_cidrs = {"10.244.0.0/16"}, .detect_local_mode = "BridgeInterface", .pod_bridge_interface = "cni0", .pod_interface_name_prefix = "cali"});
  EXPECT_EQ(bridge.detector.mode, Detector::Mode::bridge_interface);
  EXPECT_EQ(bridge.detector.interface, "cni0");
  EXPECT_TRUE(bridge.detector.pods.empty()) << "the cluster's prefix is not asked";
  EXPECT_TRUE(bridge.detector.exists(Family::v4));
  EXPECT_TRUE(bridge.detector.exists(Family::v6));
  const auto by_prefix = parsed({.detect_local_mode = "InterfaceNamePrefix", .pod_bridge_interface = "cni0", .pod_interface_name_prefix = "cali"});
  EXPECT_EQ(by_prefix.detector.mode, Detector::Mode::interface_name_prefix);
  EXPECT_EQ(by_prefix.detector.interface, "cali");
}

TEST(DataPlaneFlags, ErrorsNameTheFlagAndTheRemedy) {
  const struct {
    DataPlaneTexts texts;
    const char* want;
  } cases[] = {
      {{.mode = "iptables"}, "--mode: \"iptables\" is not known: write one of auto, full, loadbalancer, off"},
      {{.cluster_cidrs = {"10.244.0.0/16", "pods"}}, "--cluster-cidr: \"pods\" is no prefix: write one like 10.244.0.0/16"},
      {{.service_cidrs = {"10.96.0.0"}}, "--service-cidr: \"10.96.0.0\" is no prefix: write one like 10.96.0.0/16"},
      {{.detect_local_mode = "clustercidr"},
       "--detect-local-mode: \"clustercidr\" is not known: write one of ClusterCIDR, NodeCIDR, BridgeInterface, InterfaceNamePrefix"},
      {{.detect_local_mode = "BridgeInterface"}, "--pod-bridge-interface: is missing: --detect-local-mode BridgeInterface needs it"},
      {{.detect_local_mode = "InterfaceNamePrefix", .pod_bridge_interface = "cni0"},
       "--pod-interface-name-prefix: is missing: --detect-local-mode InterfaceNamePrefix needs it"},
      {{.detect_local_mode = "BridgeInterface", .pod_bridge_interface = "a-name-of-sixteen"},
       "--pod-bridge-interface: \"a-name-of-sixteen\" cannot be the name of a link: write at most 15 characters, no blank, no '/'"},
      {{.nodeport_addresses = {"secondary"}}, "--nodeport-addresses: \"secondary\" is no prefix: write primary, or prefixes like 192.0.2.0/24"},
  };
  for (const auto& c : cases) {
    const auto out = parse_flags(c.texts);
    ASSERT_FALSE(out) << c.want;
    EXPECT_EQ(out.error().what, c.want);
  }
}

// --- where NodePorts answer -------------------------------------------------------------------------------------------------

TEST(AcceptedAddresses, Table) {
  const std::vector<Ip> primary = ips({"192.0.2.1", "192.0.2.2", "2001:db8::1"});
  const std::vector<Ip> own = ips({"127.0.0.1", "192.0.2.1", "10.0.0.1", "10.0.0.2", "::1", "2001:db8::1", "fd00::1"});
  using F = std::vector<std::string>;
  const struct {
    const char* name;
    F flag;
    std::vector<Ip> addresses;
    bool everywhere4, everywhere6;
  } cases[] = {
      {"primary: the Node's first of each family", {"primary"}, ips({"192.0.2.1", "2001:db8::1"}), false, false},
      {"one family restricted, the other is open", {"10.0.0.0/8"}, ips({"10.0.0.1", "10.0.0.2"}), false, true},
      {"... the other way round", {"fd00::/8"}, ips({"fd00::1"}), true, false},
      {"both restricted", {"192.0.2.0/24", "fd00::/8"}, ips({"192.0.2.1", "fd00::1"}), false, false},
      {"several prefixes, one address once", {"10.0.0.0/8", "10.0.0.1/32", "fd00::/8"}, ips({"10.0.0.1", "10.0.0.2", "fd00::1"}), false, false},
      {"a zero prefix means all, whatever stands beside it", {"10.0.0.0/8", "0.0.0.0/0", "fd00::/8"}, ips({"fd00::1"}), true, false},
      {"all of both", {"0.0.0.0/0", "::/0"}, {}, true, true},
      {"nothing at all means all", {}, {}, true, true},
      {"a prefix around no address of ours", {"198.51.100.0/24", "fd99::/16"}, {}, false, false},
      {"never loopback", {"127.0.0.0/8", "::1/128"}, {}, false, false},
      {"loopback inside a wider prefix", {"0.0.0.0/1", "::/8"}, ips({"10.0.0.1", "10.0.0.2"}), false, false},
      {"primary and more", {"primary", "10.0.0.0/8"}, ips({"10.0.0.1", "10.0.0.2", "192.0.2.1", "2001:db8::1"}), false, false},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const auto got = accepted_addresses(parsed({.nodeport_addresses = c.flag}).node_ports, primary, own);
    EXPECT_EQ(got.addresses, c.addresses);
    EXPECT_EQ(got.everywhere4, c.everywhere4);
    EXPECT_EQ(got.everywhere6, c.everywhere6);
  }
}

TEST(AcceptedAddresses, ANodeOfOneFamilyHasNoPrimaryInTheOther) {
  const auto got = accepted_addresses({}, ips({"192.0.2.1"}), ips({"192.0.2.1", "fd00::1"}));
  EXPECT_EQ(got.addresses, ips({"192.0.2.1"}));
  EXPECT_FALSE(got.everywhere6);
}

// --- facts --------------------------------------------------------------------------------------------------------------------

TEST(NodeFacts, NodeCidrModeTakesTheNodesFirstPrefixOfEachFamily) {
  const auto flags = parsed({.cluster_cidrs = {"10.244.0.0/16"}, .detect_local_mode = "NodeCIDR"});
  Cluster cluster;
  EXPECT_FALSE(node_facts(flags, "n1", cluster, {}).detector.exists(Family::v4)) << "nothing allocated yet";
  auto self = node("n1", {"192.0.2.1"});
  self.pod_cidrs = prefixes({"10.244.1.0/24", "10.244.9.0/24", "fd01:1::/64"});
  cluster.nodes["n1"] = self;
  cluster.nodes["n2"].pod_cidrs = prefixes({"10.244.2.0/24"});
  EXPECT_EQ(node_facts(flags, "n1", cluster, {}).detector.pods, prefixes({"10.244.1.0/24", "fd01:1::/64"}));
  EXPECT_EQ(node_facts(parsed({.cluster_cidrs = {"10.244.0.0/16"}}), "n1", cluster, {}).detector.pods, prefixes({"10.244.0.0/16"}))
      << "the Node's prefixes are for that mode only";
}

TEST(NodeFacts, ThePrimaryAddressIsInternalThenExternalThenTheLinks) {
  const HostAddresses host{ips({"10.9.9.9"}), ips({"10.9.9.9"})};
  Cluster cluster;
  EXPECT_EQ(node_facts({}, "n1", cluster, host).node_addresses, ips({"10.9.9.9"}));
  cluster.nodes["n1"] = node("n1", {"192.0.2.1"});
  cluster.nodes["n1"].external_ips = ips({"203.0.113.1", "2001:db8::1"});
  EXPECT_EQ(node_facts({}, "n1", cluster, host).node_addresses, ips({"192.0.2.1", "2001:db8::1"}));
}

TEST(NodeFacts, OwnAddressesLeaveOutLoopbackAndLinkLocal) {
  const HostAddresses host{{}, ips({"fe80::1", "169.254.1.1", "127.0.0.1", "192.0.2.1", "::1", "10.0.0.1", "192.0.2.1", "fd00::1"})};
  const auto facts = node_facts(parsed({.nodeport_addresses = {"192.0.2.0/24"}}), "n1", {}, host);
  EXPECT_EQ(facts.own_addresses, ips({"10.0.0.1", "192.0.2.1", "fd00::1"}));
  EXPECT_TRUE(facts.takes_node_ports(ip("192.0.2.1")));
  EXPECT_FALSE(facts.takes_node_ports(ip("10.0.0.1")));
  EXPECT_TRUE(facts.takes_node_ports(ip("fd00::1"))) << "no IPv6 prefix was given: all of that family";
  EXPECT_FALSE(facts.takes_node_ports(ip("::1")));
  EXPECT_FALSE(facts.takes_node_ports(ip("2001:db8::99"))) << "somebody else's";
}

}  // namespace
}  // namespace fairlead::speaker
