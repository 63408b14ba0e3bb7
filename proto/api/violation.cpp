#include "proto/api/violation.h"

#include <algorithm>

namespace fairlead::api {

std::string_view name(Rule rule) {
  switch (rule) {
    case Rule::invalid_yaml: return "invalid_yaml";
    case Rule::invalid_field: return "invalid_field";
    case Rule::unknown_kind: return "unknown_kind";
    case Rule::unknown_field: return "unknown_field";
    case Rule::other_group: return "other_group";
    case Rule::wrong_namespace: return "wrong_namespace";
    case Rule::duplicate_name: return "duplicate_name";
    case Rule::deprecated: return "deprecated";
    case Rule::duplicate_entry: return "duplicate_entry";
    case Rule::duplicate_selector: return "duplicate_selector";
    case Rule::duplicate_expression: return "duplicate_expression";
    case Rule::duplicate_value: return "duplicate_value";
    case Rule::invalid_label: return "invalid_label";
    case Rule::pool_overlap: return "pool_overlap";
    case Rule::pool_contains_node: return "pool_contains_node";
    case Rule::no_such_namespace: return "no_such_namespace";
    case Rule::no_such_pool: return "no_such_pool";
    case Rule::no_such_peer: return "no_such_peer";
    case Rule::aggregation_with_selectors: return "aggregation_with_selectors";
    case Rule::aggregation_too_short: return "aggregation_too_short";
    case Rule::local_pref_conflict: return "local_pref_conflict";
    case Rule::invalid_community: return "invalid_community";
    case Rule::no_such_community: return "no_such_community";
    case Rule::too_many_communities: return "too_many_communities";
    case Rule::duplicate_alias: return "duplicate_alias";
    case Rule::no_local_asn: return "no_local_asn";
    case Rule::peer_asn_choice: return "peer_asn_choice";
    case Rule::peer_address_choice: return "peer_address_choice";
    case Rule::multihop_in_own_as: return "multihop_in_own_as";
    case Rule::hold_time: return "hold_time";
    case Rule::keepalive_time: return "keepalive_time";
    case Rule::connect_time: return "connect_time";
    case Rule::password_choice: return "password_choice";
    case Rule::no_such_secret: return "no_such_secret";
    case Rule::secret_type: return "secret_type";
    case Rule::secret_key: return "secret_key";
    case Rule::forbidden_character: return "forbidden_character";
    case Rule::no_such_bfd_profile: return "no_such_bfd_profile";
    case Rule::peer_conflict: return "peer_conflict";
    case Rule::router_id_conflict: return "router_id_conflict";
    case Rule::local_asn_conflict: return "local_asn_conflict";
    case Rule::bfd_echo_ipv6: return "bfd_echo_ipv6";
    case Rule::unsupported: return "unsupported";
  }
  return "unknown";
}

std::string_view name(Severity severity) {
  switch (severity) {
    case Severity::error: return "error";
    case Severity::transient: return "transient";
    case Severity::warning: return "warning";
  }
  return "unknown";
}

namespace {

/// "spec.addresses" and "spec.addresses[1]" do, either way round.
bool is_within(std::string_view inner, std::string_view outer) {
  return inner.starts_with(outer) && (inner.size() == outer.size() || inner[outer.size()] == '.' || inner[outer.size()] == '[');
}

/// The fields that a rule looks at beside the one that it names.
std::vector<std::string_view> fields_of(Rule rule) {
  switch (rule) {
    case Rule::peer_asn_choice: return {"spec.peerASN", "spec.dynamicASN"};
    case Rule::multihop_in_own_as: return {"spec.myASN", "spec.peerASN"};
    case Rule::peer_address_choice: return {"spec.peerAddress", "spec.interface"};
    case Rule::hold_time:
    case Rule::keepalive_time: return {"spec.holdTime", "spec.keepaliveTime"};
    case Rule::password_choice: return {"spec.password", "spec.passwordSecret"};
    case Rule::peer_conflict: return {"spec.peerAddress", "spec.interface", "spec.vrf", "spec.nodeSelectors"};
    case Rule::router_id_conflict: return {"spec.nodeSelectors"};
    case Rule::local_asn_conflict: return {"spec.vrf", "spec.nodeSelectors"};
    case Rule::aggregation_with_selectors: return {"spec.serviceSelectors"};
    case Rule::aggregation_too_short: return {"spec.ipAddressPools", "spec.ipAddressPoolSelectors"};
    case Rule::bfd_echo_ipv6: return {"spec.ipAddressPools", "spec.ipAddressPoolSelectors", "spec.peers"};
    case Rule::local_pref_conflict:
    case Rule::too_many_communities:
      return {"spec.ipAddressPools", "spec.ipAddressPoolSelectors", "spec.nodeSelectors",        "spec.serviceSelectors",
              "spec.peers",          "spec.aggregationLength",      "spec.aggregationLengthV6", "spec.addresses"};
    default: return {};
  }
}

}  // namespace

bool depends_on(Rule rule, std::string_view field, std::string_view refused) {
  if (is_within("metadata.labels", refused) || is_within(refused, "metadata.labels") || is_within("spec", refused)) return true;
  // An entry that is left out moves those behind it.
  const auto list = [](std::string_view path) { return path.substr(0, path.find('[')); };
  if (!field.empty() && (is_within(list(field), list(refused)) || is_within(list(refused), list(field)))) return true;
  const auto others = fields_of(rule);
  return std::any_of(others.begin(), others.end(), [&](std::string_view other) { return is_within(refused, other); });
}

}  // namespace fairlead::api
