#include "speaker/core/bgp_routes.h"

#include <algorithm>
#include <array>
#include <set>
#include <tuple>

#include "proto/api/annotations.h"
#include "proto/match/selector.h"
#include "speaker/core/endpoints.h"

namespace fairlead::speaker {
namespace {

using api::kExcludeLabel;
constexpr std::size_t kMostCommunities = 63;

/// False: the text is neither a value nor an alias.
bool resolve(const std::string& text, const std::map<std::string, std::string>& aliases, std::optional<api::CommunityValue>& out) {
  if (!api::is_alias(text)) {
    out = api::parse_community(text);
  } else if (const auto found = aliases.find(text); found != aliases.end()) {
    out = api::parse_community(found->second);
  }
  return out.has_value();
}

template <class T>
void sort_unique(std::vector<T>& list) {
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

void add_community(bird::Attributes& to, const api::CommunityValue& value) {
  if (value.is_large) {
    to.large.push_back({value.parts[0], value.parts[1], value.parts[2]});
  } else {
    to.communities.emplace_back(static_cast<std::uint16_t>(value.parts[0]), static_cast<std::uint16_t>(value.parts[1]));
  }
}

/// What several advertisements of one prefix must agree in; communities are united.
auto must_agree(const bird::Attributes& a) { return std::tie(a.local_pref, a.med, a.prepend); }

const api::IPAddressPool* pool_of(const Ip& vip, const BgpView& view) {
  for (const auto& [name, pool] : view.pools) {
    for (const IpRange& range : pool.addresses) {
      if (range.contains(vip)) return &pool;
    }
  }
  return nullptr;
}

bool is_node_address(const Ip& vip, const BgpView& view) {
  return std::any_of(view.nodes.begin(), view.nodes.end(), [&](const auto& entry) {
    const auto& ips = entry.second.internal_ips;
    return std::find(ips.begin(), ips.end(), vip) != ips.end();
  });
}

struct Serving {
  bool is_anywhere = false, is_here = false;
};
Serving serving(std::span<const kube::EndpointSlice* const> slices, Family family, const std::string& node) {
  Serving out;
  for (const kube::EndpointSlice* slice : slices) {
    if (slice->family != family) continue;
    for (const kube::Endpoint& e : slice->endpoints) {
      if (!can_serve(e)) continue;
      out.is_anywhere = true;
      if (e.node_name == node) out.is_here = true;
    }
  }
  return out;
}

bool advertises_pool(const api::BGPAdvertisement& ad, const api::IPAddressPool& pool) {
  if (ad.pools.empty() && ad.pool_selectors.empty()) return true;
  return std::find(ad.pools.begin(), ad.pools.end(), pool.meta.name) != ad.pools.end() ||
         match::any_matches(ad.pool_selectors, pool.meta.labels, false);
}

struct Wishes {
  std::map<Prefix, BgpWish> by_prefix;
  std::optional<std::pair<Prefix, std::string>> conflict;  // the first: prefix, peer

  void add(const Prefix& prefix, const std::string& peer, const bird::Attributes& attributes, bool is_beside) {
    const auto [wish, is_new_prefix] = by_prefix.try_emplace(prefix, BgpWish{prefix, {}, is_beside});
    if (!is_beside) wish->second.is_beside_aggregate = false;
    const auto [at, is_new] = wish->second.by_peer.try_emplace(peer, attributes);
    if (is_new) return;
    bird::Attributes& have = at->second;
    if (must_agree(have) != must_agree(attributes) && !conflict) conflict.emplace(prefix, peer);
    have.communities.insert(have.communities.end(), attributes.communities.begin(), attributes.communities.end());
    have.large.insert(have.large.end(), attributes.large.begin(), attributes.large.end());
    sort_unique(have.communities);
    sort_unique(have.large);
  }
};

Prefix aggregate_of(const BgpAd& ad, const Ip& vip) {
  const std::uint8_t length = vip.is4() ? ad.object->aggregation_length : ad.object->aggregation_length_v6;
  return Prefix::of(vip, std::min(length, Prefix::host(vip).length));
}

bool tells(const BgpAd& ad, const std::string& peer) {
  const auto& names = ad.object->peers;
  return names.empty() || std::find(names.begin(), names.end(), peer) != names.end();
}

bool selects(const BgpAd& ad, const api::IPAddressPool& pool, const kube::Service& service) {
  return advertises_pool(*ad.object, pool) && match::any_matches(ad.object->service_selectors, service.meta.labels, true);
}

/// Answers whether anybody is told by it.
bool wish(const BgpAd& ad, const Ip& vip, bool is_local, const BgpView& view, Wishes& wishes) {
  const Prefix host = Prefix::host(vip);
  const Prefix aggregate = aggregate_of(ad, vip);
  bool is_told = false;
  for (const auto& [peer, number] : view.peers) {
    if (!tells(ad, peer)) continue;
    wishes.add(aggregate, peer, ad.attributes, false);
    if (is_local && aggregate != host) wishes.add(host, peer, ad.attributes, true);
    is_told = true;
  }
  return is_told;
}

BgpReason node_reason(const BgpView& view) {
  const auto self = view.nodes.find(view.node);
  if (self == view.nodes.end()) return BgpReason::not_owner;
  if (self->second.network_unavailable) return BgpReason::node_network_unavailable;
  if (self->second.meta.labels.contains(kExcludeLabel) && !view.is_draining) return BgpReason::node_excluded;
  return BgpReason::announced;
}

BgpAnnouncement announce(const Ip& vip, const kube::Service& service, std::span<const kube::EndpointSlice* const> slices,
                         const BgpView& view) {
  BgpAnnouncement out;
  out.vip = vip;
  const auto because = [&](BgpReason reason) {
    out.reason = reason;
    return out;
  };
  const api::IPAddressPool* pool = pool_of(vip, view);
  if (pool == nullptr) return because(BgpReason::not_in_a_pool);
  if (is_node_address(vip, view)) return because(BgpReason::is_node_address);

  const auto self = view.nodes.find(view.node);
  bool is_matched = false;
  std::vector<const BgpAd*> ads;
  for (const BgpAd& ad : view.ads) {
    if (!selects(ad, *pool, service)) continue;
    is_matched = true;
    if (self != view.nodes.end() && match::any_matches(ad.object->node_selectors, self->second.meta.labels, true)) ads.push_back(&ad);
  }
  if (!is_matched) return because(BgpReason::no_matching_advertisement);
  if (ads.empty()) return because(BgpReason::not_owner);
  if (const BgpReason reason = node_reason(view); reason != BgpReason::announced) return because(reason);

  const bool is_local = service.external_traffic_policy == kube::TrafficPolicy::local;
  const Serving where = serving(slices, vip.family(), view.node);
  if (!where.is_anywhere) return because(BgpReason::no_endpoints);
  if (is_local && !where.is_here) return because(BgpReason::no_local_endpoints);

  Wishes wishes;
  bool is_told = false;
  for (const BgpAd* ad : ads) is_told = wish(*ad, vip, is_local, view, wishes) || is_told;
  if (!is_told) return because(BgpReason::no_peer);
  if (wishes.conflict) {
    const auto& [prefix, peer] = *wishes.conflict;
    std::string names;
    for (const BgpAd* ad : ads) {
      const bool gives = aggregate_of(*ad, vip) == prefix || (is_local && Prefix::host(vip) == prefix);
      if (gives && tells(*ad, peer)) names += (names.empty() ? "" : ", ") + ad->name.name;
    }
    out.conflict = "BGPAdvertisements " + names + " give " + prefix.str() + " different localPref, med or asPathPrepend for peer " + peer +
                   ", so it is not announced: make them equal, or part them by aggregationLength, peers or nodeSelectors";
    return because(BgpReason::conflicting_advertisements);
  }
  for (auto& [prefix, one] : wishes.by_prefix) out.wishes.push_back(std::move(one));
  return out;
}

}  // namespace

std::string_view name(BgpReason reason) {
  static constexpr std::array<std::string_view, 11> kNames = {
      "announced", "not_in_a_pool", "is_node_address", "no_matching_advertisement", "not_owner", "conflicting_advertisements",
      "node_network_unavailable", "node_excluded", "no_local_endpoints", "no_endpoints", "no_peer"};
  return kNames[static_cast<std::size_t>(reason)];
}

AdsDecision decide_ads(const BgpObjects& objects) {
  std::map<std::string, std::string> aliases;
  for (const auto& [name, community] : objects.communities) {
    for (const auto& alias : community.communities) aliases.try_emplace(alias.name, alias.value);
  }
  AdsDecision out;
  for (const auto& [name, object] : objects.advertisements) {
    BgpAd ad{name, &object, {}};
    std::optional<AdProblem> problem;
    for (const std::string& text : object.communities) {
      std::optional<api::CommunityValue> value;
      if (!resolve(text, aliases, value)) {
        problem = AdProblem{name, "unknown_community",
                            "spec.communities: \"" + text + "\" is neither a value like 65000:100 or large:65000:1:2 nor an alias of a Community object"};
      } else {
        add_community(ad.attributes, *value);
      }
    }
    sort_unique(ad.attributes.communities);
    sort_unique(ad.attributes.large);
    if (ad.attributes.communities.size() + ad.attributes.large.size() > kMostCommunities) {
      problem = AdProblem{name, "too_many_communities", "spec.communities: more than 63: write fewer"};
    }
    ad.attributes.local_pref = object.local_pref;
    ad.attributes.med = object.med;
    ad.attributes.prepend = object.as_path_prepend;
    if (problem) {
      out.problems.push_back(*std::move(problem));
    } else {
      out.ads.push_back(std::move(ad));
    }
  }
  return out;
}

std::vector<kube::Name> advertisements_of(const kube::Service& service, const Prefix& prefix, const std::string& peer,
                                          const BgpView& view) {
  std::set<kube::Name> out;
  const auto self = view.nodes.find(view.node);
  if (self == view.nodes.end()) return {};
  const bool is_local = service.external_traffic_policy == kube::TrafficPolicy::local;
  for (const kube::Ingress& ingress : service.ingress) {
    if (!ingress.ip || !ingress.is_vip || !prefix.contains(*ingress.ip)) continue;
    const api::IPAddressPool* pool = pool_of(*ingress.ip, view);
    if (pool == nullptr) continue;
    for (const BgpAd& ad : view.ads) {
      const bool gives = aggregate_of(ad, *ingress.ip) == prefix || (is_local && Prefix::host(*ingress.ip) == prefix);
      if (gives && tells(ad, peer) && selects(ad, *pool, service) &&
          match::any_matches(ad.object->node_selectors, self->second.meta.labels, true)) {
        out.insert(ad.name);
      }
    }
  }
  return {out.begin(), out.end()};
}

std::vector<BgpAnnouncement> bgp_announcements(const kube::Service& service, std::span<const kube::EndpointSlice* const> slices,
                                               const BgpView& view) {
  std::vector<BgpAnnouncement> out;
  if (service.type != kube::ServiceType::load_balancer) return out;
  for (const kube::Ingress& ingress : service.ingress) {
    if (ingress.ip && ingress.is_vip) out.push_back(announce(*ingress.ip, service, slices, view));
  }
  return out;
}

}  // namespace fairlead::speaker
