#include "speaker/core/announce.h"

#include <algorithm>
#include <set>

#include "proto/match/pool.h"
#include "speaker/core/owner.h"

namespace fairlead::speaker {
namespace {

constexpr std::string_view kExcludeLabel = "node.kubernetes.io/exclude-from-external-load-balancers";

const api::IPAddressPool* pool_of(const Ip& vip, const Cluster& cluster) {
  for (const auto& [name, pool] : cluster.pools) {
    for (const IpRange& range : pool.addresses) {
      if (range.contains(vip)) return &pool;
    }
  }
  return nullptr;
}

/// Nodes with an endpoint that can serve: under externalTrafficPolicy Local only they may draw traffic.
struct Serving {
  std::set<std::string> nodes;
  bool is_anywhere = false;
};
Serving serving(std::span<const kube::EndpointSlice* const> slices) {
  Serving out;
  for (const kube::EndpointSlice* slice : slices) {
    for (const kube::Endpoint& e : slice->endpoints) {
      if (!e.is_ready && !(e.is_serving && e.is_terminating)) continue;
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
    const api::IPAddressPool* pool = pool_of(a.vip, cluster);
    if (pool == nullptr) {
      a.reason = Reason::not_in_a_pool;
      out.push_back(std::move(a));
      continue;
    }
    const bool is_node_address = std::any_of(cluster.nodes.begin(), cluster.nodes.end(), [&](const auto& entry) {
      const auto& ips = entry.second.internal_ips;
      return std::find(ips.begin(), ips.end(), a.vip) != ips.end();
    });
    if (is_node_address) {
      a.reason = Reason::is_node_address;
      out.push_back(std::move(a));
      continue;
    }
    std::vector<const api::L2Advertisement*> ads;
    for (const auto& [name, ad] : cluster.advertisements) {
      if (match::advertises_pool(ad, *pool) && match::advertises_service(ad, service)) ads.push_back(&ad);
    }
    if (ads.empty()) {
      a.reason = Reason::no_advertisement;
      out.push_back(std::move(a));
      continue;
    }

    // A Service that nobody serves is announced all the same, by any node: its clients are refused at once and need not
    // wait for a timeout.
    const Serving where = serving(slices);
    const bool needs_local = service.external_traffic_policy == kube::TrafficPolicy::local && where.is_anywhere;
    std::vector<std::string> candidates;
    for (const auto& [name, node] : cluster.nodes) {
      const bool selected = std::any_of(ads.begin(), ads.end(), [&](const auto* ad) { return match::advertises_from(*ad, node); });
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
    for (const auto* ad : ads) {
      if (!match::advertises_from(*ad, cluster.nodes.at(a.node))) continue;
      is_limited = is_limited && !ad->interfaces.empty();
      interfaces.insert(ad->interfaces.begin(), ad->interfaces.end());
    }
    if (is_limited) a.interfaces.assign(interfaces.begin(), interfaces.end());
    out.push_back(std::move(a));
  }
  return out;
}

}  // namespace fairlead::speaker
