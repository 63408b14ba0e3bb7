#include "proto/api/parse.h"

#include <gtest/gtest.h>

#include "proto/api/annotations.h"

namespace fairlead::api {
namespace {

using kube::FieldError;
using kube::Json;

Json pool(const char* spec) { return {{"metadata", {{"name", "p"}}}, {"spec", Json::parse(spec)}}; }

std::string bad_field(const auto& parsed) {
  const auto* const error = std::get_if<FieldError>(&parsed);
  return error == nullptr ? "(nothing is wrong)" : error->field;
}

TEST(ParseRange, Table) {
  const struct {
    const char* in;
    const char* want;
  } cases[] = {
      {"192.0.2.0/28", "192.0.2.0-192.0.2.15"},
      {"198.51.100.10/24", "198.51.100.0-198.51.100.255"},  // host bits are masked away
      {"192.0.2.7/32", "192.0.2.7"},
      {"192.0.2.5-192.0.2.9", "192.0.2.5-192.0.2.9"},
      {" 192.0.2.5 - 192.0.2.9 ", "192.0.2.5-192.0.2.9"},
      {"192.0.2.5-192.0.2.9\n", "192.0.2.5-192.0.2.9"},  // of a YAML block
      {"192.0.2.5-192.0.2.5", "192.0.2.5"},
      {"2001:db8::/127", "2001:db8::-2001:db8::1"},
      {"2001:db8::1-2001:db8::f", "2001:db8::1-2001:db8::f"},
      {"::ffff:192.0.2.5-::ffff:192.0.2.9", "192.0.2.5-192.0.2.9"},  // as Go reads them
      {"::ffff:192.0.2.5-192.0.2.9", "192.0.2.5-192.0.2.9"},
      {"::ffff:192.0.2.0/124", "192.0.2.0-192.0.2.15"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.in);
    const auto range = parse_range(c.in);
    ASSERT_TRUE(std::holds_alternative<IpRange>(range)) << std::get<std::string>(range);
    EXPECT_EQ(std::get<IpRange>(range).str(), c.want);
  }
}

TEST(ParseRange, TheSentenceNamesTheRemedy) {
  const struct {
    const char* in;
    const char* part;
  } cases[] = {
      {"192.0.2.7", "write 192.0.2.7/32"},
      {"2001:db8::7", "write 2001:db8::7/128"},
      {"192.0.2.9-192.0.2.5", "swap"},
      {"192.0.2.5-2001:db8::1", "one range for each family"},
      {"::ffff:192.0.2.5-2001:db8::1", "one range for each family"},
      {"::1-::ffff:192.0.2.5", "one range for each family"},
      {"192.0.2.5-", "FIRST-LAST"},
      {"192.0.2.0/33", "neither a prefix"},
      {"", "neither a prefix"},
      {"office", "neither a prefix"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.in);
    const auto range = parse_range(c.in);
    ASSERT_TRUE(std::holds_alternative<std::string>(range));
    EXPECT_NE(std::get<std::string>(range).find(c.part), std::string::npos) << std::get<std::string>(range);
  }
}

TEST(ParsePool, EveryFieldIsRead) {
  const auto parsed = parse_ip_address_pool(pool(R"({"addresses": ["192.0.2.0/30", "2001:db8::1-2001:db8::2"],
    "autoAssign": false, "avoidBuggyIPs": true, "serviceAllocation": {"priority": 50, "namespaces": ["a", "b"],
    "namespaceSelectors": [{"matchLabels": {"x": "y"}}],
    "serviceSelectors": [{"matchExpressions": [{"key": "k", "operator": "NotIn", "values": ["v"]}]}]}})"));
  ASSERT_TRUE(std::holds_alternative<IPAddressPool>(parsed)) << std::get<FieldError>(parsed).what;
  IPAddressPool want;
  want.meta.ns = "default";
  want.meta.name = "p";
  want.addresses = {{*parse_ip("192.0.2.0"), *parse_ip("192.0.2.3")}, {*parse_ip("2001:db8::1"), *parse_ip("2001:db8::2")}};
  want.auto_assign = false;
  want.avoid_buggy_ips = true;
  want.service_allocation = ServiceAllocation{
      50, {"a", "b"}, {{{{"x", "y"}}, {}}}, {{{}, {{"k", kube::LabelSelector::Operator::not_in, {"v"}}}}}};
  EXPECT_EQ(std::get<IPAddressPool>(parsed), want);
}

TEST(ParsePool, WhatIsWrongIsNamed) {
  const struct {
    const char* spec;
    const char* field;
  } cases[] = {
      {"{}", "spec.addresses"},
      {R"({"addresses": []})", "spec.addresses"},
      {R"({"addresses": "192.0.2.0/24"})", "spec.addresses"},
      {R"({"addresses": ["192.0.2.0/24", "192.0.2.7"]})", "spec.addresses[1]"},
      {R"({"addresses": [null]})", "spec.addresses[0]"},
      {R"({"addresses": [7]})", "spec.addresses[0]"},
      {R"({"addresses": ["192.0.2.0/24"], "autoAssign": "no"})", "spec.autoAssign"},
      {R"({"addresses": ["192.0.2.0/24"], "serviceAllocation": {"priority": "high"}})", "spec.serviceAllocation.priority"},
      {R"({"addresses": ["192.0.2.0/24"], "serviceAllocation": {"namespaces": ["a", "a"]}})", "spec.serviceAllocation.namespaces[1]"},
      {R"({"addresses": ["192.0.2.0/24"], "serviceAllocation": {"serviceSelectors": [{"matchExpressions": [{"key": "k", "operator": "Is"}]}]}})",
       "spec.serviceAllocation.serviceSelectors[0].matchExpressions[0].operator"},
      {R"({"addresses": ["192.0.2.0/24"], "serviceAllocation": {"serviceSelectors": [{"matchExpressions": [{"key": "k", "operator": "In"}]}]}})",
       "spec.serviceAllocation.serviceSelectors[0].matchExpressions[0].values"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.spec);
    EXPECT_EQ(bad_field(parse_ip_address_pool(pool(c.spec))), c.field);
  }
}

TEST(ParseL2Advertisement, EveryFieldIsRead) {
  const auto parsed = parse_l2_advertisement(Json::parse(R"({"metadata": {"name": "ad", "namespace": "n"}, "spec": {
    "ipAddressPools": ["p"], "ipAddressPoolSelectors": [{"matchLabels": {"a": "1"}}], "nodeSelectors": [{}],
    "serviceSelectors": [{"matchLabels": {"b": "2"}}], "interfaces": ["eth0"],
    "preferredNodeSelectors": [{"weight": 30, "preference": {"matchLabels": {"c": "3"}}}]}})"));
  ASSERT_TRUE(std::holds_alternative<L2Advertisement>(parsed));
  L2Advertisement want;
  want.meta.ns = "n";
  want.meta.name = "ad";
  want.pools = {"p"};
  want.pool_selectors = {{{{"a", "1"}}, {}}};
  want.node_selectors = {{}};
  want.service_selectors = {{{{"b", "2"}}, {}}};
  want.interfaces = {"eth0"};
  want.preferred_nodes = {{30, {{{"c", "3"}}, {}}}};
  EXPECT_EQ(std::get<L2Advertisement>(parsed), want);
  EXPECT_TRUE(std::holds_alternative<L2Advertisement>(parse_l2_advertisement(Json::parse(R"({"metadata": {"name": "ad"}})"))));
}

TEST(KindOf, Table) {
  const struct {
    const char* api_version;
    const char* kind;
    std::optional<Kind> want;
  } cases[] = {
      {"v1", "Service", Kind::service},
      {"v1", "Node", Kind::node},
      {"v1", "Namespace", Kind::namespace_},
      {"discovery.k8s.io/v1", "EndpointSlice", Kind::endpoint_slice},
      {"networking.k8s.io/v1", "ServiceCIDR", Kind::service_cidr},
      {"networking.k8s.io/v1beta1", "ServiceCIDR", std::nullopt},
      {"fairlead.io/v1", "IPAddressPool", Kind::ip_address_pool},
      {"fairlead.io/v1", "L2Advertisement", Kind::l2_advertisement},
      {"metallb.io/v1beta1", "IPAddressPool", Kind::ip_address_pool},
      {"metallb.io/v1beta1", "L2Advertisement", Kind::l2_advertisement},
      {"fairlead.io/v1", "BGPPeer", Kind::bgp_peer},
      {"metallb.io/v1beta1", "BGPPeer", Kind::bgp_peer},
      {"metallb.io/v1beta2", "BGPPeer", Kind::bgp_peer},
      {"metallb.io/v1beta1", "BGPAdvertisement", Kind::bgp_advertisement},
      {"metallb.io/v1beta1", "BFDProfile", Kind::bfd_profile},
      {"metallb.io/v1beta1", "Community", Kind::community},
      {"v1", "Secret", Kind::secret},
      {"fairlead.io/v1", "AddressRecord", Kind::address_record},
      {"metallb.io/v1beta2", "IPAddressPool", std::nullopt},
      {"fairlead.io/v1beta1", "BGPPeer", std::nullopt},
      {"metallb.io/v1beta1", "Service", std::nullopt},
      {"v1", "EndpointSlice", std::nullopt},
      {"v1", "Pod", std::nullopt},
      {"apps/v1", "Deployment", std::nullopt},
      {"", "", std::nullopt},
  };
  for (const auto& c : cases) EXPECT_EQ(kind_of(c.api_version, c.kind), c.want) << c.api_version << " " << c.kind;
}

TEST(KindOf, MetallbModeReadsNothingOfOurs) {
  EXPECT_EQ(kind_of("fairlead.io/v1", "IPAddressPool", Group::metallb), std::nullopt);
  EXPECT_EQ(kind_of("metallb.io/v1beta1", "IPAddressPool", Group::metallb), Kind::ip_address_pool);
  EXPECT_EQ(kind_of("v1", "Service", Group::metallb), Kind::service);
}

TEST(ParseBgpAdvertisement, EveryFieldIsRead) {
  Json whole = Json::parse(R"({"apiVersion": "fairlead.io/v1", "metadata": {"name": "ad", "namespace": "n"}, "spec": {
    "aggregationLength": 24, "aggregationLengthV6": 64, "localPref": 4294967295, "communities": ["1:2", "x"],
    "ipAddressPools": ["p"], "ipAddressPoolSelectors": [{"matchLabels": {"a": "1"}}], "nodeSelectors": [{}],
    "peers": ["t"], "serviceSelectors": [{"matchLabels": {"b": "2"}}], "asPathPrepend": 3, "med": 0}})");
  BGPAdvertisement want;
  want.meta.ns = "n";
  want.meta.name = "ad";
  want.aggregation_length = 24;
  want.aggregation_length_v6 = 64;
  want.local_pref = 4294967295;
  want.communities = {"1:2", "x"};
  want.pools = {"p"};
  want.pool_selectors = {{{{"a", "1"}}, {}}};
  want.node_selectors = {{}};
  want.peers = {"t"};
  want.service_selectors = {{{{"b", "2"}}, {}}};
  want.as_path_prepend = 3;
  want.med = 0;
  EXPECT_EQ(std::get<BGPAdvertisement>(parse_bgp_advertisement(whole)), want);
  // MetalLB's objects have no such fields: an API server drops them.
  whole["apiVersion"] = "metallb.io/v1beta1";
  want.as_path_prepend = 0;
  want.med = std::nullopt;
  EXPECT_EQ(std::get<BGPAdvertisement>(parse_bgp_advertisement(whole)), want);
  whole.erase("apiVersion");  // an item of a list
  EXPECT_EQ(std::get<BGPAdvertisement>(parse_bgp_advertisement(whole, Group::metallb)), want);
}

TEST(ParseBgpPeer, EveryFieldIsRead) {
  using std::chrono::seconds;
  Json whole = Json::parse(R"({"apiVersion": "metallb.io/v1beta2", "metadata": {"name": "t", "namespace": "n"}, "spec": {
    "myASN": 64512, "peerASN": 4294967295, "dynamicASN": "external", "localASN": 7, "peerAddress": "192.0.2.1", "interface": "eth0",
    "sourceAddress": "2001:db8::2", "peerPort": 1179, "holdTime": "1m30s", "keepaliveTime": "0s", "connectTime": "5s",
    "routerID": "10.0.0.1", "nodeSelectors": [{}], "password": "x", "passwordSecret": {"name": "s", "namespace": "m"},
    "bfdProfile": "fast", "enableGracefulRestart": true, "ebgpMultiHop": true, "vrf": "red", "disableMP": true,
    "dualStackAddressFamily": true}})");
  BGPPeer want;
  want.meta.ns = "n";
  want.meta.name = "t";
  want.my_asn = 64512;
  want.peer_asn = 4294967295;
  want.peer_address = parse_ip("192.0.2.1");
  want.source_address = parse_ip("2001:db8::2");
  want.peer_port = 1179;
  want.hold_time = seconds(90);
  want.keepalive_time = seconds(0);
  want.router_id = parse_ip("10.0.0.1");
  want.node_selectors = {{}};
  want.password = "x";
  want.bfd_profile = "fast";
  want.ebgp_multihop = true;
  const BGPPeer old = want;
  want.dynamic_asn = BGPPeer::DynamicAsn::external;
  want.local_asn = 7;
  want.interface = "eth0";
  want.connect_time = seconds(5);
  want.password_secret = SecretRef{"s", "m"};
  want.graceful_restart = want.disable_mp = want.dual_stack_address_family = true;
  want.vrf = "red";
  EXPECT_EQ(std::get<BGPPeer>(parse_bgp_peer(whole)), want);
  whole["apiVersion"] = "metallb.io/v1beta1";  // which has none of the newer fields
  EXPECT_EQ(std::get<BGPPeer>(parse_bgp_peer(whole)), old);
}

TEST(ParseBgpPeer, WhatIsNotSaidStaysOpen) {
  const auto parsed = parse_bgp_peer(Json::parse(R"({"metadata": {"name": "t"}, "spec": {"myASN": 1, "peerASN": 2, "peerAddress": "192.0.2.1"}})"));
  const BGPPeer& peer = std::get<BGPPeer>(parsed);
  EXPECT_EQ(peer.peer_port, 179);
  EXPECT_FALSE(peer.hold_time || peer.keepalive_time || peer.connect_time || peer.router_id || peer.password_secret);
}

TEST(ParseBfdProfile, EveryFieldIsRead) {
  const auto parsed = parse_bfd_profile(Json::parse(R"({"metadata": {"name": "b"}, "spec": {"receiveInterval": 10, "transmitInterval": 20,
    "detectMultiplier": 5, "echoInterval": 30, "echoMode": true, "passiveMode": true, "minimumTtl": 250}})"));
  BFDProfile want;
  want.meta.ns = "default";
  want.meta.name = "b";
  want.receive_interval = 10;
  want.transmit_interval = 20;
  want.detect_multiplier = 5;
  want.echo_interval = 30;
  want.echo_mode = want.passive_mode = true;
  want.minimum_ttl = 250;
  EXPECT_EQ(std::get<BFDProfile>(parsed), want);
}

TEST(ParseCommunity, Table) {
  const struct {
    const char* in;
    std::optional<CommunityValue> want;
  } cases[] = {
      {"64512:100", CommunityValue{false, {64512, 100, 0}}},
      {"065535:0", CommunityValue{false, {65535, 0, 0}}},
      {"large:4294967295:0:7", CommunityValue{true, {4294967295, 0, 7}}},
      {"65536:1", std::nullopt},
      {"1", std::nullopt},
      {"1:2:3", std::nullopt},
      {"large:1:2", std::nullopt},
      {"large:1:2:3:4", std::nullopt},
      {"large:1:2:4294967296", std::nullopt},
      {" 1:2", std::nullopt},
      {"-1:2", std::nullopt},
      {"1:", std::nullopt},
      {"", std::nullopt},
  };
  for (const auto& c : cases) EXPECT_EQ(parse_community(c.in), c.want) << c.in;
  EXPECT_EQ(parse_community("large:1:2:3")->str(), "large:1:2:3");
  EXPECT_EQ(parse_community("1:2")->str(), "1:2");
}

TEST(Annotation, TheFirstPrefixThatIsThereDecides) {
  kube::Meta meta;
  EXPECT_FALSE(annotation(meta, kAddressPool));
  meta.annotations["metallb.universe.tf/address-pool"] = "old";
  EXPECT_EQ(annotation(meta, kAddressPool)->value, "old");
  EXPECT_EQ(annotation(meta, kAddressPool)->prefix, kDeprecatedPrefix);
  meta.annotations["metallb.io/address-pool"] = "";
  EXPECT_EQ(annotation(meta, kAddressPool)->value, "");
  meta.annotations["fairlead.io/address-pool"] = "new";
  EXPECT_EQ(annotation(meta, kAddressPool)->value, "new");
  EXPECT_EQ(written_key(Group::metallb, kAllocatedFromPool), "metallb.io/ip-allocated-from-pool");
}

TEST(Parse, AddressRecord) {
  const Json whole = Json::parse(R"({"metadata": {"name": "controller", "namespace": "fairlead-system"}, "status": {
    "asked": [{"address": "192.0.2.1", "id": 7}, {"id": 8}],
    "heard": [{"address": "2001:db8::1", "id": 9, "hardwareAddress": "02:00:00:00:00:01", "interface": "eth0"}, {"address": "192.0.2.1", "id": 7}],
    "heldDown": [{"address": "192.0.2.2", "serviceNamespace": "default", "serviceName": "web", "until": "2026-01-31T12:00:00Z"},
                 {"address": "192.0.2.3", "until": "soon"}]}})");
  const auto parsed = parse_address_record(whole);
  ASSERT_TRUE(std::holds_alternative<AddressRecord>(parsed));
  const AddressNotes& notes = std::get<AddressRecord>(parsed).notes;
  const Ip v4 = parse_ip("192.0.2.1").value(), v6 = parse_ip("2001:db8::1").value();
  EXPECT_EQ(notes.asked, (std::vector<AddressNotes::Question>{{v4, 7}}));
  EXPECT_EQ(notes.heard, (std::vector<AddressNotes::Hearing>{{v6, 9, "02:00:00:00:00:01", "eth0"}, {v4, 7, "", ""}}));
  EXPECT_EQ(notes.held_down, (std::vector<AddressNotes::HeldDown>{{parse_ip("192.0.2.2").value(), "default", "web", 1'769'860'800}}));
  EXPECT_EQ(bad_field(parse_address_record(Json::parse(R"({"metadata": {"name": "x"}, "status": {"asked": [{"address": "192.0.2.1", "id": -1}]}})"))),
            "status.asked[0].id");
}

TEST(Parse, EachKindGivesItsAlternative) {
  const Json whole = Json::parse(R"({"metadata": {"name": "x"}, "addressType": "IPv4", "spec": {"addresses": ["192.0.2.0/24"],
    "myASN": 64512, "cidrs": ["10.96.0.0/16"]}})");
  for (std::size_t i = 0; i < kKinds; ++i) {
    const auto parsed = parse(static_cast<Kind>(i), whole);
    ASSERT_TRUE(std::holds_alternative<Object>(parsed)) << i;
    EXPECT_EQ(kind_of(std::get<Object>(parsed)), static_cast<Kind>(i));
    EXPECT_EQ(bad_field(parse(static_cast<Kind>(i), Json::object())), "metadata.name") << i;
  }
}

}  // namespace
}  // namespace fairlead::api
