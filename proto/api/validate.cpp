/// Pools and L2Advertisements; BGP is validate_bgp.cpp's, selectors are validate_selectors.cpp's.
#include "proto/api/validate.h"

#include <algorithm>
#include <map>

#include "proto/api/validate_common.h"
#include "proto/match/pool.h"
#include "proto/match/selector.h"

namespace fairlead::api {
namespace {

/// One entry of spec.addresses of one pool.
struct Piece {
  IpRange range;
  const IPAddressPool* pool;
  std::size_t index;
  std::string field() const { return indexed("spec.addresses", index); }
};

/// Sorted by first address, an overlap is with the piece that reaches furthest so far: n log n, not n squared, and each
/// overlapping piece is named once.
void check_overlaps(Findings& findings, const std::vector<IPAddressPool>& pools) {
  std::vector<Piece> pieces;
  for (const IPAddressPool& pool : pools) {
    for (std::size_t i = 0; i < pool.addresses.size(); ++i) pieces.push_back({pool.addresses[i], &pool, i});
  }
  std::stable_sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) { return a.range.first < b.range.first; });
  const Piece* furthest = nullptr;
  const auto tell = [&](const Piece& of, const Piece& with) {
    const Key other = key_of(Kind::ip_address_pool, *with.pool);
    findings.look_at(Kind::ip_address_pool, *of.pool);
    const std::string whose = of.pool == with.pool ? with.field() : other.str() + " " + with.field();
    findings.error(of.field(), Rule::pool_overlap,
                   of.range.str() + " overlaps " + with.range.str() + " (" + whose + "): an address is in one place only",
                   of.pool == with.pool ? std::vector<Key>{} : std::vector<Key>{other});
  };
  for (const Piece& piece : pieces) {
    const bool is_double = furthest != nullptr && furthest->pool != piece.pool && is_same_object(*furthest->pool, *piece.pool);
    if (furthest != nullptr && !is_double && furthest->range.overlaps(piece.range)) {
      tell(piece, *furthest);
      if (piece.pool != furthest->pool) tell(*furthest, piece);  // whichever of the two is looked at
    }
    if (furthest == nullptr || furthest->range.last < piece.range.last) furthest = &piece;
  }
}

void check_nodes(Findings& findings, const IPAddressPool& pool, const ConfigSet& set, const Rules& rules) {
  for (const kube::Node& node : set.nodes) {
    for (const Ip& ip : node.internal_ips) {
      for (std::size_t i = 0; i < pool.addresses.size(); ++i) {
        if (!pool.addresses[i].contains(ip)) continue;
        const std::string what = "holds " + ip.str() + ", the address of Node " + node.meta.name +
                                 ": a Service that got it would cut the node off; leave it out";
        const std::vector<Key> related{key_of(Kind::node, node)};
        if (rules.group == Group::fairlead) findings.error(indexed("spec.addresses", i), Rule::pool_contains_node, what, related);
        else findings.warning(indexed("spec.addresses", i), Rule::pool_contains_node, what, related);
      }
    }
  }
}

void check_allocation(Findings& findings, const IPAddressPool& pool, const ConfigSet& set) {
  if (!pool.service_allocation) return;
  const ServiceAllocation& rule = *pool.service_allocation;
  const std::string field = "spec.serviceAllocation";
  check_selectors(findings, field + ".namespaceSelectors", rule.namespace_selectors);
  check_selectors(findings, field + ".serviceSelectors", rule.service_selectors);
  if (set.namespaces.empty() || (rule.namespaces.empty() && rule.namespace_selectors.empty())) return;
  const bool is_for_any = std::any_of(set.namespaces.begin(), set.namespaces.end(), [&](const kube::Namespace& ns) {
    kube::Labels labels = ns.meta.labels;
    labels.insert_or_assign("kubernetes.io/metadata.name", ns.meta.name);
    return std::find(rule.namespaces.begin(), rule.namespaces.end(), ns.meta.name) != rule.namespaces.end() ||
           match::any_matches(rule.namespace_selectors, labels, false);
  });
  if (is_for_any) return;
  findings.warning(field, Rule::no_such_namespace,
                   "means none of the Namespaces that there are, so that the pool serves nobody");
}

void check_aliases(Findings& findings, const std::vector<Community>& communities) {
  struct First {
    Key object;
    std::size_t index;
  };
  std::map<std::string, First> seen;
  for (const Community& object : communities) {
    findings.look_at(Kind::community, object);
    for (std::size_t i = 0; i < object.communities.size(); ++i) {
      const std::string here = indexed("spec.communities", i);
      const auto& [alias, value] = object.communities[i];
      if (!parse_community(value)) {
        findings.error(here + ".value", Rule::invalid_community,
                       "\"" + value + "\" is no community: write A:B (0 to 65535 each) or large:A:B:C (0 to 4294967295 each)");
      }
      const auto [first, is_new] = seen.emplace(alias, First{findings.object(), i});
      if (is_new) continue;
      const Key other = first->second.object;
      const std::string what = "\"" + alias + "\" is an alias of ";
      findings.error(here + ".name", Rule::duplicate_alias,
                     what + (other == findings.object() ? "this object" : other.str()) + " already: use another name",
                     {other});
      if (other == findings.object()) continue;
      const Key here_object = findings.object();
      findings.look_at(other);
      findings.error(indexed("spec.communities", first->second.index) + ".name", Rule::duplicate_alias, what + here_object.str() + " too: use another name",
                     {here_object});
      findings.look_at(here_object);
    }
  }
}

}  // namespace

bool is_configuration(Kind kind) {
  switch (kind) {
    case Kind::ip_address_pool:
    case Kind::l2_advertisement:
    case Kind::bgp_advertisement:
    case Kind::bgp_peer:
    case Kind::bfd_profile:
    case Kind::community: return true;
    default: return false;
  }
}

std::string_view name(BgpType type) {
  switch (type) {
    case BgpType::bird: return "bird";
    case BgpType::native: return "native";
    case BgpType::frr: return "frr";
    case BgpType::frr_k8s: return "frr-k8s";
  }
  return "unknown";
}

std::optional<BgpType> bgp_type_of(std::string_view text) {
  for (const BgpType type : {BgpType::bird, BgpType::native, BgpType::frr, BgpType::frr_k8s}) {
    if (name(type) == text) return type;
  }
  return std::nullopt;
}

void ConfigSet::add(Object object) {
  const auto put = [&]<class T>(std::vector<T>& list) {
    if (T* const of_this_kind = std::get_if<T>(&object)) list.push_back(std::move(*of_this_kind));
  };
  put(pools);
  put(l2_advertisements);
  put(bgp_advertisements);
  put(peers);
  put(profiles);
  put(communities);
  put(secrets);
  put(nodes);
  put(namespaces);
}

std::vector<Violation> validate_pools(const ConfigSet& set, const Rules& rules) {
  Findings findings;
  check_names(findings, Kind::ip_address_pool, set.pools);
  for (const IPAddressPool& pool : set.pools) {
    findings.look_at(Kind::ip_address_pool, pool);
    check_allocation(findings, pool, set);
    check_nodes(findings, pool, set, rules);
  }
  check_overlaps(findings, set.pools);
  check_names(findings, Kind::community, set.communities);
  check_aliases(findings, set.communities);
  return std::move(findings).take();
}

std::vector<Violation> validate_l2(const ConfigSet& set, const Rules&) {
  Findings findings;
  check_names(findings, Kind::l2_advertisement, set.l2_advertisements);
  for (const L2Advertisement& ad : set.l2_advertisements) {
    findings.look_at(Kind::l2_advertisement, ad);
    check_distinct(findings, "spec.ipAddressPools", ad.pools);
    check_pools_named(findings, ad.pools, set);
    check_selectors(findings, "spec.ipAddressPoolSelectors", ad.pool_selectors);
    check_selectors(findings, "spec.nodeSelectors", ad.node_selectors);
    check_selectors(findings, "spec.serviceSelectors", ad.service_selectors);
    for (std::size_t i = 0; i < ad.preferred_nodes.size(); ++i) {
      check_labels(findings, indexed("spec.preferredNodeSelectors", i) + ".preference", ad.preferred_nodes[i].nodes);
    }
  }
  return std::move(findings).take();
}

void check_pools_named(Findings& findings, const std::vector<std::string>& pools, const ConfigSet& set) {
  for (std::size_t i = 0; i < pools.size(); ++i) {
    const auto is_it = [&](const auto& object) { return object.meta.name == pools[i]; };
    if (std::any_of(set.pools.begin(), set.pools.end(), is_it)) continue;
    const auto is_refused = [&](const Key& key) { return key.kind == Kind::ip_address_pool && key.name.name == pools[i]; };
    if (std::any_of(set.refused.begin(), set.refused.end(), is_refused)) continue;
    findings.warning(indexed("spec.ipAddressPools", i), Rule::no_such_pool,
                     "there is no IPAddressPool \"" + pools[i] + "\": the name has no effect until there is");
  }
}

std::vector<Violation> validate(const ConfigSet& set, const Rules& rules) {
  std::vector<Violation> out = validate_pools(set, rules);
  for (auto part : {validate_l2(set, rules), validate_bgp(set, rules)}) {
    std::move(part.begin(), part.end(), std::back_inserter(out));
  }
  return out;
}

}  // namespace fairlead::api
