/// BGPAdvertisements: what is wrong with one, and with two or more that meet on the same routes.
#include <map>

#include "proto/api/validate_bgp_common.h"
#include "proto/match/pool.h"

namespace fairlead::api {
namespace {

constexpr std::size_t kMostCommunities = 63;  // what fits into one path attribute without extended length

template <class T>
bool are_disjoint(const T& a, const T& b) {
  return std::none_of(a.begin(), a.end(), [&](const auto& x) { return std::find(b.begin(), b.end(), x) != b.end(); });
}

/// Without any Node object the question is open. Two advertisements for all nodes share one in every cluster, and so do
/// two with the same selectors; of all others nothing is known, and MetalLB lets them pass.
bool share_no_node(const BGPAdvertisement& a, const BGPAdvertisement& b, const ConfigSet& set, Selected<BGPAdvertisement>& selected) {
  return set.nodes.empty() ? a.node_selectors != b.node_selectors : !selected.share_one(a, b);
}

bool differ_in_length(const BGPAdvertisement& a, const BGPAdvertisement& b, const IPAddressPool& pool) {
  const bool differ4 = a.aggregation_length != b.aggregation_length;
  const bool differ6 = a.aggregation_length_v6 != b.aggregation_length_v6;
  return (differ4 || !has_family(pool, Family::v4)) && (differ6 || !has_family(pool, Family::v6));
}

bool may_differ_in_preference(const BGPAdvertisement& a, const BGPAdvertisement& b, const IPAddressPool& pool,
                              const ConfigSet& set, Selected<BGPAdvertisement>& selected) {
  return differ_in_length(a, b, pool) || (!a.peers.empty() && !b.peers.empty() && are_disjoint(a.peers, b.peers)) ||
         share_no_node(a, b, set, selected);
}

void check_local_pref(Findings& findings, const BGPAdvertisement& a, const BGPAdvertisement& b, const ConfigSet& set,
                      Selected<BGPAdvertisement>& selected, Told& told) {
  if (a.local_pref == b.local_pref || !a.service_selectors.empty() || !b.service_selectors.empty()) return;
  if (told.contains({&a, Rule::local_pref_conflict}) && told.contains({&b, Rule::local_pref_conflict})) return;
  for (const IPAddressPool& pool : set.pools) {
    if (!match::advertises_pool(a, pool) || !match::advertises_pool(b, pool)) continue;
    if (may_differ_in_preference(a, b, pool, set, selected)) continue;
    const auto tell = [&](const BGPAdvertisement& of, const BGPAdvertisement& other) {
      if (!told.emplace(&of, Rule::local_pref_conflict).second) return;
      findings.look_at(Kind::bgp_advertisement, of);
      const Key key = key_of(Kind::bgp_advertisement, other);
      findings.error("spec.localPref", Rule::local_pref_conflict,
                     std::to_string(of.local_pref) + " here and " + std::to_string(other.local_pref) + " in " + key.str() +
                         " are for the same routes of IPAddressPool " + pool.meta.name +
                         ": make them equal, or separate them by peers, nodes or aggregation length",
                     {key, key_of(Kind::ip_address_pool, pool)});
    };
    tell(a, b);
    tell(b, a);
    return;
  }
}

/// The length of the widest prefix inside a range: the shortest of the prefixes that it falls into.
unsigned widest_prefix(const IpRange& range) {
  const unsigned bits = range.first.is4() ? 32 : 128;
  for (unsigned length = 0; length < bits; ++length) {
    Prefix prefix = Prefix::of(range.first, static_cast<std::uint8_t>(length));
    if (prefix.base < range.first) {
      const auto next_base = next(prefix.range().last);
      if (!next_base) continue;
      prefix = Prefix::of(*next_base, static_cast<std::uint8_t>(length));
    }
    if (prefix.range().last <= range.last) return length;
  }
  return bits;
}

void check_aggregation(Findings& findings, const BGPAdvertisement& ad, const ConfigSet& set) {
  if (!ad.service_selectors.empty()) {
    const std::string what = "goes not with serviceSelectors, as other Services have addresses in the same prefix: leave one of the two out";
    if (ad.aggregation_length != 32) findings.error("spec.aggregationLength", Rule::aggregation_with_selectors, what);
    if (ad.aggregation_length_v6 != 128) findings.error("spec.aggregationLengthV6", Rule::aggregation_with_selectors, what);
  }
  for (const IPAddressPool& pool : set.pools) {
    if (!match::advertises_pool(ad, pool)) continue;
    for (const IpRange& range : pool.addresses) {
      const bool is4 = range.first.is4();
      const unsigned length = is4 ? ad.aggregation_length : ad.aggregation_length_v6;
      const unsigned widest = widest_prefix(range);
      if (length >= widest) continue;
      findings.error(is4 ? "spec.aggregationLength" : "spec.aggregationLengthV6", Rule::aggregation_too_short,
                     std::to_string(length) + " is shorter than /" + std::to_string(widest) + ", the widest prefix in " +
                         range.str() + " of IPAddressPool " + pool.meta.name +
                         ": addresses that are not the pool's would be announced; write " + std::to_string(widest) + " or more",
                     {key_of(Kind::ip_address_pool, pool)});
    }
  }
}

/// What one entry of spec.communities stands for. `is_alias`: a Community object defines it, though perhaps badly.
struct Meaning {
  std::optional<CommunityValue> value;
  bool is_alias = false;
};
Meaning meaning_of(const std::string& text, const ConfigSet& set) {
  Meaning out;
  for (const Community& object : set.communities) {
    for (const Community::Alias& alias : object.communities) {
      if (alias.name == text) out = {parse_community(alias.value), true};
    }
  }
  if (!out.is_alias) out.value = parse_community(text);
  return out;
}

using Values = std::set<CommunityValue>;
Values communities_of(const BGPAdvertisement& ad, const ConfigSet& set) {
  Values out;
  for (const std::string& text : ad.communities) {
    if (const auto value = meaning_of(text, set).value) out.insert(*value);
  }
  return out;
}

void check_communities(Findings& findings, const BGPAdvertisement& ad, const ConfigSet& set) {
  for (std::size_t i = 0; i < ad.communities.size(); ++i) {
    const std::string here = indexed("spec.communities", i);
    const std::string& text = ad.communities[i];
    const Meaning meaning = meaning_of(text, set);
    if (meaning.value || meaning.is_alias) continue;
    if (text.find(':') != std::string::npos) {
      findings.error(here, Rule::invalid_community,
                     "\"" + text + "\" is no community: write A:B (0 to 65535 each) or large:A:B:C (0 to 4294967295 each)");
    } else if (std::none_of(set.refused.begin(), set.refused.end(), [](const Key& k) { return k.kind == Kind::community; })) {
      findings.transient(here, Rule::no_such_community,
                         "\"" + text + "\" is neither a community (A:B or large:A:B:C) nor an alias of a Community object: "
                         "create that first");
    }
  }
  if (const std::size_t count = communities_of(ad, set).size(); count > kMostCommunities) {
    findings.error("spec.communities", Rule::too_many_communities,
                   "has " + std::to_string(count) + " communities: a route carries at most 63");
  }
}

// Advertisements that give one prefix to one peer from one node put their communities into one route.

using Ads = std::vector<const BGPAdvertisement*>;

Values communities_of(const Ads& ads, const ConfigSet& set) {
  Values out;
  for (const BGPAdvertisement* ad : ads) out.merge(communities_of(*ad, set));
  return out;
}

/// The parts of `ads` that announce from one node each; who shares a node is said as in share_no_node().
std::set<Ads> by_node(const Ads& ads, const std::vector<kube::Node>& nodes) {
  std::set<Ads> out;
  const auto put = [&](const auto& is_in) {
    Ads part;
    std::copy_if(ads.begin(), ads.end(), std::back_inserter(part), is_in);
    out.insert(std::move(part));
  };
  for (const kube::Node& node : nodes) {
    put([&](const BGPAdvertisement* ad) { return match::advertises_from(*ad, node); });
  }
  if (nodes.empty()) {
    for (const BGPAdvertisement* one : ads) {
      put([&](const BGPAdvertisement* ad) { return ad->node_selectors == one->node_selectors; });
    }
  }
  return out;
}

/// The parts of `ads` that go to one peer each: to every one that is named, and to any other.
std::set<Ads> by_peer(const Ads& ads) {
  std::set<std::string_view> names{""};
  for (const BGPAdvertisement* ad : ads) names.insert(ad->peers.begin(), ad->peers.end());
  std::set<Ads> out;
  for (const std::string_view name : names) {
    Ads part;
    std::copy_if(ads.begin(), ads.end(), std::back_inserter(part), [&](const BGPAdvertisement* ad) {
      return ad->peers.empty() || std::find(ad->peers.begin(), ad->peers.end(), name) != ad->peers.end();
    });
    out.insert(std::move(part));
  }
  return out;
}

/// Which communities meet on the routes of a pool. As with local preferences, advertisements with serviceSelectors are
/// left out: which Services they share is known only when one is announced.
void check_merged_communities(Findings& findings, const ConfigSet& set) {
  std::set<const BGPAdvertisement*> told;
  const auto tell = [&](const Ads& ads, std::size_t count, const IPAddressPool& pool) {
    for (const BGPAdvertisement* ad : ads) {
      if (!told.insert(ad).second) continue;
      findings.look_at(Kind::bgp_advertisement, *ad);
      std::vector<Key> related;
      std::string names;
      for (const BGPAdvertisement* other : ads) {
        if (other == ad) continue;
        related.push_back(key_of(Kind::bgp_advertisement, *other));
        names += (names.empty() ? "" : ", ") + other->meta.name;
      }
      findings.error("spec.communities", Rule::too_many_communities,
                     "makes " + std::to_string(count) + " communities on the routes of IPAddressPool " + pool.meta.name +
                         " together with BGPAdvertisement " + names + ": a route carries at most 63, so use fewer, or other peers",
                     std::move(related));
    }
  };
  for (const IPAddressPool& pool : set.pools) {
    for (const Family family : {Family::v4, Family::v6}) {
      if (!has_family(pool, family)) continue;
      std::map<unsigned, Ads> by_length;
      for (const BGPAdvertisement& ad : set.bgp_advertisements) {
        if (!ad.service_selectors.empty() || ad.communities.empty() || !match::advertises_pool(ad, pool)) continue;
        if (communities_of(ad, set).size() > kMostCommunities) continue;  // said of it alone
        by_length[family == Family::v4 ? ad.aggregation_length : ad.aggregation_length_v6].push_back(&ad);
      }
      for (const auto& [length, ads] : by_length) {
        if (communities_of(ads, set).size() <= kMostCommunities) continue;
        for (const Ads& of_node : by_node(ads, set.nodes)) {
          for (const Ads& of_peer : by_peer(of_node)) {
            const std::size_t count = communities_of(of_peer, set).size();
            if (count > kMostCommunities) tell(of_peer, count, pool);
          }
        }
      }
    }
  }
}

void check_advertisement(Findings& findings, const BGPAdvertisement& ad, const ConfigSet& set) {
  check_distinct(findings, "spec.ipAddressPools", ad.pools);
  check_distinct(findings, "spec.communities", ad.communities);
  check_distinct(findings, "spec.peers", ad.peers);
  check_selectors(findings, "spec.ipAddressPoolSelectors", ad.pool_selectors);
  check_selectors(findings, "spec.nodeSelectors", ad.node_selectors);
  check_selectors(findings, "spec.serviceSelectors", ad.service_selectors);
  check_pools_named(findings, ad.pools, set);
  for (std::size_t i = 0; i < ad.peers.size(); ++i) {
    if (find(set.peers, ad.peers[i]) != nullptr || is_refused(set, Kind::bgp_peer, ad.peers[i])) continue;
    findings.warning(indexed("spec.peers", i), Rule::no_such_peer,
                     "there is no BGPPeer \"" + ad.peers[i] + "\": the name has no effect until there is");
  }
  check_aggregation(findings, ad, set);
  check_communities(findings, ad, set);
}

/// FRR answers echo packets by IPv4 only.
void check_echo(Findings& findings, const BGPAdvertisement& ad, const ConfigSet& set) {
  const auto is_v6 = [&](const IPAddressPool& p) { return has_family(p, Family::v6) && match::advertises_pool(ad, p); };
  const auto pool = std::find_if(set.pools.begin(), set.pools.end(), is_v6);
  if (pool == set.pools.end()) return;
  for (const BGPPeer& peer : set.peers) {
    if (!ad.peers.empty() && std::find(ad.peers.begin(), ad.peers.end(), peer.meta.name) == ad.peers.end()) continue;
    const BFDProfile* const profile = peer.bfd_profile.empty() ? nullptr : find(set.profiles, peer.bfd_profile);
    if (profile == nullptr || !profile->echo_mode) continue;
    findings.error("spec", Rule::bfd_echo_ipv6,
                   "IPAddressPool " + pool->meta.name + " has IPv6 addresses and goes to BGPPeer " + peer.meta.name +
                       ", whose BFDProfile " + profile->meta.name +
                       " has echoMode, which is for IPv4 only: switch echoMode off, or advertise the pool to other peers",
                   {key_of(Kind::ip_address_pool, *pool), key_of(Kind::bgp_peer, peer), key_of(Kind::bfd_profile, *profile)});
  }
}

}  // namespace

void check_bgp_advertisements(Findings& findings, const ConfigSet& set) {
  check_names(findings, Kind::bgp_advertisement, set.bgp_advertisements);
  for (const BGPAdvertisement& ad : set.bgp_advertisements) {
    findings.look_at(Kind::bgp_advertisement, ad);
    check_advertisement(findings, ad, set);
    check_echo(findings, ad, set);
  }
  Told told;
  Selected selected(set.bgp_advertisements, set.nodes);
  for (auto a = set.bgp_advertisements.begin(); a != set.bgp_advertisements.end(); ++a) {
    for (auto b = set.bgp_advertisements.begin(); b != a; ++b) {
      if (!is_same_object(*a, *b)) check_local_pref(findings, *b, *a, set, selected, told);
    }
  }
  check_merged_communities(findings, set);
}

}  // namespace fairlead::api
