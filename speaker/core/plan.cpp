#include "speaker/core/plan.h"

#include <algorithm>
#include <array>

namespace fairlead::speaker {
namespace {

using nft::Masquerade;

constexpr Choice kRefuse{Choice::Kind::refuse};
constexpr Choice kIgnore{Choice::Kind::ignore};
constexpr Choice list(Scope scope, Masquerade m) { return {Choice::Kind::list, scope, m}; }

/// Rows 1 to 5: ClusterIP.
Action internal_action(const kube::Service& service, const Selection& eps, Family family, const NodeFacts& node) {
  if (!eps.has_any) return {kRefuse, {}};  // rows 2, 5
  // Not a local pod (or everybody): masquerade, so that the answer comes back through the node that translated.
  const Masquerade m = node.masquerade_all            ? Masquerade::always
                       : node.detector.exists(family) ? Masquerade::unless_pod
                                                      : Masquerade::never;
  if (service.internal_traffic_policy == kube::TrafficPolicy::cluster) return {list(Scope::cluster, m), {}};  // row 1
  return {eps.local.empty() ? kIgnore : list(Scope::local, m), {}};                                           // rows 3, 4
}

/// Rows 6 to 12: NodePort, externalIP, VIP.
Action external_action(const kube::Service& service, const Selection& eps) {
  if (!eps.has_any) return {kRefuse, {}};  // rows 7, 12
  if (service.external_traffic_policy == kube::TrafficPolicy::cluster) {
    return {list(Scope::cluster, Masquerade::always), {}};  // row 6
  }
  return {{},
          Action::BySource{
              .pod = list(Scope::cluster, Masquerade::never),    // row 8: as if it went out and came back
              .node = list(Scope::cluster, Masquerade::always),  // row 9
              .other = eps.local.empty() ? kIgnore : list(Scope::local, Masquerade::never),  // rows 10, 11
          }};
}

bool uses(const Action& action, Scope scope) {
  const auto is = [&](const Choice& c) { return c.kind == Choice::Kind::list && c.list == scope; };
  if (!action.by_source) return is(action.everybody);
  return is(action.by_source->pod) || is(action.by_source->node) || is(action.by_source->other);
}

void sort_unique(std::vector<Ip>& ips) {
  std::sort(ips.begin(), ips.end());
  ips.erase(std::unique(ips.begin(), ips.end()), ips.end());
}

bool contains(std::span<const Ip> sorted, const Ip& ip) { return std::binary_search(sorted.begin(), sorted.end(), ip); }

}  // namespace

bool is_programmed(const kube::Service& service) {
  return service.type != kube::ServiceType::external_name && !service.is_headless && !service.cluster_ips.empty() &&
         !service.meta.labels.contains("service.kubernetes.io/service-proxy-name") &&
         !service.meta.labels.contains("service.kubernetes.io/headless");
}

std::vector<Prefix> allowed_sources(const kube::Service& service, std::span<const Ip> vips, Family family, const NodeFacts& node) {
  std::vector<Prefix> out;
  bool holds_this_node = false;
  for (const Prefix& written : service.source_ranges) {
    const Prefix range = unmapped(written);
    if (range.base.family() != family) continue;
    out.push_back(range);
    holds_this_node = holds_this_node || std::any_of(node.own_addresses.begin(), node.own_addresses.end(),
                                                     [&](const Ip& own) { return range.contains(own); });
  }
  if (holds_this_node) {
    for (const Ip& vip : vips) {
      if (vip.family() == family) out.push_back(Prefix::host(vip));
    }
  }
  return without_nested(std::move(out));
}

ServicePlan plan_service(const kube::Service& service, std::span<const kube::EndpointSlice* const> slices,
                         const NodeFacts& node) {
  ServicePlan out;
  if (node.mode == Mode::off || !is_programmed(service)) return out;
  for (const Ip& cluster_ip : service.cluster_ips) {
    const Family family = cluster_ip.family();
    std::vector<Ip> external = service.external_ips;
    std::vector<Ip> vips;
    for (const kube::Ingress& i : service.ingress) {
      if (i.ip && i.is_vip) vips.push_back(*i.ip);
    }
    external.insert(external.end(), vips.begin(), vips.end());
    std::erase_if(external, [&](const Ip& ip) { return ip.family() != family; });
    std::erase_if(vips, [&](const Ip& ip) { return ip.family() != family; });
    std::erase(external, cluster_ip);
    sort_unique(external);
    sort_unique(vips);
    const std::vector<Prefix> sources = allowed_sources(service, vips, family, node);

    if (node.programs(cluster_ip, false)) out.refused.push_back(cluster_ip);
    for (const Ip& vip : vips) {
      if (node.is_ours(vip)) out.refused.push_back(vip);
    }

    for (const kube::ServicePort& port : service.ports) {
      const Selection eps = select(port, family, slices, node);
      const std::size_t first = out.frontends.size();
      const auto add = [&](std::optional<Ip> ip, Port number, const Action& action) {
        if (!node.programs(ip, ip && contains(vips, *ip))) return;
        Frontend f{ip, family, port.protocol, number, port.name, action, false, {}};
        // Not for NodePorts and addresses that are externalIPs only: nobody promised that these are kept off.
        f.is_guarded = ip && !sources.empty() && contains(vips, *ip);
        if (f.is_guarded) f.sources = sources;
        out.frontends.push_back(std::move(f));
      };
      add(cluster_ip, port.port, internal_action(service, eps, family, node));
      const Action outside = external_action(service, eps);
      for (const Ip& ip : external) add(ip, port.port, outside);
      if (port.node_port.value != 0) add(std::nullopt, port.node_port, outside);

      for (const Scope scope : {Scope::cluster, Scope::local}) {
        const bool used = std::any_of(out.frontends.begin() + static_cast<std::ptrdiff_t>(first), out.frontends.end(),
                                      [&](const Frontend& f) { return uses(f.action, scope); });
        if (!used) continue;
        out.lists.push_back({{port.name, port.protocol, family, scope}, scope == Scope::cluster ? eps.cluster : eps.local});
      }
      if (out.frontends.size() == first) continue;  // nothing of this port is ours
      out.hairpin.insert(out.hairpin.end(), eps.hairpin.begin(), eps.hairpin.end());
      if (eps.has_any) {
        for (const Ip& vip : vips) {
          if (node.is_ours(vip)) out.answering.push_back(vip);
        }
      }
    }
  }
  sort_unique(out.refused);
  sort_unique(out.answering);
  sort_unique(out.hairpin);
  return out;
}

}  // namespace fairlead::speaker
