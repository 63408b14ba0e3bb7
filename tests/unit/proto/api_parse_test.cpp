#include "proto/api/parse.h"

#include <gtest/gtest.h>

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
      {"192.0.2.5-192.0.2.5", "192.0.2.5"},
      {"2001:db8::/127", "2001:db8::-2001:db8::1"},
      {"2001:db8::1-2001:db8::f", "2001:db8::1-2001:db8::f"},
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
    "serviceSelectors": [{"matchLabels": {"b": "2"}}], "interfaces": ["eth0"]}})"));
  ASSERT_TRUE(std::holds_alternative<L2Advertisement>(parsed));
  L2Advertisement want;
  want.meta.ns = "n";
  want.meta.name = "ad";
  want.pools = {"p"};
  want.pool_selectors = {{{{"a", "1"}}, {}}};
  want.node_selectors = {{}};
  want.service_selectors = {{{{"b", "2"}}, {}}};
  want.interfaces = {"eth0"};
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
      {"fairlead.io/v1", "IPAddressPool", Kind::ip_address_pool},
      {"fairlead.io/v1", "L2Advertisement", Kind::l2_advertisement},
      {"metallb.io/v1beta1", "IPAddressPool", Kind::ip_address_pool},
      {"metallb.io/v1beta1", "L2Advertisement", Kind::l2_advertisement},
      {"metallb.io/v1beta1", "Service", std::nullopt},
      {"v1", "EndpointSlice", std::nullopt},
      {"v1", "Pod", std::nullopt},
      {"apps/v1", "Deployment", std::nullopt},
      {"", "", std::nullopt},
  };
  for (const auto& c : cases) EXPECT_EQ(kind_of(c.api_version, c.kind), c.want) << c.api_version << " " << c.kind;
}

TEST(Parse, EachKindGivesItsAlternative) {
  const Json whole = Json::parse(R"({"metadata": {"name": "x"}, "addressType": "IPv4", "spec": {"addresses": ["192.0.2.0/24"]}})");
  for (std::size_t i = 0; i < kKinds; ++i) {
    const auto parsed = parse(static_cast<Kind>(i), whole);
    ASSERT_TRUE(std::holds_alternative<Object>(parsed)) << i;
    EXPECT_EQ(kind_of(std::get<Object>(parsed)), static_cast<Kind>(i));
    EXPECT_EQ(bad_field(parse(static_cast<Kind>(i), Json::object())), "metadata.name") << i;
  }
}

}  // namespace
}  // namespace fairlead::api
