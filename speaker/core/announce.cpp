#include "speaker/core/announce.h"

#include <algorithm>
#include <set>

#include "proto/match/pool.h"
#include "speaker/core/endpoints.h"
#include "speaker/core/owner.h"

namespace fairlead::speaker {
namespace {

constexpr std::string_view kExcludeLabel = "node.kubernetes.io/exclude-from-external-load-balancers";

using Pools = std::map<kube::Name, api::IPAddressPool>;

Pools::const_iterator pool_of(const Ip& vip, const Pools& pools) {
  return std::find_if(pools.begin(), pools.end(), [&](const auto& entry) {
    const auto& ranges = entry.second.addresses;
    return std::any_of(ranges.begin(), ranges.end(), [&](const IpRange& range) { return range.contains(vip); });
  });
}

/// Nodes with an endpoint of the VIP's family that can serve: under externalTrafficPolicy Local only they may draw traffic.
struct Serving {
  std::set<std::string> nodes;
  bool is_anywhere = false;
};
Serving serving(std::span<const kube::EndpointSlice* const> slices, Family family) {
  Serving out;
  for (const kube::EndpointSlice* slice : slices) {
    if (slice->family != family) continue;
    for (const kube::Endpoint& e : slice->endpoints) {
      if (!can_serve(e)) continue;
      out.is_anywhere = true;
      if (!e.node_name.empty()) out.nodes.insert(e.node_name);
    }
  }
  return out;
}

}  // namespace

std::string_view name(Reason reason) {
  switch (reason) {
    case Reason::owner: return "owner";
    case Reason::not_in_a_pool: return "not_in_a_pool";
    case Reason::is_node_address: return "is_node_address";
    case Reason::no_advertisement: return "no_advertisement";
    case Reason::no_eligible_node: return "no_eligible_node";
  }
  return "unknown";
}

std::vector<Announcement> announcements(const kube::Service& service, std::span<const kube::EndpointSlice* const> slices,
                                        const Cluster& cluster, const Liveness& liveness) {
  std::vector<Announcement> out;
  if (service.type != kube::ServiceType::load_balancer) return out;
  for (const kube::Ingress& ingress : service.ingress) {
    if (!ingress.ip || !ingress.is_vip) continue;
    Announcement a;
    a.vip = *ingress.ip;
    const auto pool = pool_of(a.vip, cluster.pools);
    if (pool == cluster.pools.end()) {
      a.reason = Reason::not_in_a_pool;
      out.push_back(std::move(a));
      continue;
    }
    a.pool = pool->first;
    const bool is_node_address = std::any_of(cluster.nodes.begin(), cluster.nodes.end(), [&](const auto& entry) {
      const auto& ips = entry.second.internal_ips;
      return std::find(ips.begin(), ips.end(), a.vip) != ips.end();
    });
    if (is_node_address) {
      a.reason = Reason::is_node_address;
      out.push_back(std::move(a));
      continue;
    }
    std::map<kube::Name, const api::L2Advertisement*> ads;
    for (const auto& [name, ad] : cluster.advertisements) {
      if (match::advertises_pool(ad, pool->second) && match::advertises_service(ad, service)) ads.emplace(name, &ad);
    }
    if (ads.empty()) {
      a.reason = Reason::no_advertisement;
      out.push_back(std::move(a));
      continue;
    }

    // A Service that nobody serves is announced all the same, by any node: its clients are refused at once and need not
    // wait for a timeout.
    const Serving where = serving(slices, a.vip.family());
    const bool needs_local = service.external_traffic_policy == kube::TrafficPolicy::local && where.is_anywhere;
    std::vector<std::string> candidates;
    for (const auto& [name, node] : cluster.nodes) {
      const bool selected = std::any_of(ads.begin(), ads.end(), [&own = node](const auto& ad) { return match::advertises_from(*ad.second, own); });
      if (selected && liveness.is_alive(node) && !node.network_unavailable && !node.meta.labels.contains(kExcludeLabel) &&
          (!needs_local || where.nodes.contains(name))) {
        candidates.push_back(name);
      }
    }
    const auto winner = owner(a.vip, candidates);
    if (!winner) {
      a.reason = Reason::no_eligible_node;
      out.push_back(std::move(a));
      continue;
    }
    a.node = *winner;
    // The union of what the advertisements that select this node allow; one without a list allows all.
    std::set<std::string> interfaces;
    bool is_limited = true;
    for (const auto& [name, ad] : ads) {
      if (!match::advertises_from(*ad, cluster.nodes.at(a.node))) continue;
      a.advertisements.push_back(name);
      is_limited = is_limited && !ad->interfaces.empty();
      interfaces.insert(ad->interfaces.begin(), ad->interfaces.end());
    }
    if (is_limited) a.interfaces.assign(interfaces.begin(), interfaces.end());
    out.push_back(std::move(a));
  }
  return out;
}

}  // namespace fairlead::speaker
