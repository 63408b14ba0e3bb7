/// Every rule at its boundary: what is refused, and next to it what is not. MetalLB's own group and its default BGP
/// type, unless a case says otherwise. Both ways: a violation too many fails like one that is missing.
#include "proto/api/validate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/api/parse.h"
#include "tests/support/config_text.h"

namespace fairlead::api {
namespace {

using test::bfd;
using test::bgp;
using test::community;
using test::document;
using test::l2;
using test::node;
using test::old_peer;
using test::peer;
using test::pool;
using test::raw_peer;
using test::secret;

struct Case {
  std::string name;
  std::string text;
  std::vector<std::string> want;  // as said() writes it; empty: accepted without a word
  Rules rules = Rules::of(Group::metallb);
};

constexpr Rules kOurs{Group::fairlead, BgpType::bird};
constexpr Rules kNative{Group::metallb, BgpType::native};

std::string on_rack(const std::string& rack) { return "nodeSelectors: [{matchLabels: {rack: " + rack + "}}]"; }
std::string racks() { return node("n1", "{rack: a}") + node("n2", "{rack: b}"); }

std::vector<Case> document_cases() {
  const std::string p = "{addresses: [192.0.2.0/24]}";
  return {
      {"no YAML", "a: [1\n", {"  invalid_yaml"}},
      {"no kind", "apiVersion: metallb.io/v1beta1\nmetadata: {name: x}\n", {"x kind invalid_field"}},
      {"no apiVersion", "kind: IPAddressPool\nmetadata: {name: x}\n", {"x apiVersion invalid_field"}},
      {"no name", "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nspec: " + p, {" metadata.name invalid_field"}},
      {"a name that no API server takes", pool("My_Pool", p), {"My_Pool metadata.name invalid_field"}},
      {"dots and dashes in a name", pool("a-1.b-2", p), {}},
      {"a dash at the end", pool("a-", p), {"a- metadata.name invalid_field"}},
      {"spec is a list", pool("a", "[]"), {"a spec invalid_field"}},
      {"three wrong fields", pool("a", "{addresses: [x, 192.0.2.0/24, y], autoAssign: 1}"),
       {"a spec.addresses[0] invalid_field", "a spec.addresses[2] invalid_field", "a spec.autoAssign invalid_field"}},
      {"two wrong fields of a profile", bfd("b", "{receiveInterval: 2, transmitInterval: 90000}"), {"b spec.receiveInterval invalid_field", "b spec.transmitInterval invalid_field"}},
      {"what follows from a wrong operator is not said", l2("a", "{nodeSelectors: [{matchExpressions: [{operator: surrounds, values: [b]}]}]}"),
       {"a spec.nodeSelectors[0].matchExpressions[0].key invalid_field", "a spec.nodeSelectors[0].matchExpressions[0].operator invalid_field"}},
      {"AddressPool", document("metallb.io/v1beta1", "AddressPool", "a", "spec: {protocol: layer2, addresses: [192.0.2.0/24]}"),
       {"a kind unknown_kind"}},
      {"a kind that never was", document("metallb.io/v1beta1", "BGPPool", "a", ""), {"a kind unknown_kind"}},
      {"what MetalLB's operator reads", document("metallb.io/v1beta1", "MetalLB", "a", "spec: {}"), {"?a kind unknown_kind"}},
      {"a version that never was", document("metallb.io/v1", "IPAddressPool", "a", "spec: " + p), {"a kind unknown_kind"}},
      {"a pool of v1beta2", document("metallb.io/v1beta2", "IPAddressPool", "a", "spec: " + p), {"a kind unknown_kind"}},
      {"kinds of others", document("apps/v1", "Deployment", "a", "spec: {}") + document("v1", "ConfigMap", "b", "data: {}"), {}},
      {"statuses", document("metallb.io/v1beta1", "ServiceL2Status", "a", "status: {node: n}") +
                       document("metallb.io/v1beta1", "ConfigurationState", "b", "status: {}"), {}},
      {"ours, while MetalLB's are asked for", document("fairlead.io/v1", "IPAddressPool", "a", "spec: {addresses: [nothing]}"),
       {"?a apiVersion other_group"}},
      {"MetalLB's, while ours are asked for", pool("a", p), {}, kOurs},
      {"an unknown field", pool("a", "{addresses: [192.0.2.0/24], autoassign: true, colour: red}"),
       {"?a spec.autoassign unknown_field", "?a spec.colour unknown_field"}},
      {"an unknown field below", pool("a", "{addresses: [192.0.2.0/24], serviceAllocation: {namespace: [x]}}"),
       {"?a spec.serviceAllocation.namespace unknown_field"}},
      {"one name twice", pool("a", "{addresses: [192.0.2.0/28]}") + pool("a", "{addresses: [192.0.2.16/28]}"), {"a metadata.name duplicate_name"}},
      {"one name for two kinds", pool("a", p) + l2("a", "{}"), {}},
      {"two equal advertisements", bgp("a", "{}") + bgp("a", "{}"), {"a metadata.name duplicate_name"}},
      {"two equal peers", peer("a", "") + peer("a", ""),
       {"a metadata.name duplicate_name"}},
      {"two equal profiles", bfd("a", "{}") + bfd("a", "{}"), {"a metadata.name duplicate_name"}},
      {"two communities", community("a", "[]") + community("a", "[]"), {"a metadata.name duplicate_name"}},
      {"two L2Advertisements", l2("a", "{}") + l2("a", "{}"), {"a metadata.name duplicate_name"}},
  };
}

std::vector<Case> pool_cases() {
  const auto addresses = [](const std::string& list) { return pool("a", "{addresses: " + list + "}"); };
  const std::vector<std::string> bad{"a spec.addresses[0] invalid_field"};
  std::vector<Case> out{
      {"no addresses", pool("a", "{}"), {"a spec.addresses invalid_field"}},
      {"no spec", document("metallb.io/v1beta1", "IPAddressPool", "a", ""), {"a spec.addresses invalid_field"}},
      {"an empty list", addresses("[]"), {"a spec.addresses invalid_field"}},
      {"both families, prefixes and ranges", addresses("[192.0.2.0/25, 192.0.2.128-192.0.2.255, '2001:db8::/64', '2001:db8:1::1-2001:db8:1::9']"), {}},
      {"host bits", addresses("[192.0.2.10/24]"), {}},
      {"blanks around the dash", addresses("['192.0.2.1 -  192.0.2.9']"), {}},
      {"one address as a range", addresses("[192.0.2.1-192.0.2.1]"), {}},
      {"an IPv4 range after an IPv6 prefix", addresses("['::/1', 192.0.2.1-192.0.2.9]"), {}},
      {"no type error for a null", pool("a", "{addresses: [192.0.2.0/24], autoAssign: null, avoidBuggyIPs: null}"), {}},
      {"autoAssign is a text", pool("a", "{addresses: [192.0.2.0/24], autoAssign: 'yes'}"), {"a spec.autoAssign invalid_field"}},
      {"avoidBuggyIPs is a number", pool("a", "{addresses: [192.0.2.0/24], avoidBuggyIPs: 1}"), {"a spec.avoidBuggyIPs invalid_field"}},
      {"a priority", pool("a", "{addresses: [192.0.2.0/24], serviceAllocation: {priority: 50}}"), {}},
      {"a priority as text", pool("a", "{addresses: [192.0.2.0/24], serviceAllocation: {priority: '50'}}"),
       {"a spec.serviceAllocation.priority invalid_field"}},
      {"a namespace twice", pool("a", "{addresses: [192.0.2.0/24], serviceAllocation: {namespaces: [x, y, x]}}"),
       {"a spec.serviceAllocation.namespaces[2] invalid_field"}},
      {"the same range in two pools", pool("a", "{addresses: [192.0.2.0/24]}") + pool("b", "{addresses: [192.0.2.0/24]}"),
       {"a spec.addresses[0] pool_overlap", "b spec.addresses[0] pool_overlap"}},
      {"a prefix in a prefix", pool("a", "{addresses: [10.0.0.0/8]}") + pool("b", "{addresses: [10.1.0.0/16]}"),
       {"a spec.addresses[0] pool_overlap", "b spec.addresses[0] pool_overlap"}},
      {"ranges that share their ends", pool("a", "{addresses: [192.0.2.1-192.0.2.9]}") + pool("b", "{addresses: [192.0.2.9-192.0.2.12]}"),
       {"a spec.addresses[0] pool_overlap", "b spec.addresses[0] pool_overlap"}},
      {"ranges that touch", pool("a", "{addresses: [192.0.2.1-192.0.2.8]}") + pool("b", "{addresses: [192.0.2.9-192.0.2.12]}"), {}},
      {"in one pool", addresses("[192.0.2.0/24, 192.0.2.7/32]"), {"a spec.addresses[1] pool_overlap"}},
      {"a host's prefix is its whole network", addresses("[192.0.2.10/24, 192.0.2.200-192.0.2.210]"), {"a spec.addresses[1] pool_overlap"}},
      {"IPv6", addresses("['2001:db8::/64', '2001:db8::5-2001:db8::6']"), {"a spec.addresses[1] pool_overlap"}},
      {"same bits, other family", addresses("[0.0.0.0/1, '::/1']"), {}},
      {"behind a long one", pool("a", "{addresses: [10.0.0.0/8]}") + pool("b", "{addresses: [10.0.0.1/32]}") + pool("c", "{addresses: [10.200.0.0/16]}"),
       {"a spec.addresses[0] pool_overlap", "a spec.addresses[0] pool_overlap", "b spec.addresses[0] pool_overlap", "c spec.addresses[0] pool_overlap"}},
      {"a Node's address, MetalLB", addresses("[192.0.2.0/24]") + node("n", "{}", "status: {addresses: [{type: InternalIP, address: 192.0.2.7}]}"),
       {"?a spec.addresses[0] pool_contains_node"}},
      {"a Node's address, ours", addresses("[192.0.2.0/24]") + node("n", "{}", "status: {addresses: [{type: InternalIP, address: 192.0.2.7}]}"),
       {"a spec.addresses[0] pool_contains_node"}, kOurs},
      {"a Node's other address", addresses("[192.0.2.0/24]") + node("n", "{}", "status: {addresses: [{type: ExternalIP, address: 192.0.2.7}]}"), {}, kOurs},
      {"a namespace that is not there", pool("a", "{addresses: [192.0.2.0/24], serviceAllocation: {namespaces: [x]}}") + document("v1", "Namespace", "y", "", ""),
       {"?a spec.serviceAllocation no_such_namespace"}},
      {"a namespace that a selector means", pool("a", "{addresses: [192.0.2.0/24], serviceAllocation: {namespaces: [x], namespaceSelectors: [{matchLabels: {t: y}}]}}") +
           document("v1", "Namespace", "y", "", "labels: {t: y}"), {}},
      {"a namespace, and none is known", pool("a", "{addresses: [192.0.2.0/24], serviceAllocation: {namespaces: [x]}}"), {}},
      {"sharing, ours", document("fairlead.io/v1", "IPAddressPool", "a", "spec: {addresses: [192.0.2.0/24], allowCrossNamespaceSharing: true}"), {}, kOurs},
      {"sharing, not a boolean", document("fairlead.io/v1", "IPAddressPool", "a", "spec: {addresses: [192.0.2.0/24], allowCrossNamespaceSharing: 'true'}"),
       {"a spec.allowCrossNamespaceSharing invalid_field"}, kOurs},
      {"sharing, MetalLB", pool("a", "{addresses: [192.0.2.0/24], allowCrossNamespaceSharing: 'true'}"), {"?a spec.allowCrossNamespaceSharing unknown_field"}},
  };
  for (const char* text : {"192.0.2.7", "2001:db8::7", "192.0.2.0/33", "2001:db8::/129", "192.0.2.400/24", "192.0.2.9-192.0.2.1",
                           "192.0.2.1-2001:db8::1", "192.0.2.1-192.0.2.400", "192.0.2.1-", "-192.0.2.1", "office", " 192.0.2.0/24", "192.0.2.0/24 ",
                           "192.0.02.0/24", "192.0.2.0/-1", "192.0.2.0/", "192.0.2/24", "192.0.2.1-192.0.2.5-192.0.2.9", ""}) {
    out.push_back({std::string("address \"") + text + "\"", addresses(std::string("['") + text + "']"), bad});
  }
  return out;
}

std::vector<Case> selector_cases() {
  const auto ad = [](const std::string& selector) { return l2("a", "{nodeSelectors: [" + selector + "]}"); };
  const auto expression = [&](const std::string& e) { return ad("{matchExpressions: [" + e + "]}"); };
  const std::string at = "a spec.nodeSelectors[0]";
  const std::string long63(63, 'x');
  return {
      {"labels and expressions", ad("{matchLabels: {a: b, example.org/c: ''}, matchExpressions: [{key: d, operator: In, values: [e, f]}, {key: g, operator: NotIn, values: [h]}, "
                                    "{key: i, operator: Exists}, {key: j, operator: DoesNotExist}]}"), {}},
      {"the empty one", ad("{}"), {}},
      {"null", ad("null"), {at + " invalid_field"}},
      {"the same labels twice", ad("{matchLabels: {a: b}}, {matchLabels: {a: b}}"), {"a spec.nodeSelectors[1] duplicate_selector"}},
      {"other labels", ad("{matchLabels: {a: b}}, {matchLabels: {a: c}}"), {}},
      {"the same values in another order", ad("{matchExpressions: [{key: a, operator: In, values: [b, c]}]}, {matchExpressions: [{key: a, operator: In, values: [c, b]}]}"),
       {"a spec.nodeSelectors[1] duplicate_selector"}},
      {"a value twice", expression("{key: a, operator: In, values: [b, c, b]}"), {at + ".matchExpressions[0].values[2] duplicate_value"}},
      {"an expression twice", expression("{key: a, operator: In, values: [b, c]}, {key: a, operator: In, values: [c, b]}"), {at + ".matchExpressions[1] duplicate_expression"}},
      {"another operator", expression("{key: a, operator: In, values: [b]}, {key: a, operator: NotIn, values: [b]}"), {}},
      {"no key", expression("{operator: Exists}"), {at + ".matchExpressions[0].key invalid_field"}},
      {"no operator", expression("{key: a}"), {at + ".matchExpressions[0].operator invalid_field"}},
      {"an unknown operator", expression("{key: a, operator: surrounds, values: [b]}"), {at + ".matchExpressions[0].operator invalid_field"}},
      {"an operator in lower case", expression("{key: a, operator: in, values: [b]}"), {at + ".matchExpressions[0].operator invalid_field"}},
      {"In without values", expression("{key: a, operator: In, values: []}"), {at + ".matchExpressions[0].values invalid_field"}},
      {"Exists with values", expression("{key: a, operator: Exists, values: [b]}"), {at + ".matchExpressions[0].values invalid_field"}},
      {"Exists with an empty list", expression("{key: a, operator: Exists, values: []}"), {}},
      {"a key of 63", ad("{matchLabels: {" + long63 + ": b}}"), {}},
      {"a key of 64", ad("{matchLabels: {" + long63 + "x: b}}"), {at + ".matchLabels invalid_label"}},
      {"a value of 63", ad("{matchLabels: {a: " + long63 + "}}"), {}},
      {"a value of 64", ad("{matchLabels: {a: " + long63 + "x}}"), {at + ".matchLabels invalid_label"}},
      {"a key with a blank", expression("{key: 'a b', operator: Exists}"), {at + ".matchExpressions[0].key invalid_label"}},
      {"a value that ends with a dash", expression("{key: a, operator: In, values: [b-]}"), {at + ".matchExpressions[0].values[0] invalid_label"}},
      {"a key with an upper-case prefix", ad("{matchLabels: {Example.org/a: b}}"), {at + ".matchLabels invalid_label"}},
      {"a key without a name", ad("{matchLabels: {example.org/: b}}"), {at + ".matchLabels invalid_label"}},
      {"a label that is a number", ad("{matchLabels: {a: 1}}"), {at + ".matchLabels.a invalid_field"}},
      {"in pools", pool("a", "{addresses: [192.0.2.0/24], serviceAllocation: {namespaceSelectors: [{}, {}], serviceSelectors: [{matchExpressions: [{key: k, operator: In, values: [v, v]}]}]}}"),
       {"a spec.serviceAllocation.namespaceSelectors[1] duplicate_selector", "a spec.serviceAllocation.serviceSelectors[0].matchExpressions[0].values[1] duplicate_value"}},
      {"in L2Advertisements", l2("a", "{ipAddressPoolSelectors: [{}, {}], serviceSelectors: [{}, {}]}"),
       {"a spec.ipAddressPoolSelectors[1] duplicate_selector", "a spec.serviceSelectors[1] duplicate_selector"}},
      {"in BGPAdvertisements", bgp("a", "{ipAddressPoolSelectors: [{}, {}], serviceSelectors: [{}, {}], nodeSelectors: [{}, {}]}"),
       {"a spec.ipAddressPoolSelectors[1] duplicate_selector", "a spec.nodeSelectors[1] duplicate_selector", "a spec.serviceSelectors[1] duplicate_selector"}},
      {"in peers", peer("a", ", nodeSelectors: [{matchLabels: {x: y}}, {matchLabels: {x: y}}]"), {"a spec.nodeSelectors[1] duplicate_selector"}},
      {"preferences may be equal", l2("a", "{preferredNodeSelectors: [{weight: 1, preference: {}}, {weight: 100, preference: {}}]}"), {}},
      {"a preference's labels", l2("a", "{preferredNodeSelectors: [{weight: 5, preference: {matchLabels: {'a b': c}}}]}"),
       {"a spec.preferredNodeSelectors[0].preference.matchLabels invalid_label"}},
      {"weight 0", l2("a", "{preferredNodeSelectors: [{weight: 0, preference: {}}]}"), {"a spec.preferredNodeSelectors[0].weight invalid_field"}},
      {"weight 101", l2("a", "{preferredNodeSelectors: [{weight: 101, preference: {}}]}"), {"a spec.preferredNodeSelectors[0].weight invalid_field"}},
      {"no weight", l2("a", "{preferredNodeSelectors: [{preference: {}}]}"), {"a spec.preferredNodeSelectors[0].weight invalid_field"}},
      {"no preference", l2("a", "{preferredNodeSelectors: [{weight: 1}]}"), {"a spec.preferredNodeSelectors[0].preference invalid_field"}},
  };
}

std::vector<Case> advertisement_cases() {
  const std::string v4 = pool("p", "{addresses: [10.20.0.0/24]}");
  const std::string v6 = pool("p", "{addresses: ['2001:db8::/64']}");
  const std::string both = pool("p", "{addresses: [10.20.0.0/24, '2001:db8::/64']}");
  const auto two = [](const std::string& a, const std::string& b) { return bgp("a", "{localPref: 100" + a + "}") + bgp("b", "{localPref: 200" + b + "}"); };
  const std::vector<std::string> clash{"a spec.localPref local_pref_conflict", "b spec.localPref local_pref_conflict"};
  const auto list = [](const std::string& c) { return bgp("a", "{communities: " + c + "}"); };
  const std::vector<std::string> bad{"a spec.communities[0] invalid_community"};
  const std::vector<std::string> missing{"~a spec.communities[0] no_such_community"};
  std::string many = "[";
  for (int i = 0; i < 63; ++i) many += "'1:" + std::to_string(i) + "', ";
  const auto two_of = [](int a, int b, const std::string& more_a = "", const std::string& more_b = "") {
    const auto part = [](const char* of, int count, const std::string& more) {
      std::string out = "{communities: [";
      for (int i = 0; i < count; ++i) out += std::string("'") + of + ":" + std::to_string(i) + "', ";
      return out + "], " + more + "}";
    };
    return bgp("a", part("1", a, more_a)) + bgp("b", part("2", b, more_b));
  };
  return {
      {"nothing said", v4 + bgp("a", "{}") + l2("b", "{}"), {}},
      {"no spec", document("metallb.io/v1beta1", "BGPAdvertisement", "a", "") + document("metallb.io/v1beta1", "L2Advertisement", "b", ""), {}},
      {"everything said", both + bgp("a", "{aggregationLength: 24, aggregationLengthV6: 64, localPref: 4294967295, communities: ['65535:65282', 'large:1:2:3'], "
                                          "ipAddressPools: [p], peers: [tor], " + on_rack("a") + "}") + peer("tor", ""), {}},
      {"a pool twice, L2", v4 + l2("a", "{ipAddressPools: [p, p]}"), {"a spec.ipAddressPools[1] duplicate_entry"}},
      {"a pool twice, BGP", v4 + bgp("a", "{ipAddressPools: [p, p]}"), {"a spec.ipAddressPools[1] duplicate_entry"}},
      {"a pool that is null", l2("a", "{ipAddressPools: [null]}"), {"a spec.ipAddressPools[0] invalid_field"}},
      {"a pool that is not there", bgp("a", "{ipAddressPools: [q]}"), {"?a spec.ipAddressPools[0] no_such_pool"}},
      {"a pool that could not be read", pool("q", "{addresses: [x]}") + l2("a", "{ipAddressPools: [q]}"), {"q spec.addresses[0] invalid_field"}},
      {"a peer twice", bgp("a", "{peers: [t, t]}") + peer("t", ""), {"a spec.peers[1] duplicate_entry"}},
      {"a peer that is not there", bgp("a", "{peers: [t]}"), {"?a spec.peers[0] no_such_peer"}},
      {"length 0", bgp("a", "{aggregationLength: 0}"), {"a spec.aggregationLength invalid_field"}},
      {"length 1", bgp("a", "{aggregationLength: 1}"), {}},
      {"length 33", bgp("a", "{aggregationLength: 33}"), {"a spec.aggregationLength invalid_field"}},
      {"length as text", bgp("a", "{aggregationLength: '24'}"), {"a spec.aggregationLength invalid_field"}},
      {"IPv6 length 128", bgp("a", "{aggregationLengthV6: 128}"), {}},
      {"IPv6 length 129", bgp("a", "{aggregationLengthV6: 129}"), {"a spec.aggregationLengthV6 invalid_field"}},
      {"preference -1", bgp("a", "{localPref: -1}"), {"a spec.localPref invalid_field"}},
      {"preference 2^32", bgp("a", "{localPref: 4294967296}"), {"a spec.localPref invalid_field"}},
      {"as long as the pool's prefix", v4 + bgp("a", "{aggregationLength: 24}"), {}},
      {"shorter than the pool's prefix", v4 + bgp("a", "{aggregationLength: 23}"), {"a spec.aggregationLength aggregation_too_short"}},
      {"of another pool", v4 + bgp("a", "{aggregationLength: 8, ipAddressPools: [q]}") + pool("q", "{addresses: [30.0.0.0/8]}"), {}},
      {"by a pool's label", pool("p", "{addresses: [10.20.0.0/24]}", "{x: y}") + bgp("a", "{aggregationLength: 8, ipAddressPoolSelectors: [{matchLabels: {x: y}}]}"),
       {"a spec.aggregationLength aggregation_too_short"}},
      {"one of two prefixes is longer", pool("p", "{addresses: [10.20.0.0/24, 10.21.0.0/28]}") + bgp("a", "{aggregationLength: 26}"), {"a spec.aggregationLength aggregation_too_short"}},
      {"a range with a wide enough piece", pool("p", "{addresses: [10.0.0.2-10.0.0.254]}") + bgp("a", "{aggregationLength: 26}"), {}},
      {"a range without", pool("p", "{addresses: [10.0.0.2-10.0.0.254]}") + bgp("a", "{aggregationLength: 25}"), {"a spec.aggregationLength aggregation_too_short"}},
      {"a range that is a prefix", pool("p", "{addresses: [10.0.0.0-10.0.0.255]}") + bgp("a", "{aggregationLength: 24}"), {}},
      {"a range of one address", pool("p", "{addresses: [10.0.0.5-10.0.0.5]}") + bgp("a", "{aggregationLength: 31}"), {"a spec.aggregationLength aggregation_too_short"}},
      {"a range up to the last address", pool("p", "{addresses: [255.255.255.1-255.255.255.255]}") + bgp("a", "{aggregationLength: 25}"), {}},
      {"all of IPv4", pool("p", "{addresses: [0.0.0.0/0]}") + bgp("a", "{aggregationLength: 1}"), {}},
      {"IPv6 shorter than the prefix", v6 + bgp("a", "{aggregationLengthV6: 63}"), {"a spec.aggregationLengthV6 aggregation_too_short"}},
      {"IPv6 as long as the prefix", v6 + bgp("a", "{aggregationLengthV6: 64}"), {}},
      {"the IPv4 length is nothing to IPv6", v6 + bgp("a", "{aggregationLength: 1}"), {}},
      {"selectors with a length", v4 + bgp("a", "{aggregationLength: 24, serviceSelectors: [{}]}"), {"a spec.aggregationLength aggregation_with_selectors"}},
      {"selectors with an IPv6 length", v6 + bgp("a", "{aggregationLengthV6: 64, serviceSelectors: [{}]}"), {"a spec.aggregationLengthV6 aggregation_with_selectors"}},
      {"selectors with the default lengths", both + bgp("a", "{aggregationLength: 32, aggregationLengthV6: 128, serviceSelectors: [{}]}"), {}},

      {"two preferences", v4 + two("", ""), clash},
      {"two preferences on two nodes", racks() + v4 + two("", ""), clash},
      {"no preference is 0", v4 + bgp("a", "{}") + bgp("b", "{localPref: 200}"), clash},
      {"equal preferences", v4 + bgp("a", "{localPref: 100}") + bgp("b", "{localPref: 100, communities: ['1:1']}"), {}},
      {"no pool in common", pool("p", "{addresses: [10.20.0.0/24]}") + pool("q", "{addresses: [10.21.0.0/24]}") + two(", ipAddressPools: [p]", ", ipAddressPools: [q]"), {}},
      {"one pool in common", pool("p", "{addresses: [10.20.0.0/24]}") + pool("q", "{addresses: [10.21.0.0/24]}") + two(", ipAddressPools: [p, q]", ", ipAddressPools: [q]"), clash},
      {"other lengths", v4 + two(", aggregationLength: 24", ""), {}},
      {"other IPv6 lengths of an IPv4 pool", v4 + two(", aggregationLengthV6: 64", ""), clash},
      {"other lengths of an IPv6 pool", v6 + two(", aggregationLength: 24", ""), clash},
      {"other IPv6 lengths of an IPv6 pool", v6 + two(", aggregationLengthV6: 64", ""), {}},
      {"one length of a pool of both", both + two(", aggregationLength: 24", ""), clash},
      {"both lengths of a pool of both", both + two(", aggregationLength: 24, aggregationLengthV6: 64", ""), {}},
      {"other peers", v4 + peer("t", "") + peer("u", "", "192.0.2.2") + two(", peers: [t]", ", peers: [u]"), {}},
      {"a peer in common", v4 + peer("t", "") + peer("u", "", "192.0.2.2") + two(", peers: [t, u]", ", peers: [u]"), clash},
      {"one says no peers", v4 + peer("t", "") + two(", peers: [t]", ""), clash},
      {"other nodes", racks() + v4 + two(", " + on_rack("a"), ", " + on_rack("b")), {}},
      {"a node in common", racks() + v4 + two(", " + on_rack("a"), ""), clash},
      {"selectors of the same node", racks() + v4 + two(", " + on_rack("a"), ", nodeSelectors: [{matchExpressions: [{key: rack, operator: NotIn, values: [b]}]}]"), clash},
      {"selectors of no node", racks() + v4 + two(", " + on_rack("x"), ", " + on_rack("x")), {}},
      {"other selectors, and no Node is known", v4 + two(", " + on_rack("a"), ", " + on_rack("b")), {}},
      {"the same selectors, and no Node is known", v4 + two(", " + on_rack("a"), ", " + on_rack("a")), clash},
      {"one selects Services", v4 + two(", serviceSelectors: [{}]", ""), {}},
      {"no pool at all", two("", ""), {}},

      {"communities", list("['0:0', '65535:65535', 'large:0:0:0', 'large:4294967295:1:4294967295']"), {}},
      {"a community twice", list("['1:2', '1:2']"), {"a spec.communities[1] duplicate_entry"}},
      {"too large an AS", list("['65536:1']"), bad},
      {"too large a number", list("['1:65536']"), bad},
      {"a sign", list("['+1:2']"), bad},
      {"an empty half", list("[':2']"), bad},
      {"letters", list("['no:export']"), bad},
      {"large in capitals", list("['LARGE:1:2:3']"), bad},
      {"too large a large one", list("['large:1:2:4294967296']"), bad},
      {"three parts", list("['1:2:3']"), bad},
      {"one number", list("['1234']"), missing},
      {"an alias", list("[no-export]") + community("c", "[{name: no-export, value: '65535:65281'}]"), {}},
      {"an alias of a large one", list("[mine]") + community("c", "[{name: mine, value: 'large:1:2:3'}]"), {}},
      {"an alias that is not there", list("[mine]") + community("c", "[{name: yours, value: '1:2'}]"), missing},
      {"an alias, and a Community could not be read", list("[mine]") + community("c", "7"), {"c spec.communities invalid_field"}},
      {"63 communities", list(many + "]"), {}},
      {"64 communities", list(many + "'2:1']"), {"a spec.communities too_many_communities"}},
      {"63 communities of two advertisements", v4 + two_of(32, 31), {}},
      {"64 communities of two advertisements", v4 + two_of(32, 32), {"a spec.communities too_many_communities", "b spec.communities too_many_communities"}},
      {"64 communities, and no pool", two_of(32, 32), {}},
      {"64 communities of two lengths", v4 + two_of(32, 32, "aggregationLength: 24"), {}},
      {"64 communities of two IPv6 lengths, for IPv4", v4 + two_of(32, 32, "aggregationLengthV6: 64"), {"a spec.communities too_many_communities", "b spec.communities too_many_communities"}},
      {"64 communities for two peers", v4 + peer("t", "") + peer("u", "", "192.0.2.2") + two_of(32, 32, "peers: [t]", "peers: [u]"), {}},
      {"64 communities for one peer", v4 + peer("t", "") + two_of(32, 32, "", "peers: [t]"), {"a spec.communities too_many_communities", "b spec.communities too_many_communities"}},
      {"64 communities from two nodes", racks() + v4 + two_of(32, 32, on_rack("a"), on_rack("b")), {}},
      {"64 communities from one node", racks() + v4 + two_of(32, 32, on_rack("a"), ""), {"a spec.communities too_many_communities", "b spec.communities too_many_communities"}},
      {"64 communities, and no Node is known", v4 + two_of(32, 32, on_rack("a"), on_rack("b")), {}},
      {"64 communities, one selects Services", v4 + two_of(32, 32, "serviceSelectors: [{}]"), {}},
      {"too many alone is said once", v4 + two_of(64, 32), {"a spec.communities too_many_communities"}},
      {"a bad alias", community("c", "[{name: a, value: '1'}]"), {"c spec.communities[0].value invalid_community"}},
      {"an alias without a value", community("c", "[{name: a}]"), {"c spec.communities[0].value invalid_community"}},
      {"an alias out of range", community("c", "[{name: a, value: '99999999:1'}]"), {"c spec.communities[0].value invalid_community"}},
      {"an alias twice", community("c", "[{name: a, value: '1:1'}, {name: a, value: '1:1'}]"), {"c spec.communities[1].name duplicate_alias"}},
      {"an alias in two objects", community("c", "[{name: a, value: '1:1'}]") + community("d", "[{name: a, value: '1:2'}]"),
       {"c spec.communities[0].name duplicate_alias", "d spec.communities[0].name duplicate_alias"}},
      {"two aliases of one value", community("c", "[{name: a, value: '1:1'}, {name: b, value: '1:1'}]"), {}},
      {"ours: prepend and MED", document("fairlead.io/v1", "BGPAdvertisement", "a", "spec: {asPathPrepend: 16, med: 0}"), {}, kOurs},
      {"ours: too often", document("fairlead.io/v1", "BGPAdvertisement", "a", "spec: {asPathPrepend: 17}"), {"a spec.asPathPrepend invalid_field"}, kOurs},
      {"ours: MED is negative", document("fairlead.io/v1", "BGPAdvertisement", "a", "spec: {med: -1}"), {"a spec.med invalid_field"}, kOurs},
  };
}

std::vector<Case> peer_cases() {
  const auto only = [](const std::string& field, const std::string& rule) { return std::vector<std::string>{"t spec." + field + " " + rule}; };
  const std::string good = secret("s", "type: kubernetes.io/basic-auth\ndata: {password: c2VjcmV0}");
  const std::string ask = ", passwordSecret: {name: s}";
  std::vector<Case> out{
      {"a plain one", peer("t", ""), {}},
      {"in our own AS", raw_peer("t", "{myASN: 64512, peerASN: 64512, peerAddress: 192.0.2.1}"), {}},
      {"everything", peer("t", ", sourceAddress: 192.0.2.2, peerPort: 1179, holdTime: 3m, keepaliveTime: 1m, connectTime: 10s, routerID: 10.0.0.1, "
                               "password: x, enableGracefulRestart: true, ebgpMultiHop: true, vrf: red, localASN: 65000, dualStackAddressFamily: true, " + on_rack("a")), {}},
      {"by interface", raw_peer("t", "{myASN: 1, dynamicASN: external, interface: eth0}"), {}},
      {"no myASN", raw_peer("t", "{peerASN: 1, peerAddress: 192.0.2.1}"), only("myASN", "invalid_field")},
      {"myASN 0", raw_peer("t", "{myASN: 0, peerASN: 1, peerAddress: 192.0.2.1}"), only("myASN", "no_local_asn")},
      {"the largest AS numbers", raw_peer("t", "{myASN: 4294967295, peerASN: 4294967294, peerAddress: 192.0.2.1}"), {}},
      {"myASN 2^32", raw_peer("t", "{myASN: 4294967296, peerASN: 1, peerAddress: 192.0.2.1}"), only("myASN", "invalid_field")},
      {"myASN as text", raw_peer("t", "{myASN: '64512', peerASN: 1, peerAddress: 192.0.2.1}"), only("myASN", "invalid_field")},
      {"myASN with a dot", raw_peer("t", "{myASN: 1.5, peerASN: 1, peerAddress: 192.0.2.1}"), only("myASN", "invalid_field")},
      {"peerASN -1", raw_peer("t", "{myASN: 1, peerASN: -1, peerAddress: 192.0.2.1}"), only("peerASN", "invalid_field")},
      {"neither peerASN nor dynamicASN", raw_peer("t", "{myASN: 1, peerAddress: 192.0.2.1}"), only("peerASN", "peer_asn_choice")},
      {"peerASN 0", raw_peer("t", "{myASN: 1, peerASN: 0, peerAddress: 192.0.2.1}"), only("peerASN", "peer_asn_choice")},
      {"both", raw_peer("t", "{myASN: 1, peerASN: 2, dynamicASN: internal, peerAddress: 192.0.2.1}"), only("dynamicASN", "peer_asn_choice")},
      {"peerASN 0 with dynamicASN", raw_peer("t", "{myASN: 1, peerASN: 0, dynamicASN: internal, peerAddress: 192.0.2.1}"), {}},
      {"dynamicASN auto", raw_peer("t", "{myASN: 1, dynamicASN: auto, peerAddress: 192.0.2.1}"), only("dynamicASN", "invalid_field")},
      {"an empty dynamicASN", raw_peer("t", "{myASN: 1, peerASN: 2, dynamicASN: '', peerAddress: 192.0.2.1}"), only("dynamicASN", "invalid_field")},
      {"localASN 0", peer("t", ", localASN: 0"), only("localASN", "invalid_field")},
      {"localASN 1", peer("t", ", localASN: 1"), {}},
      {"neither address nor interface", raw_peer("t", "{myASN: 1, peerASN: 2}"), only("peerAddress", "peer_address_choice")},
      {"an empty address", peer("t", "", ""), only("peerAddress", "peer_address_choice")},
      {"address and interface", peer("t", ", interface: eth0"), only("interface", "peer_address_choice")},
      {"an IPv6 address", peer("t", "", "2001:db8::1"), {}},
      {"a DNS name", peer("t", "", "router.example.org"), only("peerAddress", "invalid_field")},
      {"an address out of range", peer("t", "", "192.0.2.400"), only("peerAddress", "invalid_field")},
      {"an address with a blank", peer("t", "", "192.0.2.1 "), only("peerAddress", "invalid_field")},
      {"an address with leading zeros", peer("t", "", "192.0.2.01"), only("peerAddress", "invalid_field")},
      {"a bad source", peer("t", ", sourceAddress: 300.0.0.1"), only("sourceAddress", "invalid_field")},
      {"a bad router id", peer("t", ", routerID: me"), only("routerID", "invalid_field")},
      {"an IPv6 router id", peer("t", ", routerID: '2001:db8::1'"), only("routerID", "unsupported"), kOurs},
      {"an IPv6 router id, MetalLB", peer("t", ", routerID: '2001:db8::1'"), {"?t spec.routerID unsupported"}},
      {"port 0", peer("t", ", peerPort: 0"), only("peerPort", "invalid_field")},
      {"port 1", peer("t", ", peerPort: 1"), {}},
      {"port 16384", peer("t", ", peerPort: 16384"), {}},
      {"port 16385", peer("t", ", peerPort: 16385"), only("peerPort", "invalid_field")},
      {"multihop", peer("t", ", ebgpMultiHop: true"), {}},
      {"multihop in our own AS", raw_peer("t", "{myASN: 1, peerASN: 1, peerAddress: 192.0.2.1, ebgpMultiHop: true}"), only("ebgpMultiHop", "multihop_in_own_as")},
      {"multihop as text", peer("t", ", ebgpMultiHop: 'true'"), only("ebgpMultiHop", "invalid_field")},

      {"hold 0", peer("t", ", holdTime: 0s"), {}},
      {"hold 0 and keepalive 0", peer("t", ", holdTime: 0s, keepaliveTime: 0s"), {}},
      {"hold 0 without a unit", peer("t", ", holdTime: '0'"), {}},
      {"hold just under 1 s is 0", peer("t", ", holdTime: 999ms"), {}},
      {"hold 1 s", peer("t", ", holdTime: 1s"), only("holdTime", "hold_time")},
      {"hold just under 3 s", peer("t", ", holdTime: 2999ms"), only("holdTime", "hold_time")},
      {"hold 3 s", peer("t", ", holdTime: 3s"), {}},
      {"hold 1m30s", peer("t", ", holdTime: 1m30s"), {}},
      {"hold 1.5h", peer("t", ", holdTime: 1.5h"), {}},
      {"hold 65535s", peer("t", ", holdTime: 65535s"), {}, kOurs},
      {"hold 65536s", peer("t", ", holdTime: 65536s"), only("holdTime", "hold_time"), kOurs},
      {"hold 65536s, MetalLB", peer("t", ", holdTime: 65536s"), {"?t spec.holdTime hold_time"}},
      {"hold without a unit", peer("t", ", holdTime: '90'"), only("holdTime", "invalid_field")},
      {"hold as a number", peer("t", ", holdTime: 90"), only("holdTime", "invalid_field")},
      {"hold in days", peer("t", ", holdTime: 1d"), only("holdTime", "invalid_field")},
      {"an empty hold", peer("t", ", holdTime: ''"), only("holdTime", "invalid_field")},
      {"a negative hold", peer("t", ", holdTime: -5s, keepaliveTime: -10s"), {"t spec.holdTime hold_time", "t spec.keepaliveTime keepalive_time"}},
      {"keepalive as long as hold", peer("t", ", holdTime: 30s, keepaliveTime: 30s"), {}},
      {"keepalive longer than hold", peer("t", ", holdTime: 30s, keepaliveTime: 30001ms"), only("keepaliveTime", "keepalive_time")},
      {"keepalive with hold 0", peer("t", ", holdTime: 0s, keepaliveTime: 1s"), only("keepaliveTime", "keepalive_time")},
      {"keepalive 0 with a hold", peer("t", ", holdTime: 9m0s, keepaliveTime: 0s"), {}},
      {"keepalive alone", peer("t", ", keepaliveTime: 60s"), {}},
      {"keepalive alone: hold is three times it", peer("t", ", keepaliveTime: 1s"), {}},
      {"keepalive alone, too short", peer("t", ", keepaliveTime: 900ms"), only("keepaliveTime", "hold_time")},
      {"connect 1 s", peer("t", ", connectTime: 1s"), {}},
      {"connect 65535 s", peer("t", ", connectTime: 65535s"), {}},
      {"connect 2m", peer("t", ", connectTime: 2m"), {}},
      {"connect 0", peer("t", ", connectTime: 0s"), only("connectTime", "connect_time")},
      {"connect 65536 s", peer("t", ", connectTime: 65536s"), only("connectTime", "connect_time")},
      {"connect 1500 ms", peer("t", ", connectTime: 1500ms"), only("connectTime", "connect_time")},
      {"connect 999 ms", peer("t", ", connectTime: 999ms"), only("connectTime", "connect_time")},

      {"a Secret", peer("t", ask) + good, {}},
      {"a Secret with stringData", peer("t", ask) + secret("s", "type: kubernetes.io/basic-auth\nstringData: {password: x}"), {}},
      {"a Secret that is not there", peer("t", ask), {"~t spec.passwordSecret no_such_secret"}},
      {"a Secret elsewhere", peer("t", ask) + document("v1", "Secret", "s", "type: kubernetes.io/basic-auth\ndata: {password: eA==}", "namespace: default"),
       {"~t spec.passwordSecret no_such_secret"}},
      {"a Secret elsewhere, and the field says so", peer("t", ", passwordSecret: {name: s, namespace: default}") + good, {}},
      {"password and Secret", peer("t", ask + ", password: x") + good, only("passwordSecret", "password_choice")},
      {"a Secret without a name", peer("t", ", passwordSecret: {}, password: x"), {}},
      {"an opaque Secret", peer("t", ask) + secret("s", "type: Opaque\ndata: {password: c2VjcmV0}"), only("passwordSecret", "secret_type")},
      {"a Secret without a type", peer("t", ask) + secret("s", "data: {password: c2VjcmV0}"), only("passwordSecret", "secret_type")},
      {"a Secret without the key", peer("t", ask) + secret("s", "type: kubernetes.io/basic-auth\ndata: {username: c2VjcmV0}"), only("passwordSecret", "secret_key")},
      {"a Secret with an empty password", peer("t", ask) + secret("s", "type: kubernetes.io/basic-auth\ndata: {password: ''}"), {}},
      {"a Secret that is no Base64", peer("t", ask) + secret("s", "type: kubernetes.io/basic-auth\ndata: {password: 'x!'}"), {"s data.password invalid_field"}},
      {"a Secret with a line break", peer("t", ask) + secret("s", "type: kubernetes.io/basic-auth\ndata: {password: bm9wYXNzCg==}"), only("passwordSecret", "forbidden_character")},
      {"a password with a line break", peer("t", ", password: \"x\\n\""), only("password", "forbidden_character")},
      {"a password with a carriage return", peer("t", ", password: \"x\\r\""), only("password", "forbidden_character")},
      {"a password with a quote", peer("t", ", password: 'a\"b'"), only("password", "forbidden_character"), kOurs},
      {"a password with a quote, MetalLB", peer("t", ", password: 'a\"b'"), {"?t spec.password forbidden_character"}},
      {"a password of 80", peer("t", ", password: '" + std::string(80, 'x') + "'"), {}, kOurs},
      {"a password of 81", peer("t", ", password: '" + std::string(81, 'x') + "'"), only("password", "unsupported"), kOurs},
      {"a password that is a number", peer("t", ", password: 12345"), only("password", "invalid_field")},
      {"an interface with a line break", raw_peer("t", "{myASN: 1, peerASN: 2, interface: \"eth0\\nx\"}"), only("interface", "forbidden_character")},
      {"a VRF with a line break", peer("t", ", vrf: \"red\\n\""), only("vrf", "forbidden_character")},
      {"a profile", peer("t", ", bfdProfile: b") + bfd("b", "{}"), {}},
      {"a profile that is not there", peer("t", ", bfdProfile: c") + bfd("b", "{}"), {"~t spec.bfdProfile no_such_bfd_profile"}},
      {"a profile that could not be read", peer("t", ", bfdProfile: b") + bfd("b", "{receiveInterval: 1}"), {"b spec.receiveInterval invalid_field"}},
      {"disableMP", peer("t", ", disableMP: true"), {"?t spec.disableMP deprecated"}},

      {"v1beta1", old_peer("t", "{myASN: 1, peerASN: 2, peerAddress: 192.0.2.1, holdTime: 30s}"), {"?t apiVersion deprecated"}},
      {"v1beta1, keepalive alone", old_peer("t", "{myASN: 1, peerASN: 2, peerAddress: 192.0.2.1, keepaliveTime: 30s}"), {"?t apiVersion deprecated"}},
      {"v1beta1, port 0", old_peer("t", "{myASN: 1, peerASN: 2, peerAddress: 192.0.2.1, peerPort: 0}"), {"?t apiVersion deprecated"}},
      {"v1beta1, no peerASN", old_peer("t", "{myASN: 1, peerAddress: 192.0.2.1}"), {"?t apiVersion deprecated", "t spec.peerASN invalid_field"}},
      {"v1beta1, no address", old_peer("t", "{myASN: 1, peerASN: 2}"), {"?t apiVersion deprecated", "t spec.peerAddress invalid_field"}},
      {"v1beta1 has no dynamicASN", old_peer("t", "{myASN: 1, peerASN: 2, peerAddress: 192.0.2.1, dynamicASN: internal}"),
       {"?t apiVersion deprecated", "?t spec.dynamicASN unknown_field"}},
      {"v1beta1, an expression without values", old_peer("t", "{myASN: 1, peerASN: 2, peerAddress: 192.0.2.1, nodeSelectors: [{matchExpressions: [{key: a, operator: Exists}]}]}"),
       {"?t apiVersion deprecated", "t spec.nodeSelectors[0].matchExpressions[0].values invalid_field"}},
  };
  for (const auto& [field, least, most] : {std::tuple("receiveInterval", 10, 60000), std::tuple("transmitInterval", 10, 60000), std::tuple("echoInterval", 10, 60000),
                                           std::tuple("detectMultiplier", 2, 255), std::tuple("minimumTtl", 1, 254)}) {
    for (const int value : {least, most, least - 1, most + 1}) {
      const bool is_good = value >= least && value <= most;
      out.push_back({field + (" " + std::to_string(value)), bfd("b", "{" + std::string(field) + ": " + std::to_string(value) + "}"),
                     is_good ? std::vector<std::string>{} : std::vector<std::string>{"b spec." + std::string(field) + " invalid_field"}});
    }
  }
  return out;
}

std::vector<Case> cross_cases() {
  const auto two = [](const std::string& a, const std::string& b, const std::string& address = "192.0.2.2") { return peer("t", a) + peer("u", b, address); };
  const auto both = [](const std::string& field, const std::string& rule) {
    return std::vector<std::string>{"t spec." + field + " " + rule, "u spec." + field + " " + rule};
  };
  const std::string a = ", " + on_rack("a");
  const std::string b = ", " + on_rack("b");
  const std::string same = "192.0.2.1";
  const std::string other_as = raw_peer("u", "{myASN: 7, peerASN: 64513, peerAddress: 192.0.2.2}");
  const std::string v6 = pool("p", "{addresses: ['2001:db8::/64']}");
  const std::string echo = bfd("e", "{echoMode: true}");
  const std::string with_echo = ", bfdProfile: e";
  const auto native = [&](const std::string& more, const std::string& field) {
    return Case{"native: " + field, peer("t", ", " + more), {"t spec." + field + " unsupported"}, kNative};
  };
  return {
      {"two routers", two("", ""), {}},
      {"one router twice", two("", "", same), both("peerAddress", "peer_conflict")},
      {"one router twice, ours", two("", "", same), both("peerAddress", "peer_conflict"), kOurs},
      {"by two VRFs", two(", vrf: red", "", same), {}},
      {"by other ports", two(", peerPort: 180", "", same), both("peerAddress", "peer_conflict")},
      {"from other nodes", racks() + two(a, b, same), {}},
      {"from other nodes, and no Node is known", two(a, b, same), both("peerAddress", "peer_conflict")},
      {"from a node in common", racks() + two(a, "", same), both("peerAddress", "peer_conflict")},
      {"one interface twice", raw_peer("t", "{myASN: 1, peerASN: 2, interface: eth0}") + raw_peer("u", "{myASN: 1, peerASN: 3, interface: eth0}"), both("interface", "peer_conflict")},
      {"two router ids", two(", routerID: 10.0.0.1", ", routerID: 10.0.0.2"), both("routerID", "router_id_conflict")},
      {"one router id and none", two(", routerID: 10.0.0.1", ""), both("routerID", "router_id_conflict")},
      {"one router id in two VRFs", two(", routerID: 10.0.0.1, vrf: red", ", routerID: 10.0.0.2"), both("routerID", "router_id_conflict")},
      {"two router ids on two nodes", racks() + two(", routerID: 10.0.0.1" + a, ", routerID: 10.0.0.2" + b), {}},
      {"two router ids, ours", two(", routerID: 10.0.0.1", ", routerID: 10.0.0.2"), {}, kOurs},
      {"two router ids, native", two(", routerID: 10.0.0.1", ", routerID: 10.0.0.2"), {}, kNative},
      {"two ASs of ours", peer("t", "") + other_as, both("myASN", "local_asn_conflict")},
      {"two ASs of ours, BIRD", peer("t", "") + other_as, {}, kOurs},
      {"two ASs of ours in two VRFs", peer("t", ", vrf: red") + other_as, {}},

      {"echo and IPv6", v6 + bgp("a", "{}") + peer("t", with_echo) + echo, {"a spec bfd_echo_ipv6", "?e spec.echoMode unsupported"}},
      {"echo and IPv6, by name", v6 + bgp("a", "{peers: [t]}") + peer("t", with_echo) + echo, {"a spec bfd_echo_ipv6", "?e spec.echoMode unsupported"}},
      {"echo and IPv6, not for this peer", v6 + bgp("a", "{peers: [u]}") + peer("t", with_echo) + peer("u", "", "192.0.2.2") + echo, {"?e spec.echoMode unsupported"}},
      {"echo and IPv6, other pools", v6 + pool("q", "{addresses: [10.0.0.0/24]}") + bgp("a", "{ipAddressPools: [q]}") + peer("t", with_echo) + echo, {"?e spec.echoMode unsupported"}},
      {"echo and IPv4", pool("p", "{addresses: [10.0.0.0/24]}") + bgp("a", "{}") + peer("t", with_echo) + echo, {"?e spec.echoMode unsupported"}},
      {"echo off", v6 + bgp("a", "{}") + peer("t", ", bfdProfile: e") + bfd("e", "{echoMode: false, echoInterval: 50}"), {}},
      {"echo, ours", echo, {"e spec.echoMode unsupported"}, kOurs},

      {"native", peer("t", ", holdTime: 90s, keepaliveTime: 0s, routerID: 10.0.0.1, password: x, sourceAddress: 192.0.2.9, ebgpMultiHop: true"), {}, kNative},
      {"native: bfdProfile", peer("t", ", bfdProfile: b") + bfd("b", "{}"), {"b  unsupported", "t spec.bfdProfile unsupported"}, kNative},
      native("holdTime: 30s, keepaliveTime: 10s", "keepaliveTime"),
      native("vrf: red", "vrf"),
      native("connectTime: 1s", "connectTime"),
      native("enableGracefulRestart: true", "enableGracefulRestart"),
      native("disableMP: true", "disableMP"),
      native("dualStackAddressFamily: true", "dualStackAddressFamily"),
      native("localASN: 5", "localASN"),
      {"native: dynamicASN", raw_peer("t", "{myASN: 1, dynamicASN: internal, peerAddress: 192.0.2.1}"), {"t spec.dynamicASN unsupported"}, kNative},
      {"native: interface", raw_peer("t", "{myASN: 1, peerASN: 2, interface: eth0}"), {"t spec.interface unsupported"}, kNative},
      {"native: a large community", bgp("a", "{communities: ['large:1:2:3']}"), {"a spec.communities[0] unsupported"}, kNative},
      {"native: a large alias", community("c", "[{name: x, value: 'large:1:2:3'}]"), {"c spec.communities[0].value unsupported"}, kNative},
      {"native: IPv6 by BGP", v6 + bgp("a", "{}"), {"p spec.addresses unsupported"}, kNative},
      {"native: IPv6 not by BGP", v6 + l2("a", "{}"), {}, kNative},
  };
}

std::vector<Case> all_cases() {
  std::vector<Case> out;
  for (auto part : {document_cases(), pool_cases(), selector_cases(), advertisement_cases(), peer_cases(), cross_cases()}) {
    std::move(part.begin(), part.end(), std::back_inserter(out));
  }
  return out;
}

TEST(Validate, Table) {
  for (const Case& c : all_cases()) {
    SCOPED_TRACE(c.name);
    std::vector<std::string> want = c.want;
    std::sort(want.begin(), want.end());
    EXPECT_EQ(test::said(test::report(c.text, c.rules)), want) << c.text;
  }
}

TEST(Validate, EveryRuleHasACaseThatBreaksIt) {
  std::set<std::string, std::less<>> broken;
  for (const Case& c : all_cases()) {
    for (const std::string& line : c.want) broken.insert(line.substr(line.rfind(' ') + 1));
  }
  broken.insert("wrong_namespace");  // config_reader_test.cpp
  for (std::size_t i = 0; i < kRules; ++i) EXPECT_TRUE(broken.contains(name(static_cast<Rule>(i)))) << name(static_cast<Rule>(i));
}

TEST(Validate, EveryReasonNamesARemedyAndNoPassword) {
  for (const Case& c : all_cases()) {
    for (const ctl::Finding& f : test::report(c.text, c.rules).findings) {
      EXPECT_GT(f.reason.size(), 15U) << f.str();
      EXPECT_EQ(f.str().find('\n'), std::string::npos) << f.str();
      EXPECT_GT(f.line, 0) << f.str();
    }
  }
  for (const std::string& text : {peer("t", ", password: 1234567"), peer("t", ", password: \"hunter2\\n\""),
                                  peer("t", ", passwordSecret: {name: s}") + secret("s", "type: kubernetes.io/basic-auth\ndata: {password: 1234567}"),
                                  peer("t", ", passwordSecret: {name: s}") + secret("s", "type: kubernetes.io/basic-auth\nstringData: {password: \"hunter2\\n\"}")}) {
    const ctl::Report report = test::report(text);
    EXPECT_FALSE(report.findings.empty()) << text;
    for (const ctl::Finding& f : report.findings) {
      EXPECT_EQ(f.str().find("hunter2"), std::string::npos) << f.str();
      EXPECT_EQ(f.str().find("1234567"), std::string::npos) << f.str();
    }
  }
}

TEST(Validate, ConflictsNameTheOtherSide) {
  const ctl::Report report = test::report(pool("a", "{addresses: [192.0.2.0/24]}") + pool("b", "{addresses: [192.0.2.9/32]}"));
  ASSERT_EQ(report.findings.size(), 2U);
  EXPECT_THAT(report.findings[0].related, testing::ElementsAre("IPAddressPool metallb-system/b"));
  EXPECT_THAT(report.findings[1].related, testing::ElementsAre("IPAddressPool metallb-system/a"));
}

TEST(ParseDuration, Table) {
  using std::chrono::milliseconds;
  using std::chrono::nanoseconds;
  using std::chrono::seconds;
  const struct {
    const char* in;
    std::optional<Duration> want;
  } cases[] = {
      {"90s", seconds(90)}, {"1m30s", seconds(90)}, {"1.5h", seconds(5400)}, {"0", seconds(0)}, {"-0", seconds(0)}, {"+5s", seconds(5)},
      {"-1.5s", milliseconds(-1500)}, {"1h0m0.5s", milliseconds(3600500)}, {".5s", milliseconds(500)}, {"5.s", seconds(5)}, {"1us", nanoseconds(1000)},
      {"1µs", nanoseconds(1000)}, {"300ms", milliseconds(300)}, {"", std::nullopt}, {"5", std::nullopt}, {"s", std::nullopt}, {".s", std::nullopt},
      {"5 s", std::nullopt}, {" 5s", std::nullopt}, {"5S", std::nullopt}, {"5d", std::nullopt}, {"1s2", std::nullopt}, {"--5s", std::nullopt},
      {"3000000h", std::nullopt}, {"99999999999999999999999999s", std::nullopt},
  };
  for (const auto& c : cases) EXPECT_EQ(parse_duration(c.in), c.want) << c.in;
}

}  // namespace
}  // namespace fairlead::api
