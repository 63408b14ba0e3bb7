#include "speaker/core/announce.h"

#include <algorithm>
#include <set>

#include "proto/api/annotations.h"
#include "proto/match/pool.h"
#include "speaker/core/endpoints.h"
#include "speaker/core/owner.h"

namespace fairlead::speaker {
namespace {

using api::kExcludeLabel;

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

/// What a Node has against announcing, the first that counts; in the order of this list users are told.
enum class Obstacle { none, not_selected, excluded, network_unavailable, not_alive, no_endpoint };

using Ads = std::map<kube::Name, const api::L2Advertisement*>;

Obstacle obstacle(const kube::Node& node, const Ads& ads, const Liveness& liveness, bool has_endpoint) {
  const bool is_selected = std::any_of(ads.begin(), ads.end(), [&](const auto& ad) { return match::advertises_from(*ad.second, node); });
  if (!is_selected) return Obstacle::not_selected;
  if (node.meta.labels.contains(kExcludeLabel)) return Obstacle::excluded;
  if (node.network_unavailable) return Obstacle::network_unavailable;
  if (!liveness.is_alive(node)) return Obstacle::not_alive;
  return has_endpoint ? Obstacle::none : Obstacle::no_endpoint;
}

constexpr std::size_t kMostListed = 8;  // in a large cluster a sentence stays one

/// The first of them.
std::string listed(const std::vector<std::string>& names, const char* separator) {
  std::string out;
  for (std::size_t i = 0; i < std::min(names.size(), kMostListed); ++i) out += (i == 0 ? "" : separator) + names[i];
  return out;
}
/// "Nodes a, b, c", or "Nodes a, b, c and 4 more".
std::string nodes_listed(const std::vector<std::string>& names) {
  const std::string out = (names.size() == 1 ? "Node " : "Nodes ") + listed(names, ", ");
  return names.size() > kMostListed ? out + " and " + std::to_string(names.size() - kMostListed) + " more" : out;
}

std::string sentence(const Ip& vip, const std::map<Obstacle, std::vector<std::string>>& found, const Ads& ads) {
  std::string out = vip.str() + " is announced by nobody: ";
  if (found.empty()) return out + "there is no Node";
  bool is_first = true;
  for (const auto& [what, names] : found) {
    const bool is_one = names.size() == 1;
    out += (is_first ? "" : "; ") + nodes_listed(names);
    is_first = false;
    switch (what) {
      case Obstacle::none: break;  // then there would be an owner
      case Obstacle::not_selected: {
        std::vector<std::string> ad_names;
        for (const auto& [name, ad] : ads) ad_names.push_back(name.str());
        out += std::string(is_one ? " is" : " are") + " not selected by spec.nodeSelectors of L2Advertisement " + listed(ad_names, ", ");
        break;
      }
      case Obstacle::excluded:
        out += std::string(is_one ? " carries" : " carry") + " the label " + std::string(kExcludeLabel) + " (to remove it: kubectl label node " +
               listed(names, " ") + " " + std::string(kExcludeLabel) + "-)";
        break;
      case Obstacle::network_unavailable: out += std::string(is_one ? " has" : " have") + " the condition NetworkUnavailable"; break;
      case Obstacle::not_alive: out += std::string(is_one ? " is" : " are") + " not Ready"; break;
      case Obstacle::no_endpoint:
        out += std::string(is_one ? " has" : " have") + " no endpoint that can serve, and spec.externalTrafficPolicy is Local";
        break;
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
    Ads ads;
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
    std::map<Obstacle, std::vector<std::string>> others;
    for (const auto& [name, node] : cluster.nodes) {
      const Obstacle against = obstacle(node, ads, liveness, !needs_local || where.nodes.contains(name));
      if (against == Obstacle::none) candidates.push_back(name);
      else others[against].push_back(name);
    }
    const auto winner = owner(a.vip, candidates);
    if (!winner) {
      a.reason = Reason::no_eligible_node;
      a.what = sentence(a.vip, others, ads);
      const auto alive = std::find_if(cluster.nodes.begin(), cluster.nodes.end(), [&](const auto& entry) { return liveness.is_alive(entry.second); });
      if (!cluster.nodes.empty()) a.teller = (alive == cluster.nodes.end() ? cluster.nodes.begin() : alive)->first;
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
