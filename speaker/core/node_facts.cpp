#include "speaker/core/node_facts.h"

#include <algorithm>

namespace fairlead::speaker {
namespace {

constexpr std::string_view kZoneLabel = "topology.kubernetes.io/zone";

bool is_link_local(const Ip& ip) {
  static const Prefix k4 = Prefix::of(Ip4{{169, 254}}, 16);
  static const Prefix k6 = Prefix::of(Ip6{{0xfe, 0x80}}, 10);
  return k4.contains(ip) || k6.contains(ip);
}

}  // namespace

NodeFacts node_facts(const DataPlaneFlags& flags, const std::string& name, const Cluster& cluster, const HostAddresses& host) {
  NodeFacts out;
  out.name = name;
  out.detector = flags.detector;
  out.mode = flags.mode == Mode::automatic ? Mode::full : flags.mode;  // where nobody looked
  out.masquerade_all = flags.masquerade_all;

  std::vector<Ip> primary;
  if (const auto self = cluster.nodes.find(name); self != cluster.nodes.end()) {
    primary = self->second.internal_ips;  // of a family without one, the first external address
    primary.insert(primary.end(), self->second.external_ips.begin(), self->second.external_ips.end());
    if (const auto zone = self->second.meta.labels.find(kZoneLabel); zone != self->second.meta.labels.end()) out.zone = zone->second;
    if (flags.detector.mode == Detector::Mode::node_cidr) out.detector.pods = first_of_each_family(self->second.pod_cidrs);
  }
  if (primary.empty()) primary = host.best_first;
  AcceptedAddresses accepted = accepted_addresses(flags.node_ports, primary, host.all);
  if (out.mode == Mode::full) {
    out.node_addresses = std::move(accepted.addresses);
    out.node_ports_everywhere4 = accepted.everywhere4;
    out.node_ports_everywhere6 = accepted.everywhere6;
    for (const auto& [cidr_name, object] : cluster.service_cidrs) {
      out.service_cidrs.insert(out.service_cidrs.end(), object.cidrs.begin(), object.cidrs.end());
    }
    if (cluster.service_cidrs.empty()) out.service_cidrs = flags.service_cidrs;
  }

  // Every pod's link brings a link-local address: a re-plan of all Services for each of them would be for nothing.
  out.own_addresses = host.all;
  std::erase_if(out.own_addresses, [](const Ip& ip) { return ip.is_loopback() || is_link_local(ip); });
  std::sort(out.own_addresses.begin(), out.own_addresses.end());
  out.own_addresses.erase(std::unique(out.own_addresses.begin(), out.own_addresses.end()), out.own_addresses.end());

  for (const auto& [node_name, node] : cluster.nodes) {
    out.all_nodes.insert(out.all_nodes.end(), node.internal_ips.begin(), node.internal_ips.end());
  }
  for (const auto& [pool_name, pool] : cluster.pools) {
    out.pools.insert(out.pools.end(), pool.addresses.begin(), pool.addresses.end());
  }
  return out;
}

}  // namespace fairlead::speaker
