#pragma once
/// What is wrong with a configuration, as values: rule, object, field, sentence. Rules and remedies: README.md here.
#include <string>
#include <string_view>
#include <vector>

#include "proto/api/objects.h"

namespace fairlead::api {

/// Why an object was refused or warned of. One enumerator is one row of the README's table and one label everywhere.
enum class Rule : std::uint8_t {
  // of one file or document
  invalid_yaml,
  invalid_field,
  unknown_kind,
  unknown_field,
  other_group,
  wrong_namespace,
  duplicate_name,
  deprecated,
  // of lists and selectors
  duplicate_entry,
  duplicate_selector,
  duplicate_expression,
  duplicate_value,
  invalid_label,
  // of pools
  pool_overlap,
  pool_contains_node,
  no_such_namespace,
  // of advertisements
  no_such_pool,
  no_such_peer,
  aggregation_with_selectors,
  aggregation_too_short,
  local_pref_conflict,
  invalid_community,
  no_such_community,
  too_many_communities,
  duplicate_alias,
  // of peers
  no_local_asn,
  peer_asn_choice,
  peer_address_choice,
  multihop_in_own_as,
  hold_time,
  keepalive_time,
  connect_time,
  password_choice,
  no_such_secret,
  secret_type,
  secret_key,
  forbidden_character,
  no_such_bfd_profile,
  peer_conflict,
  router_id_conflict,
  local_asn_conflict,
  bfd_echo_ipv6,
  unsupported,
};
inline constexpr std::size_t kRules = static_cast<std::size_t>(Rule::unsupported) + 1;
std::string_view name(Rule rule);  // "pool_overlap"

enum class Severity : std::uint8_t {
  error,      // an API server with the rules in it refuses the object
  transient,  // what the object names is not there: accepted, but the configuration as a whole is not used until it is
  warning,    // works, though perhaps not as meant; never changes an exit code
};
std::string_view name(Severity severity);

struct Violation {
  Key object;
  std::string field;  // "spec.addresses[1]"; "" for the object as a whole
  Rule rule = Rule::invalid_field;
  Severity severity = Severity::error;
  std::string reason;        // one sentence that names the remedy
  std::vector<Key> related;  // the other side of a conflict
  bool operator==(const Violation&) const = default;
};

/// Whether a violation of `rule` at `field` may come of `refused`, a field of an object that takes part in it and that could
/// not be read, so that a fallback stands for it.
bool depends_on(Rule rule, std::string_view field, std::string_view refused);

}  // namespace fairlead::api
