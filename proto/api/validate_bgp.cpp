/// BGPAdvertisements, BGPPeers, BFDProfiles, and the Secrets that peers name.
#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "proto/api/validate_common.h"
#include "proto/match/pool.h"
#include "proto/match/selector.h"

namespace fairlead::api {
namespace {

constexpr std::size_t kMostCommunities = 63;   // what fits into one path attribute without extended length
constexpr std::int64_t kMostSeconds = 65535;   // two octets on the wire
constexpr std::size_t kMostOfPassword = 80;    // TCP_MD5SIG_MAXKEYLEN
using std::chrono::seconds;

std::int64_t whole_seconds(Duration d) { return std::chrono::duration_cast<seconds>(d).count(); }
std::string shown(Duration d) {
  const std::int64_t ms = std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
  return ms % 1000 == 0 ? std::to_string(ms / 1000) + "s" : std::to_string(ms) + "ms";
}

template <class T>
const T* find(const std::vector<T>& objects, std::string_view name) {
  const auto found = std::find_if(objects.begin(), objects.end(), [&](const T& o) { return o.meta.name == name; });
  return found == objects.end() ? nullptr : &*found;
}
bool is_refused(const ConfigSet& set, Kind kind, std::string_view name) {
  return std::any_of(set.refused.begin(), set.refused.end(),
                     [&](const Key& key) { return key.kind == kind && key.name.name == name; });
}
bool has_family(const IPAddressPool& pool, Family family) {
  return std::any_of(pool.addresses.begin(), pool.addresses.end(),
                     [&](const IpRange& range) { return range.first.family() == family; });
}

/// What BIRD cannot do is an error with BIRD; where MetalLB accepts the object it stays accepted, with a warning.
void unsupported(Findings& findings, const Rules& rules, std::string field, Rule rule, std::string what) {
  if (rules.bgp == BgpType::bird) findings.error(std::move(field), rule, std::move(what));
  else findings.warning(std::move(field), rule, std::move(what));
}

// -- advertisements

/// Which nodes each object is for, as indices that grow. Matched once for each object that is asked about, and not once for
/// each pair.
template <class T>
class Selected {
 public:
  Selected(const std::vector<T>& objects, const std::vector<kube::Node>& nodes)
      : first_(objects.data()), all_(nodes), nodes_(objects.size()) {}
  /// Both are elements of the vector that this was made of.
  bool share_one(const T& a, const T& b) {
    const auto &of_a = nodes_of(a), &of_b = nodes_of(b);
    auto x = of_a.begin();
    auto y = of_b.begin();
    while (x != of_a.end() && y != of_b.end() && *x != *y) ++(*x < *y ? x : y);
    return x != of_a.end() && y != of_b.end();
  }

 private:
  using Indices = std::vector<std::size_t>;
  const Indices& nodes_of(const T& object) {
    std::optional<Indices>& mine = nodes_[static_cast<std::size_t>(&object - first_)];
    if (mine) return *mine;
    mine.emplace();
    for (std::size_t i = 0; i < all_.size(); ++i) {
      if (match::any_matches(object.node_selectors, all_[i].meta.labels, true)) mine->push_back(i);
    }
    return *mine;
  }

  const T* first_;
  const std::vector<kube::Node>& all_;
  std::vector<std::optional<Indices>> nodes_;
};

/// Of many conflicts of an object by one rule the first is told: with it gone the next comes up.
using Told = std::set<std::pair<const void*, Rule>>;

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

// -- peers

void check_timers(Findings& findings, const BGPPeer& peer, const Rules& rules) {
  if (peer.hold_time || peer.keepalive_time) {
    // One that is given decides the other: a third, or three times as much.
    const Duration hold = peer.hold_time ? *peer.hold_time : *peer.keepalive_time * 3;
    const Duration keepalive = peer.keepalive_time ? *peer.keepalive_time : hold / 3;
    const std::int64_t whole = whole_seconds(hold);
    const std::string which = peer.hold_time ? "spec.holdTime" : "spec.keepaliveTime";
    if (whole < 0 || (whole > 0 && whole < 3)) {
      findings.error(which, Rule::hold_time,
                     "a hold time of " + shown(hold) + " is too short: RFC 4271 wants 0 (no timers) or 3 seconds at least");
    } else if (whole > kMostSeconds) {
      unsupported(findings, rules, which, Rule::hold_time, "a hold time of " + shown(hold) + " does not fit: 65535s is the most");
    }
    if (peer.keepalive_time && (keepalive > hold || keepalive < Duration(0))) {
      findings.error("spec.keepaliveTime", Rule::keepalive_time,
                     shown(keepalive) + " is more than the hold time of " + shown(hold) +
                         " or less than 0: a third of the hold time is usual");
    }
  }
  if (!peer.connect_time) return;
  const std::int64_t ms = std::chrono::duration_cast<std::chrono::milliseconds>(*peer.connect_time).count();
  if (ms < 1000 || ms / 1000 > kMostSeconds || ms % 1000 != 0) {
    findings.error("spec.connectTime", Rule::connect_time, shown(*peer.connect_time) + " is not a whole number of seconds from 1s to 65535s");
  }
}

void check_text(Findings& findings, const std::string& field, std::string_view text, std::string_view what) {
  const bool is_bad = std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (!is_bad) return;
  findings.error(field, Rule::forbidden_character, std::string(what) + " holds a line break or another control character: remove it");
}

/// Never names the password itself.
void check_password(Findings& findings, const Rules& rules, const std::string& field, const std::string& password) {
  check_text(findings, field, password, "the password");
  if (password.find('"') != std::string::npos) {
    unsupported(findings, rules, field, Rule::forbidden_character, "the password holds '\"', which BIRD's text has no way to write: choose another");
  }
  if (password.size() > kMostOfPassword) {
    unsupported(findings, rules, field, Rule::unsupported, "the password is longer than the 80 octets that TCP MD5 takes: choose a shorter one");
  }
}

void check_secret(Findings& findings, const BGPPeer& peer, const ConfigSet& set, const Rules& rules) {
  if (!peer.password_secret) return;
  const std::string field = "spec.passwordSecret";
  if (!peer.password.empty()) {
    findings.error(field, Rule::password_choice, "is there beside spec.password: leave one of the two out");
  }
  const Key wanted{Kind::secret, {peer.meta.ns, peer.password_secret->name}};
  const auto found = std::find_if(set.secrets.begin(), set.secrets.end(),
                                  [&](const kube::Secret& s) { return key_of(Kind::secret, s) == wanted; });
  if (found == set.secrets.end()) {
    if (set.refused.contains(wanted)) return;
    findings.transient(field, Rule::no_such_secret, "there is no " + wanted.str() + ": create it beside the peer", {wanted});
    return;
  }
  if (found->type != kube::kBasicAuth) {
    findings.error(field, Rule::secret_type,
                   wanted.str() + " is of type \"" + found->type + "\": it must be kubernetes.io/basic-auth", {wanted});
  } else if (!found->password) {
    findings.error(field, Rule::secret_key, wanted.str() + " has no key \"password\": put the password there", {wanted});
  } else {
    check_password(findings, rules, field, *found->password);
  }
}

void check_peer(Findings& findings, const BGPPeer& peer, const ConfigSet& set, const Rules& rules) {
  if (peer.my_asn == 0) findings.error("spec.myASN", Rule::no_local_asn, "0 is no AS number: write that of this side");
  if (peer.peer_asn == 0 && !peer.dynamic_asn) {
    findings.error("spec.peerASN", Rule::peer_asn_choice, "is missing: write the AS number of the router, or dynamicASN");
  } else if (peer.peer_asn != 0 && peer.dynamic_asn) {
    findings.error("spec.dynamicASN", Rule::peer_asn_choice, "is there beside spec.peerASN: leave one of the two out");
  }
  if (peer.ebgp_multihop && peer.my_asn != 0 && peer.peer_asn == peer.my_asn) {
    findings.error("spec.ebgpMultiHop", Rule::multihop_in_own_as,
                   "is for a peer of another AS, and this one is in " + std::to_string(peer.my_asn) + " like us: leave it out");
  }
  if (!peer.peer_address && peer.interface.empty()) {
    findings.error("spec.peerAddress", Rule::peer_address_choice, "is missing: write the address of the router, or an interface");
  } else if (peer.peer_address && !peer.interface.empty()) {
    findings.error("spec.interface", Rule::peer_address_choice, "is there beside spec.peerAddress: leave one of the two out");
  }
  check_timers(findings, peer, rules);
  check_text(findings, "spec.interface", peer.interface, "the name");
  check_text(findings, "spec.vrf", peer.vrf, "the name");
  check_password(findings, rules, "spec.password", peer.password);
  check_secret(findings, peer, set, rules);
  check_selectors(findings, "spec.nodeSelectors", peer.node_selectors);
  if (peer.router_id && !peer.router_id->is4()) {
    unsupported(findings, rules, "spec.routerID", Rule::unsupported, peer.router_id->str() + " is an IPv6 address: a router id is written like an IPv4 address");
  }
  if (!peer.bfd_profile.empty() && find(set.profiles, peer.bfd_profile) == nullptr &&
      !is_refused(set, Kind::bfd_profile, peer.bfd_profile)) {
    findings.transient("spec.bfdProfile", Rule::no_such_bfd_profile,
                       "there is no BFDProfile \"" + peer.bfd_profile + "\": create it, or leave the field out");
  }
  if (peer.disable_mp && rules.bgp != BgpType::native) {
    findings.warning("spec.disableMP", Rule::deprecated, "has no effect any more: dualStackAddressFamily says which families a session carries");
  }
}

/// MetalLB's own speaker, without FRR, has none of these.
void check_native(Findings& findings, const BGPPeer& peer) {
  const auto refuse = [&](bool is_there, const char* field) {
    if (is_there) findings.error(std::string("spec.") + field, Rule::unsupported, "is not there in native mode: leave it out, or use frr-k8s");
  };
  refuse(!peer.bfd_profile.empty(), "bfdProfile");
  refuse(peer.keepalive_time && *peer.keepalive_time != Duration(0), "keepaliveTime");
  refuse(!peer.vrf.empty(), "vrf");
  refuse(peer.connect_time.has_value(), "connectTime");
  refuse(peer.graceful_restart, "enableGracefulRestart");
  refuse(peer.disable_mp, "disableMP");
  refuse(peer.dual_stack_address_family, "dualStackAddressFamily");
  refuse(peer.dynamic_asn.has_value(), "dynamicASN");
  refuse(!peer.interface.empty(), "interface");
  refuse(peer.local_asn != 0, "localASN");
}

void check_native(Findings& findings, const ConfigSet& set) {
  for (const BGPPeer& peer : set.peers) {
    findings.look_at(Kind::bgp_peer, peer);
    check_native(findings, peer);
  }
  for (const BFDProfile& profile : set.profiles) {
    findings.look_at(Kind::bfd_profile, profile);
    findings.error("", Rule::unsupported, "there is no BFD in native mode: remove the profile, or use frr-k8s");
  }
  const auto is_large = [](const std::string& text) {
    const auto value = parse_community(text);
    return value && value->is_large;
  };
  const std::string no_large = "large communities are not there in native mode: use a standard one (A:B), or frr-k8s";
  for (const BGPAdvertisement& ad : set.bgp_advertisements) {
    findings.look_at(Kind::bgp_advertisement, ad);
    for (std::size_t i = 0; i < ad.communities.size(); ++i) {
      if (is_large(ad.communities[i])) findings.error(indexed("spec.communities", i), Rule::unsupported, no_large);
    }
  }
  for (const Community& object : set.communities) {
    findings.look_at(Kind::community, object);
    for (std::size_t i = 0; i < object.communities.size(); ++i) {
      if (is_large(object.communities[i].value)) findings.error(indexed("spec.communities", i) + ".value", Rule::unsupported, no_large);
    }
  }
  for (const IPAddressPool& pool : set.pools) {
    const auto takes = [&](const BGPAdvertisement& ad) { return match::advertises_pool(ad, pool); };
    if (!has_family(pool, Family::v6) || std::none_of(set.bgp_advertisements.begin(), set.bgp_advertisements.end(), takes)) continue;
    findings.look_at(Kind::ip_address_pool, pool);
    findings.error("spec.addresses", Rule::unsupported, "has IPv6 addresses and is advertised by BGP, which native mode does for IPv4 only");
  }
}

// -- pairs of peers

/// Two that share a node, or that might: no Node is known.
void check_pair(Findings& findings, const BGPPeer& a, const BGPPeer& b, const Rules& rules, Told& told) {
  const auto tell = [&](const std::string& field, Rule rule, const std::string& what) {
    for (const auto& [of, other] : {std::pair(&a, &b), std::pair(&b, &a)}) {
      if (!told.emplace(of, rule).second) continue;
      const Key key = key_of(Kind::bgp_peer, *other);
      findings.look_at(Kind::bgp_peer, *of);
      findings.error(field, rule, what + " (the other is " + key.str() + ")", {key});
    }
  };
  const bool is_same_vrf = a.vrf == b.vrf;
  const bool has_end = a.peer_address || !a.interface.empty();
  if (has_end && is_same_vrf && a.peer_address == b.peer_address && a.interface == b.interface) {
    tell(a.interface.empty() ? "spec.peerAddress" : "spec.interface", Rule::peer_conflict,
         "two peers lead to the same router from one node: remove one, or give them nodeSelectors that exclude each other");
  }
  if (rules.bgp == BgpType::bird) return;  // each session of BIRD has its own AS and router id
  if (a.router_id != b.router_id) {
    tell("spec.routerID", Rule::router_id_conflict, "differs between two peers of one node: FRR has one router id, write the same at both");
  }
  if (is_same_vrf && a.my_asn != b.my_asn) {
    tell("spec.myASN", Rule::local_asn_conflict, "differs between two peers of one node and VRF: FRR has one AS, use localASN at one");
  }
}

}  // namespace

std::vector<Violation> validate_bgp(const ConfigSet& set, const Rules& rules) {
  Findings findings;
  check_names(findings, Kind::bgp_advertisement, set.bgp_advertisements);
  check_names(findings, Kind::bgp_peer, set.peers);
  check_names(findings, Kind::bfd_profile, set.profiles);
  for (const BGPAdvertisement& ad : set.bgp_advertisements) {
    findings.look_at(Kind::bgp_advertisement, ad);
    check_advertisement(findings, ad, set);
    check_echo(findings, ad, set);
  }
  Told told;
  Selected by_advertisement(set.bgp_advertisements, set.nodes);
  for (auto a = set.bgp_advertisements.begin(); a != set.bgp_advertisements.end(); ++a) {
    for (auto b = set.bgp_advertisements.begin(); b != a; ++b) {
      if (!is_same_object(*a, *b)) check_local_pref(findings, *b, *a, set, by_advertisement, told);
    }
  }
  check_merged_communities(findings, set);
  for (const BGPPeer& peer : set.peers) {
    findings.look_at(Kind::bgp_peer, peer);
    check_peer(findings, peer, set, rules);
  }
  if (rules.bgp == BgpType::native) {
    check_native(findings, set);
  } else {
    Selected by_peer(set.peers, set.nodes);
    for (auto a = set.peers.begin(); a != set.peers.end(); ++a) {
      for (auto b = set.peers.begin(); b != a; ++b) {
        if (!is_same_object(*a, *b) && (set.nodes.empty() || by_peer.share_one(*a, *b))) check_pair(findings, *b, *a, rules, told);
      }
    }
    for (const BFDProfile& profile : set.profiles) {
      findings.look_at(Kind::bfd_profile, profile);
      if (profile.echo_mode) unsupported(findings, rules, "spec.echoMode", Rule::unsupported, "BIRD has no echo mode: sessions run without it");
    }
  }
  return std::move(findings).take();
}

}  // namespace fairlead::api
