#include "proto/kube/parse.h"

#include <gtest/gtest.h>

#include "proto/kube/common.h"

namespace fairlead::kube {
namespace {

Json service(const char* members) {
  Json out = Json::parse(R"({"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}})");
  out.merge_patch(Json::parse(members));
  return out;
}

template <class T>
T good(const Parsed<T>& parsed) {
  if (const auto* const error = std::get_if<FieldError>(&parsed)) {
    ADD_FAILURE() << error->field << ": " << error->what;
    return T{};
  }
  return std::get<T>(parsed);
}
template <class T>
std::string bad_field(const Parsed<T>& parsed) {
  const auto* const error = std::get_if<FieldError>(&parsed);
  if (error == nullptr) return "(nothing is wrong)";
  EXPECT_FALSE(error->what.empty()) << error->field;
  return error->field;
}

TEST(ParseService, AnEmptySpecGetsTheDefaults) {
  const Service s = good(parse_service(service("{}")));
  EXPECT_EQ(s.meta.ns, "default");
  EXPECT_EQ(s.meta.name, "web");
  EXPECT_EQ(s.type, ServiceType::cluster_ip);
  ASSERT_EQ(s.ports.size(), 1U);
  EXPECT_EQ(s.ports[0].protocol, Protocol::tcp);
  EXPECT_EQ(s.ports[0].port.value, 80);
  EXPECT_EQ(std::get<std::uint16_t>(s.ports[0].target_port), 0) << "absent: equal to port";
  EXPECT_TRUE(s.allocate_load_balancer_node_ports);
  EXPECT_EQ(s.affinity_seconds, std::nullopt);
  EXPECT_EQ(s.external_traffic_policy, TrafficPolicy::cluster);
}

TEST(ParseService, EveryFieldIsRead) {
  const Service s = good(parse_service(Json::parse(R"({
    "metadata": {"name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "7", "labels": {"a": "b"},
                 "annotations": {"c/d": "e"}, "creationTimestamp": "2026-01-31T12:00:00Z", "unknown": [1]},
    "spec": {"type": "LoadBalancer", "clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7", "fd00::7"],
             "ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack",
             "ports": [{"name": "http", "port": 80, "targetPort": "web", "nodePort": 30080},
                       {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 5353}],
             "selector": {"app": "web"}, "externalIPs": ["192.0.2.007"], "externalTrafficPolicy": "Local",
             "internalTrafficPolicy": "Local", "publishNotReadyAddresses": true,
             "allocateLoadBalancerNodePorts": false, "loadBalancerClass": "x/y", "sessionAffinity": "ClientIP",
             "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5}},
             "loadBalancerSourceRanges": [" 10.0.0.9/8 ", "2001:db8::/32"]},
    "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.9"}, {"ip": "192.0.2.10", "ipMode": "Proxy"},
                                            {"hostname": "lb.example"}]}}})")));
  Service want;
  want.meta = {"shop", "web", "u", "7", 1769860800, {{"a", "b"}}, {{"c/d", "e"}}};
  want.type = ServiceType::load_balancer;
  want.cluster_ips = {*parse_ip("10.96.0.7"), *parse_ip("fd00::7")};
  want.ip_families = {Family::v4, Family::v6};
  want.ip_family_policy = IpFamilyPolicy::require_dual_stack;
  want.ports = {{"http", Protocol::tcp, Port{80}, std::string("web"), Port{30080}},
                {"dns", Protocol::udp, Port{53}, std::uint16_t{5353}, Port{}}};
  want.selector = {{"app", "web"}};
  want.external_ips = {*parse_ip("192.0.2.7")};
  want.external_traffic_policy = want.internal_traffic_policy = TrafficPolicy::local;
  want.publish_not_ready_addresses = true;
  want.allocate_load_balancer_node_ports = false;
  want.load_balancer_class = "x/y";
  want.affinity_seconds = 5;
  want.source_ranges = {*parse_prefix("10.0.0.0/8"), *parse_prefix("2001:db8::/32")};
  want.ingress = {{parse_ip("192.0.2.9"), "", true}, {parse_ip("192.0.2.10"), "", false}, {std::nullopt, "lb.example", true}};
  EXPECT_EQ(s, want);
}

TEST(ParseService, ClusterIpNoneIsHeadless) {
  EXPECT_TRUE(good(parse_service(service(R"({"spec": {"clusterIP": "None"}})"))).is_headless);
  EXPECT_TRUE(good(parse_service(service(R"({"spec": {"clusterIPs": ["None"]}})"))).is_headless);
  EXPECT_FALSE(good(parse_service(service(R"({"spec": {"clusterIP": ""}})"))).is_headless);
  EXPECT_EQ(good(parse_service(service(R"({"spec": {"clusterIP": "10.0.0.1"}})"))).cluster_ips.size(), 1U);
}

TEST(ParseService, AffinityHasADefaultTimeout) {
  EXPECT_EQ(good(parse_service(service(R"({"spec": {"sessionAffinity": "ClientIP"}})"))).affinity_seconds, 10800U);
}

TEST(ParseService, NullIsAbsent) {
  const Service s = good(parse_service(Json::parse(
      R"({"metadata": {"name": "web", "namespace": null, "labels": null, "creationTimestamp": null},
          "spec": {"type": null, "ports": null, "selector": null, "clusterIP": null}, "status": null})")));
  EXPECT_EQ(s.meta.ns, "default");
  EXPECT_TRUE(s.ports.empty());
}

TEST(ParseService, WhatIsWrongIsNamed) {
  const struct {
    const char* in;
    const char* field;
  } cases[] = {
      {R"({"metadata": {"name": null}})", "metadata.name"},
      {R"({"metadata": {"name": ""}})", "metadata.name"},
      {R"({"metadata": {"name": "a/b"}})", "metadata.name"},
      {R"({"metadata": {"name": ".."}})", "metadata.name"},
      {R"({"metadata": {"name": "."}})", "metadata.name"},
      {R"({"metadata": {"name": "a\nb"}})", "metadata.name"},
      {R"({"metadata": {"name": 7}})", "metadata.name"},
      {R"({"metadata": {"namespace": "../etc"}})", "metadata.namespace"},
      {R"({"metadata": {"labels": {"app": 7}}})", "metadata.labels.app"},
      {R"({"metadata": {"labels": ["app"]}})", "metadata.labels"},
      {R"({"metadata": {"annotations": {"a.b/c": true}}})", "metadata.annotations.a.b/c"},
      {R"({"metadata": {"creationTimestamp": "yesterday"}})", "metadata.creationTimestamp"},
      {R"({"metadata": "web"})", "metadata"},
      {R"({"spec": []})", "spec"},
      {R"({"spec": {"type": "X"}})", "spec.type"},
      {R"({"spec": {"ports": {"port": 80}}})", "spec.ports"},
      {R"({"spec": {"ports": [80]}})", "spec.ports[0]"},
      {R"({"spec": {"ports": [{}]}})", "spec.ports[0].port"},
      {R"({"spec": {"ports": [{"port": 99999}]}})", "spec.ports[0].port"},
      {R"({"spec": {"ports": [{"port": 0}]}})", "spec.ports[0].port"},
      {R"({"spec": {"ports": [{"port": -1}]}})", "spec.ports[0].port"},
      {R"({"spec": {"ports": [{"port": 18446744073709551615}]}})", "spec.ports[0].port"},
      {R"({"spec": {"ports": [{"port": 80.5}]}})", "spec.ports[0].port"},
      {R"({"spec": {"ports": [{"port": "80"}]}})", "spec.ports[0].port"},
      {R"({"spec": {"ports": [{"port": 80, "protocol": "FOO"}]}})", "spec.ports[0].protocol"},
      {R"({"spec": {"ports": [{"port": 80, "targetPort": 70000}]}})", "spec.ports[0].targetPort"},
      {R"({"spec": {"ports": [{"port": 80, "targetPort": "8080"}]}})", "spec.ports[0].targetPort"},
      {R"({"spec": {"ports": [{"port": 80, "targetPort": true}]}})", "spec.ports[0].targetPort"},
      {R"({"spec": {"ports": [{"port": 80, "nodePort": 65536}]}})", "spec.ports[0].nodePort"},
      {R"({"spec": {"ports": [{"port": 80}, {"port": 81}]}})", "spec.ports[1].name"},
      {R"({"spec": {"ports": [{"name": "a", "port": 80}, {"name": "b", "port": 80}]}})", "spec.ports[1].port"},
      {R"({"spec": {"clusterIP": "10.0.0"}})", "spec.clusterIP"},
      {R"({"spec": {"clusterIPs": ["10.0.0.1", "10.0.0.2"]}})", "spec.clusterIPs[1]"},
      {R"({"spec": {"clusterIPs": ["None", "10.0.0.2"]}})", "spec.clusterIPs"},
      {R"({"spec": {"ipFamilies": ["IPv5"]}})", "spec.ipFamilies[0]"},
      {R"({"spec": {"ipFamilyPolicy": "Both"}})", "spec.ipFamilyPolicy"},
      {R"({"spec": {"externalIPs": ["host.example"]}})", "spec.externalIPs[0]"},
      {R"({"spec": {"externalTrafficPolicy": "Remote"}})", "spec.externalTrafficPolicy"},
      {R"({"spec": {"publishNotReadyAddresses": "yes"}})", "spec.publishNotReadyAddresses"},
      {R"({"spec": {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 0}}}})",
       "spec.sessionAffinityConfig.clientIP.timeoutSeconds"},
      {R"({"spec": {"loadBalancerSourceRanges": ["10.0.0.1"]}})", "spec.loadBalancerSourceRanges[0]"},
      {R"({"status": {"loadBalancer": {"ingress": [{"ip": "x"}]}}})", "status.loadBalancer.ingress[0].ip"},
      {R"({"status": {"loadBalancer": {"ingress": [{"ipMode": "Maybe"}]}}})", "status.loadBalancer.ingress[0].ipMode"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.in);
    EXPECT_EQ(bad_field(parse_service(service(c.in))), c.field);
  }
  for (const char* const whole : {"null", "[]", "7", "\"web\""}) {
    EXPECT_EQ(bad_field(parse_service(Json::parse(whole))), "") << whole;
  }
}

TEST(ParseService, TheSentenceNamesTheValueAndTheRemedy) {
  const auto parsed = parse_service(service(R"({"spec": {"ports": [{"port": "80"}]}})"));
  EXPECT_EQ(std::get<FieldError>(parsed).what, "\"80\" is not a port (1 to 65535): write a number without quotes");
}

TEST(ParseService, TheFirstThingThatIsWrongIsNamed) {
  EXPECT_EQ(bad_field(parse_service(service(R"({"metadata": {"name": ""}, "spec": {"type": "X"}})"))), "metadata.name");
}

TEST(ParseEndpointSlice, ConditionsAndSloppyAddresses) {
  const EndpointSlice s = good(parse_endpoint_slice(Json::parse(R"({
    "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}}, "addressType": "IPv4",
    "ports": [{"name": null, "port": 80}, {"name": "", "port": 81, "protocol": "UDP"}, {"name": "x", "port": null},
              {"name": "y", "port": 0}],
    "endpoints": [
      {"addresses": ["10.180.00.001", "10.0.0.2"], "nodeName": "a", "hints": {"forZones": [{"name": "z"}], "forNodes": [{"name": "n"}]}},
      {"addresses": ["10.0.0.3"], "conditions": {"ready": false, "serving": true, "terminating": true}},
      {"addresses": ["10.0.0.4"], "conditions": {"ready": null, "terminating": true}},
      {"addresses": []}, {}, {"addresses": ["fd00::1"]}]})")));
  EXPECT_EQ(s.service, "web");
  EXPECT_EQ(s.ports, (std::vector<EndpointPort>{{"", Protocol::tcp, Port{80}}, {"", Protocol::udp, Port{81}}}));
  const std::vector<Endpoint> want = {
      {*parse_ip("10.180.0.1"), true, true, false, "a", {"z"}, {"n"}},
      {*parse_ip("10.0.0.3"), false, true, true, "", {}, {}},
      {*parse_ip("10.0.0.4"), true, true, true, "", {}, {}},
  };
  EXPECT_EQ(s.endpoints, want);
}

TEST(ParseEndpointSlice, FqdnHasNoEndpoints) {
  const auto s = good(parse_endpoint_slice(
      Json::parse(R"({"metadata": {"name": "x"}, "addressType": "FQDN", "endpoints": [{"addresses": ["a.b"]}]})")));
  EXPECT_TRUE(s.endpoints.empty());
  EXPECT_EQ(s.service, "");
}

TEST(ParseEndpointSlice, WhatIsWrongIsNamed) {
  const struct {
    const char* in;
    const char* field;
  } cases[] = {
      {R"({"metadata": {"name": "x"}})", "addressType"},
      {R"({"metadata": {"name": "x"}, "addressType": "IPX"})", "addressType"},
      {R"({"metadata": {"name": "x"}, "addressType": "IPv4", "endpoints": [{"addresses": ["x"]}]})", "endpoints[0].addresses[0]"},
      {R"({"metadata": {"name": "x"}, "addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": 1}}]})",
       "endpoints[0].conditions.ready"},
      {R"({"metadata": {"name": "x"}, "addressType": "IPv4", "ports": [{"port": 70000}]})", "ports[0].port"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.in);
    EXPECT_EQ(bad_field(parse_endpoint_slice(Json::parse(c.in))), c.field);
  }
}

TEST(ParseNode, AddressesConditionsAndCidrs) {
  const Node n = good(parse_node(Json::parse(R"({"metadata": {"name": "a", "namespace": "ignored"},
    "spec": {"podCIDR": "10.1.0.0/24"},
    "status": {"addresses": [{"type": "Hostname", "address": "a"}, {"type": "ExternalIP", "address": "203.0.113.1"},
                             {"type": "InternalIP", "address": "192.0.2.1"}],
               "conditions": [{"type": "Ready", "status": "Unknown"}, {"type": "NetworkUnavailable", "status": "True"}]}})")));
  EXPECT_EQ(n.meta.ns, "");
  EXPECT_EQ(n.internal_ips, (std::vector<Ip>{*parse_ip("192.0.2.1")}));
  EXPECT_EQ(n.external_ips, (std::vector<Ip>{*parse_ip("203.0.113.1")}));
  EXPECT_EQ(n.pod_cidrs, (std::vector<Prefix>{*parse_prefix("10.1.0.0/24")}));
  EXPECT_FALSE(n.is_ready);
  EXPECT_TRUE(n.network_unavailable);
  const Node bare = good(parse_node(Json::parse(R"({"metadata": {"name": "a"}})")));
  EXPECT_TRUE(bare.is_ready);
  EXPECT_FALSE(bare.network_unavailable);
}

TEST(ParsePod, WhereItsAddressComesFrom) {
  const struct {
    const char* name;
    const char* status;
    const char* spec;
    std::vector<Ip> want;
  } cases[] = {
      {"podIPs", R"({"podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}], "podIP": "10.0.0.1"})", "{}",
       {*parse_ip("10.0.0.1"), *parse_ip("fd00::1")}},
      {"podIP", R"({"podIP": "10.0.0.1"})", "{}", {*parse_ip("10.0.0.1")}},
      {"host network", R"({"hostIP": "192.0.2.1"})", R"({"hostNetwork": true})", {*parse_ip("192.0.2.1")}},
      {"host address alone", R"({"hostIP": "192.0.2.1"})", "{}", {}},
      {"ended", R"({"podIP": "10.0.0.1", "phase": "Succeeded"})", "{}", {}},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const Json pod = {{"metadata", {{"name", "p"}}}, {"status", Json::parse(c.status)}, {"spec", Json::parse(c.spec)}};
    EXPECT_EQ(good(parse_pod(pod)).ips, c.want);
  }
}

TEST(ParsePod, Readiness) {
  const struct {
    const char* status;
    bool want;
  } cases[] = {
      {"{}", true},
      {R"({"phase": "Running"})", true},
      {R"({"phase": "Pending"})", false},
      {R"({"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]})", false},
      {R"({"phase": "Pending", "conditions": [{"type": "Ready", "status": "True"}]})", true},
  };
  for (const auto& c : cases) {
    const Json pod = {{"metadata", {{"name", "p"}}}, {"status", Json::parse(c.status)}};
    EXPECT_EQ(good(parse_pod(pod)).is_ready, c.want) << c.status;
  }
}

TEST(ParsePod, PortsNodeAndDeletion) {
  const Pod p = good(parse_pod(Json::parse(R"({"metadata": {"name": "p", "deletionTimestamp": "2026-01-01T00:00:00Z"},
    "spec": {"nodeName": "a", "containers": [{"ports": [{"name": "http", "containerPort": 8080}]}, {}],
             "initContainers": [{"ports": [{"containerPort": 1}]},
                                {"restartPolicy": "Always", "ports": [{"containerPort": 2, "protocol": "UDP"}]}]}})")));
  EXPECT_TRUE(p.is_terminating);
  EXPECT_EQ(p.node_name, "a");
  EXPECT_EQ(p.ports, (std::vector<Pod::ContainerPort>{{"http", Protocol::tcp, Port{8080}}, {"", Protocol::udp, Port{2}}}));
}

TEST(ParseEndpoints, SubsetsAreRead) {
  const Endpoints e = good(parse_endpoints(Json::parse(R"({"metadata": {"name": "web"}, "subsets": [
    {"addresses": [{"ip": "10.0.0.1", "nodeName": "a"}], "notReadyAddresses": [{"ip": "10.0.0.2"}], "ports": [{"port": 80}]}]})")));
  ASSERT_EQ(e.subsets.size(), 1U);
  EXPECT_EQ(e.subsets[0].addresses, (std::vector<Endpoints::Address>{{*parse_ip("10.0.0.1"), "a"}}));
  EXPECT_EQ(e.subsets[0].not_ready, (std::vector<Endpoints::Address>{{*parse_ip("10.0.0.2"), ""}}));
  EXPECT_EQ(bad_field(parse_endpoints(Json::parse(R"({"metadata": {"name": "web"}, "subsets": [{"addresses": [{}]}]})"))),
            "subsets[0].addresses[0].ip");
}

TEST(ParseServiceCidr, PrefixesAreReadAndNothingElseIs) {
  const ServiceCIDR both = good(parse_service_cidr(Json::parse(
      R"({"metadata": {"name": "kubernetes"}, "spec": {"cidrs": ["10.96.0.0/16", "fd00:96::/112"]}, "status": {"conditions": []}})")));
  EXPECT_EQ(both.meta.name, "kubernetes");
  EXPECT_EQ(both.meta.ns, "") << "it belongs to the cluster";
  EXPECT_EQ(both.cidrs, (std::vector<Prefix>{*parse_prefix("10.96.0.0/16"), *parse_prefix("fd00:96::/112")}));
  const struct {
    const char* spec;
    const char* field;
  } bad[] = {
      {R"({"cidrs": []})", "spec.cidrs"},
      {R"({})", "spec.cidrs"},
      {R"({"cidrs": ["10.96.0.0/16", "many"]})", "spec.cidrs[1]"},
      {R"({"cidrs": [null]})", "spec.cidrs[0]"},
      {R"({"cidrs": "10.96.0.0/16"})", "spec.cidrs"},
  };
  for (const auto& b : bad) {
    Json object = Json::parse(R"({"metadata": {"name": "x"}})");
    object["spec"] = Json::parse(b.spec);
    EXPECT_EQ(bad_field(parse_service_cidr(object)), b.field) << b.spec;
  }
}

TEST(ParseTime, Table) {
  const struct {
    const char* in;
    std::optional<std::int64_t> want;
  } cases[] = {
      {"1970-01-01T00:00:00Z", 0},
      {"2026-01-31T12:00:00Z", 1769860800},
      {"2026-01-31T12:00:00.123456Z", 1769860800},
      {"2026-01-31T13:30:00+01:30", 1769860800},
      {"2026-01-31T11:00:00-01:00", 1769860800},
      {"2024-02-29T00:00:00Z", 1709164800},
      {"2026-02-29T00:00:00Z", std::nullopt},
      {"2026-01-31T24:00:00Z", std::nullopt},
      {"2026-01-31T12:00:00", std::nullopt},
      {"2026-01-31", std::nullopt},
      {"2026-01-31T12:00:00.Z", std::nullopt},
      {"", std::nullopt},
  };
  for (const auto& c : cases) EXPECT_EQ(parse_time(c.in), c.want) << c.in;
}

TEST(Parsers, AnyJsonIsSafe) {
  // Every value of a full object replaced by every kind of JSON: a struct or a FieldError, never a crash.
  const Json whole = Json::parse(R"({"metadata": {"name": "x", "labels": {"a": "b"}}, "addressType": "IPv4",
    "spec": {"ports": [{"port": 1}], "cidrs": ["10.96.0.0/16"], "clusterIPs": ["10.0.0.1"], "selector": {"a": "b"}, "containers": [{"ports": [{"containerPort": 1}]}]},
    "status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}, "podIPs": [{"ip": "10.0.0.1"}], "conditions": [{"type": "Ready", "status": "True"}],
    "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]},
    "endpoints": [{"addresses": ["10.0.0.1"]}], "subsets": [{"addresses": [{"ip": "10.0.0.1"}]}]})");
  const Json others[] = {nullptr, true, 7, -1, 1.5, "text", "", Json::array(), Json::object(), Json::array({nullptr}), Json::array({7})};
  const Json flat = whole.flatten();
  for (const auto& [pointer, leaf] : flat.items()) {
    for (Json::json_pointer at(pointer); !at.empty(); at.pop_back()) {
      for (const Json& other : others) {
        Json broken = whole;
        broken[at] = other;
        (void)parse_service(broken);
        (void)parse_endpoint_slice(broken);
        (void)parse_node(broken);
        (void)parse_namespace(broken);
        (void)parse_service_cidr(broken);
        (void)parse_pod(broken);
        (void)parse_endpoints(broken);
      }
    }
  }
}

TEST(ParseSecret, OnlyThePasswordOfABasicAuthSecretIsKept) {
  const auto read = [](const char* rest) {
    Json object = Json::parse(rest);
    object["metadata"] = Json::parse(R"({"name": "s", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "everything"}})");
    return parse_secret(object);
  };
  const struct {
    const char* rest;
    std::optional<std::string> want;
  } cases[] = {
      {R"({"type": "kubernetes.io/basic-auth", "data": {"password": "c2VjcmV0", "username": "eA=="}})", "secret"},
      {R"({"type": "kubernetes.io/basic-auth", "data": {"password": ""}})", ""},
      {R"({"type": "kubernetes.io/basic-auth", "data": {"password": "eA=="}, "stringData": {"password": "y"}})", "y"},
      {R"({"type": "kubernetes.io/basic-auth", "stringData": {"password": "y"}})", "y"},
      {R"({"type": "kubernetes.io/basic-auth", "data": {"username": "eA=="}})", std::nullopt},
      {R"({"type": "Opaque", "data": {"password": "c2VjcmV0"}})", std::nullopt},
      {R"({"data": {"password": 7}})", std::nullopt},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.rest);
    const auto parsed = read(c.rest);
    ASSERT_TRUE(std::holds_alternative<Secret>(parsed));
    EXPECT_EQ(std::get<Secret>(parsed).password, c.want);
    EXPECT_TRUE(std::get<Secret>(parsed).meta.annotations.empty());
  }
  for (const char* bad : {"eA", "eA=", "e===", "e A=", "!!!!", "eA==eA=="}) {
    const auto parsed = read((R"({"type": "kubernetes.io/basic-auth", "data": {"password": ")" + std::string(bad) + R"("}})").c_str());
    ASSERT_TRUE(std::holds_alternative<FieldError>(parsed)) << bad;
    EXPECT_EQ(std::get<FieldError>(parsed).field, "data.password");
    EXPECT_EQ(std::get<FieldError>(parsed).what.find(bad), std::string::npos);
  }
}

}  // namespace
}  // namespace fairlead::kube
