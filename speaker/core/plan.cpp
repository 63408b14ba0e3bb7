#include "speaker/core/plan.h"

#include <algorithm>

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
  const Masquerade m = node.masquerade_all         ? Masquerade::always
                       : node.has_detector(family) ? Masquerade::unless_pod
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

}  // namespace

bool is_programmed(const kube::Service& service) {
  return service.type != kube::ServiceType::external_name && !service.is_headless && !service.cluster_ips.empty() &&
         !service.meta.labels.contains("service.kubernetes.io/service-proxy-name") &&
         !service.meta.labels.contains("service.kubernetes.io/headless");
}

ServicePlan plan_service(const kube::Service& service, std::span<const kube::EndpointSlice* const> slices,
                         const NodeFacts& node) {
  ServicePlan out;
  if (!is_programmed(service)) return out;
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
    sort_unique(external);

    out.refused.push_back(cluster_ip);
    for (const Ip& vip : vips) {
      if (node.is_ours(vip)) out.refused.push_back(vip);
    }

    for (const kube::ServicePort& port : service.ports) {
      const Selection eps = select(port, family, slices, node);
      const std::size_t first = out.frontends.size();
      const auto add = [&](std::optional<Ip> ip, Port number, const Action& action) {
        out.frontends.push_back({ip, family, port.protocol, number, port.name, action});
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
